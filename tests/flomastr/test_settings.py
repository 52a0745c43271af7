"""The secret: how the database is reached and believed, and how a rotated password is followed."""

import os
from collections.abc import Callable, Generator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest

from flomastr import settings
from flomastr.database import connection
from flomastr.database.session import deadline_in
from flomastr.errors import UnavailableError
from functions.workflows.handler import lambda_handler
from tests.support.connected import connected, port_of
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.managed_pool import OTHERS, SECRET, Authority, Managed, provided
from tests.support.pgbouncer import needs_pgbouncer


@pytest.fixture
def managed(direct_url: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Managed]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with provided(direct_url, database) as managed:
        yield managed


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
