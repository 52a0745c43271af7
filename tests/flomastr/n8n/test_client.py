"""n8n is asked at addresses of the internet alone, unless a parameter allows those of the functions' own network."""

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from flomastr.n8n import client
from flomastr.n8n.client import Answer, N8nError, Request
from flomastr.outbound.targets import is_private
from tests.support.connected import connected

PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"]
NEVER = [
    *("127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254"),
    *("fd00:ec2::253", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::ffff:10.0.0.1", "64:ff9b::a00:1", "x"),
]


def asked(url: str = "https://n8n.example.com", path: str = "/api/v1/executions") -> Answer | N8nError:
    return client.read(client.asked(Request(url, "key", path)))


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the name server answers, and where the connection then goes."""
    found: dict[str, Any] = {"answers": [], "connected": []}

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        address = found["answers"].pop(0)
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def open_connection(host: str, port: int, **given: Any) -> Any:
        found["connected"].append((host, port, given.get("server_hostname")))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    return found


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_no_address_but_a_public_one_is_connected_to(resolving: dict[str, Any], address: str) -> None:
    resolving["answers"] = [address]
    outcome = asked()
    assert isinstance(outcome, N8nError)
    assert (outcome.reason, resolving["connected"]) == ("no_public_address", [])


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_are_if_a_parameter_says_so(resolving: dict[str, Any], address: str) -> None:
    resolving["answers"] = [address]
    with connected(N8N_PRIVATE_ADDRESSES="yes"):
        asked()
    assert resolving["connected"] == [(address, 443, "n8n.example.com")]


@pytest.mark.parametrize("address", NEVER)
def test_this_machine_and_its_metadata_never_are(resolving: dict[str, Any], address: str) -> None:
    resolving["answers"] = [address]
    with connected(N8N_PRIVATE_ADDRESSES="yes"):
        outcome = asked()
    assert isinstance(outcome, N8nError)
    assert (outcome.reason, resolving["connected"]) == ("no_public_address", [])
    assert not is_private(address)


def test_the_address_that_was_looked_at_is_connected_to(resolving: dict[str, Any]) -> None:
    resolving["answers"] = ["1.1.1.1", "127.0.0.1"]
    asked()
    assert resolving["connected"] == [("1.1.1.1", 443, "n8n.example.com")]


def test_a_url_that_is_not_allowed_any_more_is_not_asked() -> None:
    outcome = asked("http://127.0.0.1:1")
    assert isinstance(outcome, N8nError)
    assert outcome.reason == "refused"


@contextmanager
def answering(*parts: bytes) -> Generator[str]:
    """A server that sends this, whatever it is asked, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server, connected(WEBHOOKS_TO_LOCALHOST="yes"):

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    with connection, suppress(OSError):
                        connection.recv(65_536)
                        for part in parts:
                            connection.sendall(part)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD + b"Content-Length: 13\r\n\r\n", b'{"data": [1]}'),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n{", b'"dat\r\n8\r\na": [1]}\r\n0\r\n\r\n'),
        (HEAD + b"\r\n", b'{"data": ', b"[1]}"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", HEAD + b"\r\n", b'{"data": [1]}'),
    ],
)
def test_a_body_is_read_in_each_form(parts: tuple[bytes, ...]) -> None:
    with answering(*parts) as url:
        assert asked(url) == Answer({"data": [1]}, 13)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((HEAD + b"Content-Length: 16000001\r\n\r\n",), "too_large"),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",), "too_large"),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",), "not_n8n"),
        ((HEAD + b"\r\n", b"\xff"), "not_n8n"),
        ((b"SSH-2.0\r\n\r\n",), "no_http"),
        ((HEAD,), "no_connection"),
    ],
)
def test_what_is_no_answer_is_named(parts: tuple[bytes, ...], reason: str) -> None:
    with answering(*parts) as url:
        outcome = asked(url)
    assert isinstance(outcome, N8nError)
    assert outcome.reason == reason


def test_one_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, connected(WEBHOOKS_TO_LOCALHOST="yes"):
        outcome = client.asked(Request(f"http://127.0.0.1:{server.getsockname()[1]}", "key", "/"), 0.2)
    assert isinstance(outcome, N8nError)
    assert outcome.reason == "timed_out"


@pytest.mark.parametrize("value", [b"{},", b"[],", b"0,", b'{"a":0},'])
def test_an_answer_of_too_many_values_is_not_read(value: bytes) -> None:
    """Of 16 MB it would take 500 MB of memory."""
    outcome = client.read(bytearray(b'{"data":[' + value * 1_500_000 + b"0]}"))
    assert isinstance(outcome, N8nError)
    assert outcome.reason == "too_large"


def test_one_of_as_many_as_n8n_has_in_as_many_bytes_is() -> None:
    outcome = client.read(bytearray(b'{"data":[' + b'{"a": "0123456789"},' * 700_000 + b"0]}"))
    assert isinstance(outcome, Answer)
    assert (len(outcome.content["data"]), outcome.size) == (700_001, 14_000_012)
