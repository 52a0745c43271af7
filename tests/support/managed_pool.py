"""A pooler as a provider runs it: TLS by an authority of its own, and a password that can be rotated."""

import ipaddress
import json
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from moto import mock_aws

from flomastr import settings
from tests.support.connected import connected
from tests.support.pgbouncer import Pooler, running

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
    """What a customer can do with it."""

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


@contextmanager
def provided(direct_url: str, database: str) -> Generator[Managed]:
    """The environment's secret names it, once it was given one."""
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
