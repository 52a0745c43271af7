"""A webhook goes to the internet and nowhere else, whatever the tenant, its name server or its receiver says."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flomastr.alerts.delivery import sent
from flomastr.alerts.webhooks import Outcome, Webhook
from flomastr.outbound import exchange
from flomastr.outbound.targets import is_public, refuse_other_targets
from tests.support.connected import connected
from tests.support.webhook_receiver import receiving

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
OTHERS = {
    "this machine": ["127.0.0.1", "127.255.255.254", "0.0.0.0", "::1", "::"],
    "private networks": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254"],
    "metadata": ["169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "2606:4700:4700::1111%eth0"],
    "carriers' networks": ["100.64.0.1", "100.127.255.255"],
    "documentation and tests": ["192.0.2.1", "198.18.0.1", "203.0.113.5", "2001:db8::1", "3fff::1"],
    "many": ["224.0.0.1", "255.255.255.255", "ff02::1", "240.0.0.1"],
    "IPv4 in IPv6": [
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
    "no address": ["", "localhost", "2130706433", "0x7f000001", "127.1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [address for addresses in OTHERS.values() for address in addresses])
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:443/a/b?c=d&e=%20",
        "https://HOOKS.example.com/@user",
        "https://xn--bcher-kva.example/",
    ],
)
def test_an_https_url_of_a_host_is_taken(url: str) -> None:
    assert refuse_other_targets(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com:80/",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com /",
        "https://hooks.example.com/\r\nx: y",
        "https://hooks.example.com/\n",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.0.0.0x1/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://①②⑦.⓪.⓪.①/",
        "http://127.0.0.1:3000/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "https:///",
        "https://hooks.example.com.:443@evil.example/",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not an https address"):
        refuse_other_targets(url)


def test_the_local_platform_may_deliver_to_this_machine_and_nothing_else_may() -> None:
    local = "http://127.0.0.1:3000/hooks?x=1"
    for setting in ("", "no", "127.0.0.1"):
        with connected(WEBHOOKS_TO_LOCALHOST=setting), pytest.raises(ValueError, match="is not an https"):
            refuse_other_targets(local)
    with connected(WEBHOOKS_TO_LOCALHOST="yes"):
        assert refuse_other_targets(local) == local
        for url in ("http://127.0.0.1:3000@evil.example/", "http://127.0.0.1.evil.example/", "http://127.0.0.2/"):
            with pytest.raises(ValueError, match="is not an https"):
                refuse_other_targets(url)


def attempt(url: str = "https://hooks.example.com/in") -> Outcome:
    (outcome,) = sent([Webhook("1", url, b"{}", b"secret")])
    return outcome


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the name server answers, one answer after the other, and where the connection then goes."""
    found: dict[str, Any] = {"answers": [], "asked": 0, "connected": []}

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        found["asked"] += 1
        addresses = found["answers"].pop(0)
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    async def open_connection(host: str, port: int, **given: Any) -> Any:
        found["connected"].append((host, port, given.get("server_hostname")))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "64:ff9b::a9fe:a9fe"])
def test_a_name_of_an_address_that_is_not_public_is_not_connected_to(resolving: dict[str, Any], address: str) -> None:
    resolving["answers"] = [[address]]
    assert attempt() == Outcome(error="The host has no public address.")
    assert resolving["connected"] == []


def test_the_connection_goes_to_the_address_that_was_looked_at(resolving: dict[str, Any]) -> None:
    """A name server that answers a private address the second time is not asked a second time."""
    resolving["answers"] = [["2606:4700:4700::1111", "10.0.0.1", "1.1.1.1"], ["127.0.0.1"]]
    assert attempt() == Outcome(error="The connection failed.")
    assert resolving["asked"] == 1
    assert resolving["connected"] == [("1.1.1.1", 443, "hooks.example.com")]


def test_a_name_without_an_address_and_one_that_can_have_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempt(f"https://{'x' * 64}.example.com/") == Outcome(error="The host's name has no address.")

    def getaddrinfo(*_: Any, **__: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert attempt() == Outcome(error="The host's name has no address.")


def test_what_was_allowed_when_the_alert_was_set_is_looked_at_again() -> None:
    with receiving() as receiver, connected(WEBHOOKS_TO_LOCALHOST=""):
        error = "The URL is not an https address of a host by its name, at port 443, without user and fragment."
        assert attempt(receiver.url) == Outcome(error=error)
        assert receiver.received == []


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's, of this name, which signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def tls_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server whose certificate is of hooks.example.com. The public address of any name leads to it."""
    context = certificate(tmp_path, "hooks.example.com")
    trusting = ssl.create_default_context(cafile=tmp_path / "server.pem")
    monkeypatch.setattr(exchange, "tls_context", lambda: trusting)
    original = asyncio.open_connection

    async def resolved(*_: Any) -> str:
        return "1.1.1.1"

    async def open_connection(host: str, port: int, **given: Any) -> Any:
        assert (host, port) == ("1.1.1.1", 443)
        return await original("127.0.0.1", server.getsockname()[1], **given)

    monkeypatch.setattr(exchange, "resolved", resolved)
    monkeypatch.setattr(asyncio, "open_connection", open_connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client = server.accept()[0]
                with suppress(OSError), context.wrap_socket(client, server_side=True) as secured:
                    secured.recv(65_536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.usefixtures("tls_port")
def test_the_certificate_is_verified_against_the_name_though_the_address_is_pinned() -> None:
    assert attempt() == Outcome(200)
    assert attempt("https://other.example.com/") == Outcome(error="The host's certificate is not valid.")


@pytest.mark.usefixtures("tls_port")
def test_a_certificate_that_nobody_vouches_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "tls_context", ssl.create_default_context)
    assert attempt() == Outcome(error="The host's certificate is not valid.")


def test_certificates_are_verified() -> None:
    context = exchange.tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
