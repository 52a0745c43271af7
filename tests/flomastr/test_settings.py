"""The secret: how the database is reached and believed, and how a rotated password is followed."""

import ipaddress
import json
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from moto import mock_aws

from flomastr import settings
from flomastr.database import connection
from flomastr.database.session import deadline_in
from flomastr.errors import UnavailableError
from functions.workflows.handler import lambda_handler
from tests.support.connected import connected, port_of
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.pgbouncer import Pooler, needs_pgbouncer, running

SECRET = "flomastr/database"
OTHERS = {
    "SIGNING_SECRET": "flomastr/signing",
    "STORAGE_SECRET": "flomastr/storage",
    "EMBEDDINGS_SECRET": "flomastr/embeddings",
}

TLS = """
auth_type = plain
client_tls_sslmode = require
client_tls_key_file = {folder}/server.key
client_tls_cert_file = {folder}/server.crt
"""


@dataclass
class Authority:
    """Signs the certificates of servers on this machine."""

    name: str = "Test authority"
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def certificate(self, key: EllipticCurvePrivateKey, name: str, extension: x509.ExtensionType) -> str:
        subject, issuer = ([x509.NameAttribute(NameOID.COMMON_NAME, of)] for of in (name, self.name))
        builder = x509.CertificateBuilder(x509.Name(issuer), x509.Name(subject), key.public_key())
        built = (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(extension, critical=True)
        )
        return built.sign(self.key, SHA256()).public_bytes(Encoding.PEM).decode()

    def root(self) -> str:
        return self.certificate(self.key, self.name, x509.BasicConstraints(ca=True, path_length=None))

    def issue(self, folder: Path) -> None:
        key = generate_private_key(SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        (folder / "server.crt").write_text(self.certificate(key, "A pooler", names))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "server.key").write_bytes(pem)


def secrets_manager() -> Any:
    return boto3.client("secretsmanager")  # pyright: ignore[reportUnknownMemberType]


@dataclass
class Managed:
    """A pooler as a provider runs it: TLS, and a password that its customer can rotate."""

    pooler: Pooler
    database: str
    authority: Authority = field(default_factory=Authority)
    secrets: Any = field(default_factory=secrets_manager)

    def require(self, password: str) -> None:
        """The pooler starts anew, so every connection ends."""
        (self.pooler.folder / "users.txt").write_text(f'"flo_app" "{password}"\n')
        self.pooler.stop(signal.SIGKILL)
        self.pooler.start()
        time.sleep(0.3)

    def answer_with(self, password: str, authority: Authority | None = None, host: str = "127.0.0.1") -> None:
        secret = {
            "url": f"postgresql://flo_app:{password}@{host}:{self.pooler.port}/{self.database}",
            "ca_certificate": (authority or self.authority).root(),
        }
        self.put(SECRET, secret)

    def put(self, id: str, secret: dict[str, str]) -> None:
        self.secrets.put_secret_value(SecretId=id, SecretString=json.dumps(secret))


@pytest.fixture
def managed(direct_url: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Managed]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with ExitStack() as life:
        life.enter_context(mock_aws())
        managed = Managed(life.enter_context(running(direct_url)), database)
        for id in (SECRET, *OTHERS.values()):
            managed.secrets.create_secret(Name=id, SecretString="{}")
        folder = managed.pooler.folder
        managed.authority.issue(folder)
        with (folder / "pgbouncer.ini").open("a") as configuration:
            configuration.write(TLS.format(folder=folder))
        settings.secrets.cache_clear()
        life.enter_context(connected(DATABASE_URL="", SIGNING_KEY="", DATABASE_SECRET=SECRET, **OTHERS))
        yield managed
        settings.secrets.cache_clear()


@pytest.fixture
def fetched(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Which secret was asked for, each time, and whether fresh."""
    asked: list[tuple[str, bool]] = []
    read_secret = settings.read_secret

    def noted(kind: Any, id: str, *, fresh: bool = False) -> Any:
        asked.append((id, fresh))
        return read_secret(kind, id, fresh=fresh)

    monkeypatch.setattr(settings, "read_secret", noted)
    return asked


def read(tenant: Tenant) -> Answer:
    return call(lambda_handler, "GET", "/routes/workflows", caller=tenant.owner)


@needs_pgbouncer
def test_one_secret_says_where_the_database_is_and_another_what_signs(make: Factory, managed: Managed) -> None:
    managed.require("first")
    managed.answer_with("first")
    assert read(make.tenant()).status == 200
    assert connection.current
    assert connection.current.pgconn.ssl_in_use
    managed.put(OTHERS["SIGNING_SECRET"], {"signing_key": "key of the secret, which is long"})
    assert settings.signing_key() == b"key of the secret, which is long"


@needs_pgbouncer
def test_a_replica_is_named_by_the_same_secret_and_verified_alike(managed: Managed) -> None:
    secret = {"url": "postgresql://a/b", "ca_certificate": managed.authority.root()}
    managed.put(SECRET, secret)
    assert settings.replica_url(fresh=True) == ""
    managed.put(SECRET, secret | {"replica_url": "postgresql://replica/b"})
    assert settings.replica_url(fresh=True).startswith("postgresql://replica/b?sslmode=verify-full&sslrootcert=/")


@needs_pgbouncer
def test_a_rotated_password_is_followed_within_the_request(
    make: Factory, managed: Managed, fetched: list[tuple[str, bool]]
) -> None:
    tenant = make.tenant()
    managed.require("first")
    managed.answer_with("first")
    assert read(tenant).status == 200
    managed.answer_with("second")
    managed.require("second")
    assert read(tenant).status == 200
    whether_a_replica = (SECRET, False)
    assert fetched == [(SECRET, False), whether_a_replica, (SECRET, False), (SECRET, True)]  # and not for what signs


def refused(why: str) -> None:
    settings.secrets.cache_clear()
    with pytest.raises(psycopg.OperationalError, match=why):
        connection.connection(deadline_in(1))


@needs_pgbouncer
def test_a_server_of_another_authority_or_name_is_not_believed(make: Factory, managed: Managed) -> None:
    tenant = make.tenant()
    managed.require("first")
    managed.answer_with("first", Authority("Another authority"))
    refused("certificate verify failed")
    managed.answer_with("first", host="localhost")
    refused('certificate for "127.0.0.1".* does not match host name "localhost"')
    managed.answer_with("first")
    settings.secrets.cache_clear()
    assert read(tenant).status == 200


@needs_pgbouncer
@pytest.mark.parametrize(("length", "is_taken"), [(31, False), (32, True)])
def test_a_signing_key_is_too_long_to_be_guessed(managed: Managed, length: int, is_taken: bool) -> None:
    managed.put(OTHERS["SIGNING_SECRET"], {"signing_key": "x" * length})
    with nullcontext() if is_taken else pytest.raises(UnavailableError):
        assert settings.signing_key() == b"x" * length


@needs_pgbouncer
def test_object_storage_and_embeddings_have_secrets_of_their_own(managed: Managed) -> None:
    managed.put(OTHERS["STORAGE_SECRET"], {"s3_access_key_id": "who", "s3_secret_access_key": "how"})
    managed.put(OTHERS["EMBEDDINGS_SECRET"], {"embeddings_api_key": " sk-1 "})
    assert settings.storage_keys() == ("who", "how")
    assert settings.embeddings_key() == "sk-1"


@needs_pgbouncer
@pytest.mark.parametrize("ask", [settings.signing_key, settings.storage_keys, settings.embeddings_key])
def test_a_secret_that_lacks_its_fields_is_told_and_not_shown(managed: Managed, ask: Callable[[], object]) -> None:
    for id in OTHERS.values():
        managed.put(id, {"else": "hidden"})
    with pytest.raises(UnavailableError, match="A secret of the service has not the documented form") as refusal:
        ask()
    assert "hidden" not in str(refusal.value.__cause__)


def test_what_no_parameter_names_is_not_asked_for(database_url: str) -> None:
    with connected(STORAGE_SECRET="", EMBEDDINGS_SECRET=""):
        assert settings.storage_keys() == (None, None)
        assert settings.embeddings_key() == ""


def test_in_local_runs_the_environment_takes_precedence(database_url: str) -> None:
    with connected(DATABASE_SECRET="never read", SIGNING_KEY="local"):
        assert settings.database_url() == database_url == os.environ["DATABASE_URL"]
        assert settings.signing_key() == b"local"
        assert settings.storage_keys() == (None, None)
        assert port_of(settings.database_url(fresh=True)) == port_of(database_url)
        assert psycopg.connect(settings.database_url()).close() is None
