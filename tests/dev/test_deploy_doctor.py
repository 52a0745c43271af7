"""The doctor as a deployment asks it: what stops it, what is told, and a database that only AWS reaches."""

import json
from collections.abc import Iterator
from secrets import token_hex
from typing import Any, cast

import boto3
import pytest

from dev.deploy import doctor, stage
from dev.deploy.clients import Clients
from dev.deploy.doctor import Finding
from dev.deploy.stage import Stage
from dev.errors import StartupError
from dev.services.postgres import free_port
from tests.support import aws, pgbouncer
from tests.support.managed_pool import TLS, Authority
from tests.support.pgbouncer import needs_pgbouncer

ROLE = Finding("role", "fail", "flo_app owns the tables", "Name flo_app.")
BEHIND = Finding("migrations", "fail", "0099 is needed", "Run the migrations.")
LAG = Finding("replica_lag", "warn", "it lags", "Look at it.")


@pytest.fixture
def secrets() -> Iterator[Any]:
    """Secrets Manager, as a process of its own would reach it."""
    with aws.running(aws.always({})):
        yield cast(Any, boto3).client("secretsmanager", region_name=aws.REGION)


def staged(secret: str) -> Stage:
    defaults = {name: str(found.get("Default", "")) for name, found in stage.declared_parameters().items()}
    nothing = {"EmbeddingsUrl": "", "OidcJwksUrl": "", "OidcIssuer": ""}
    return Stage("staging", aws.REGION, parameters=defaults | nothing | {"DatabaseSecretArn": secret})


def stored(secrets: Any, url: str, authority: Authority) -> Stage:
    text = json.dumps({"url": url, "ca_certificate": authority.root()})
    return staged(secrets.create_secret(Name=token_hex(4), SecretString=text)["ARN"])


def preflight(found: list[Finding], monkeypatch: pytest.MonkeyPatch, anyway: bool = False) -> None:
    monkeypatch.setattr(doctor, "from_here", aws.always(found))
    doctor.preflight(staged(""), Clients(aws.REGION).functions, "", anyway)


@needs_pgbouncer
def test_from_here_it_sees_what_a_function_would_see(secrets: Any, direct_url: str, database: str) -> None:
    authority = Authority()
    with pgbouncer.running(direct_url) as pooler:
        authority.issue(pooler.folder)
        with (pooler.folder / "pgbouncer.ini").open("a") as configuration:
            configuration.write(TLS.format(folder=pooler.folder))
        (pooler.folder / "users.txt").write_text('"flo_app" "secret"\n')
        pooler.stop()
        pooler.start()
        url = f"postgresql://flo_app:secret@127.0.0.1:{pooler.port}/{database}"
        found = {finding.name: finding for finding in doctor.from_here(stored(secrets, url, authority))}
    assert found["connection"].seen == f"flo_app at 127.0.0.1:{pooler.port}/{database}"
    assert found["encryption"].status == found["migrations"].status == found["role"].status == "ok"
    assert {"issuer_keys", "archive_bucket", "uploads_bucket", "backup_bucket"} & found.keys() == set()


def test_from_here_it_looks_at_buckets_that_are_there_and_at_that_of_backups_with_its_own_keys() -> None:
    there = {"ArchiveBucketName": "one", "UploadsBucketName": "two", "BackupBucketName": "three"}
    with_roles, with_keys = staged(""), staged("")
    with_roles.parameters.update(there)
    with_keys.parameters.update(there | {"BackupStorageSecretArn": "keys"})
    names = ("ARCHIVE_BUCKET", "UPLOADS_BUCKET", "BACKUP_BUCKET")
    assert [doctor.variables(with_roles)[name] for name in names] == ["one", "two", ""]
    assert [doctor.variables(with_keys)[name] for name in names] == ["one", "two", "three"]


def test_a_database_that_does_not_answer_here_is_left_to_aws(secrets: Any, capsys: pytest.CaptureFixture[str]) -> None:
    there = stored(secrets, f"postgresql://flo_app:secret@127.0.0.1:{free_port()}/pool", Authority())
    doctor.preflight(there, Clients(aws.REGION).functions, "", anyway=False)
    assert "cannot reach the database from this machine" in capsys.readouterr().out


def test_what_a_deployment_mends_and_what_only_warns_do_not_stop_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight([BEHIND, LAG], monkeypatch)
    assert capsys.readouterr().out == "  warn  replica_lag: it lags. Look at it.\n"


def test_what_fails_stops_it_unless_it_is_to_go_on_anyway(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StartupError) as stopped:
        preflight([ROLE], monkeypatch)
    assert str(stopped.value).splitlines() == [
        "flomastr-data-staging is not deployed. The doctor says:",
        "  role: flo_app owns the tables. Name flo_app.",
        "To deploy whatever it says: make deploy STAGE=staging ANYWAY=yes",
    ]
    preflight([ROLE], monkeypatch, anyway=True)
    assert capsys.readouterr().out == "  fail  role: flo_app owns the tables. Name flo_app.\n"


def test_a_refused_password_is_no_matter_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Finding("connection", "fail", "password authentication failed", "Correct the user and password.")
    with pytest.raises(StartupError, match="connection: password authentication failed"):
        preflight([refused], monkeypatch)
