"""A drill says whether what is backed up can be restored, and leaves nothing behind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from psycopg.rows import dict_row

from dev.services.postgres import Cluster, create_database
from flomastr.drills import drill_checks, drill_job
from flomastr.drills.digitalocean import Client, UnreachableError
from flomastr.jobs import JobFailedError
from functions.drill.handler import lambda_handler
from schema.migrate import migrate
from tests.support.backup_env import BackupEnv, make_bucket, named
from tests.support.clock import until
from tests.support.connected import connected
from tests.support.digitalocean_api import SOURCE, TOKEN, Provider, provider
from tests.support.events import Context
from tests.support.factories import Factory
from tests.support.full_tenant import full_tenant
from tests.support.s3 import Bucket


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    data: Path = tmp_path_factory.mktemp("provider")
    data.chmod(0o755)
    with provider(data) as account:
        migrate(create_database(account.source, "flomastr"))
        with psycopg.connect(account.source.url("postgres", "flomastr"), autocommit=True) as conn:
            conn.execute("ALTER ROLE flomastr_admin CREATEDB")  # as doadmin may
        url = account.source.url("flo_app", "flomastr")
        with connected(DATABASE_URL=url), psycopg.connect(url, autocommit=True) as conn:
            full_tenant(Factory(conn))
        account.back_up()
        yield account


@pytest.fixture
def env(account: Provider, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[BackupEnv]:
    """One cluster, of which there was no drill."""
    monkeypatch.setattr(drill_job, "AGE", timedelta(0))
    account.answers.clear()
    account.asked.clear()
    urls = account.source.url("flo_job", "flomastr"), account.source.url("flo_app", "flomastr")
    provided = {"DIGITALOCEAN_CLUSTER": SOURCE, "DIGITALOCEAN_URL": account.url, "DIGITALOCEAN_TOKEN": TOKEN}
    with (
        psycopg.connect(urls[1], autocommit=True) as app,
        psycopg.connect(account.source.url("postgres", "flomastr"), autocommit=True) as superuser,
        connected(**provided),
    ):
        superuser.execute("DELETE FROM app.drills")
        env = BackupEnv(account.source, Factory(app), superuser, make_bucket(bucket), *urls)
        with named(env.bucket):
            yield env


@pytest.fixture
def backed_up(env: BackupEnv) -> BackupEnv:
    env.backup()
    return env


def drill(env: BackupEnv, at: datetime | None = None) -> dict[str, Any]:
    with connected(DATABASE_URL=env.job_url):
        return lambda_handler({"time": at.isoformat()} if at else {}, Context(left_ms=600_000))


def recorded(env: BackupEnv) -> dict[str, Any]:
    """The only drill there was."""
    cursor = env.superuser.cursor(row_factory=dict_row)
    (found,) = cursor.execute("SELECT * FROM app.drills").fetchall()
    return found


def next_second() -> datetime:
    """A moment that forks can be asked for, and that has passed."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    until(lambda: datetime.now(UTC) > at)
    return at


def forked(env: BackupEnv, account: Provider, at: datetime | None = None) -> Cluster:
    """The fork of a drill that has begun."""
    assert drill(env, at or next_second()) == {"state": "done"}
    return account.come_online()


def test_a_drill_restores_the_moment_and_the_backup_and_says_how_long_it_took(
    backed_up: BackupEnv, account: Provider
) -> None:
    before = backed_up.make.tenant()
    at = next_second()
    after = backed_up.make.tenant()
    fork = forked(backed_up, account, at)
    with psycopg.connect(fork.url("postgres", "flomastr")) as conn:
        there = {id for (id,) in conn.execute("SELECT id FROM app.tenants").fetchall()}
    assert before.id in there
    assert after.id not in there
    assert drill(backed_up, at) == {"state": "done", "drills": 1, "forks_deleted": 1}
    found = recorded(backed_up)
    assert (found["verdict"], found["problems"]) == ("good", [])
    assert found["restored_to"] == at
    assert found["backup_id"] == backed_up.newest().id
    assert 0 < found["fork_seconds"] < 600
    assert 0 < found["restore_seconds"] < 600
    assert 0 <= found["fork_lost_seconds"] < 600
    assert 0 < found["backup_lost_seconds"] < 600
    assert account.forks == {}
    assert drill(backed_up) == {"state": "done"}  # until the week is over
    assert account.asked.count("POST /v2/databases") == 1


def test_a_broken_backup_is_told_from_a_broken_drill(backed_up: BackupEnv, account: Provider) -> None:
    key = next(part.key for part in backed_up.newest().parts if part.relation.name == "workflows")
    backed_up.write(key, backed_up.object(key)[:-3])
    forked(backed_up, account)
    with pytest.raises(JobFailedError, match=f"backup bad: backup: {key} has"):
        drill(backed_up)
    assert recorded(backed_up)["verdict"] == "backup bad"
    assert account.forks == {}


def test_a_fork_that_lacks_rows_is_bad(backed_up: BackupEnv, account: Provider) -> None:
    fork = forked(backed_up, account)
    with psycopg.connect(fork.url("postgres", "flomastr")) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("DELETE FROM app.workflows")
    with pytest.raises(JobFailedError, match=r"fork bad: fork: app[.]workflows lacks 3 rows from before the moment"):
        drill(backed_up)
    assert recorded(backed_up)["verdict"] == "fork bad"
    assert account.forks == {}


REFUSALS = {
    (401, "Unable to authenticate you"): "UnauthorizedError",
    (404, "not found"): "NotFoundError",
    (422, "cluster limit reached"): "LimitError",
    (429, "Too many requests"): "LimitError",
    (500, "Server error"): "UnreachableError",
}


def test_a_fork_that_cannot_be_made_is_a_broken_drill(env: BackupEnv, account: Provider) -> None:
    for (status, message), error in REFUSALS.items():
        env.superuser.execute("DELETE FROM app.drills")
        account.answers["POST"] = status, message
        with pytest.raises(JobFailedError, match=rf"drill bad: drill: {error}: .*{message}"):
            drill(env, datetime.now(UTC))
        assert recorded(env)["verdict"] == "drill bad"


def test_a_fork_whose_answer_was_lost_is_deleted_by_the_next_run(env: BackupEnv, account: Provider) -> None:
    def fork_in_vain(client: Client, *asked: Any) -> None:
        fork(client, *asked)
        raise UnreachableError("POST /v2/databases: no answer (ReadTimeoutError).")

    fork = Client.fork
    with patch.object(Client, "fork", fork_in_vain), pytest.raises(JobFailedError, match=r"drill bad: .*ReadTimeout"):
        drill(env, datetime.now(UTC))
    assert len(account.forks) == 1
    assert drill(env) == {"state": "done", "forks_deleted": 1}


def test_a_cluster_of_somebody_else_is_never_deleted(env: BackupEnv, account: Provider) -> None:
    account.forks["1"] = {"id": "1", "name": "somebody-elses", "status": "online", "tags": [drill_job.TAG]}
    account.forks["2"] = {"id": "2", "name": "flomastr-drill-of-nobody", "status": "online", "tags": ["other"]}
    drill(env, datetime.now(UTC))
    assert {"1", "2"} < set(account.forks)
    account.forks.clear()


def test_a_moment_that_the_provider_does_not_keep_is_refused_before_anything_is_forked(
    env: BackupEnv, account: Provider
) -> None:
    with pytest.raises(JobFailedError, match=r"drill bad: drill: MomentError: .* is before the oldest backup"):
        drill(env, account.backups[0] - timedelta(seconds=1))
    assert "POST /v2/databases" not in account.asked


def test_a_fork_that_does_not_come_online_ends_the_drill(env: BackupEnv, account: Provider) -> None:
    drill(env, next_second())
    assert drill(env)["waiting"] == 1
    env.superuser.execute("UPDATE app.drills SET started_at = started_at - interval '2 hours'")
    with pytest.raises(JobFailedError, match="drill bad: drill: The fork is still creating after 2:00:00"):
        drill(env)
    assert account.forks == {}


def test_a_drill_that_is_killed_goes_on_and_deletes_its_fork(backed_up: BackupEnv, account: Provider) -> None:
    forked(backed_up, account)
    with patch.object(drill_checks, "restore_backup", side_effect=Killed), pytest.raises(Killed):
        drill(backed_up)
    assert len(account.forks) == 1
    drill(backed_up)
    assert recorded(backed_up)["verdict"] == "good"
    assert account.forks == {}


def test_a_fork_that_outlives_its_drill_is_deleted_by_the_next_run(backed_up: BackupEnv, account: Provider) -> None:
    forked(backed_up, account)
    with patch.object(Client, "delete", side_effect=Killed), pytest.raises(Killed):
        drill(backed_up)
    assert (recorded(backed_up)["verdict"], len(account.forks)) == ("good", 1)
    assert drill(backed_up) == {"state": "done", "forks_deleted": 1}
    assert account.forks == {}


def test_without_a_cluster_there_is_no_drill(env: BackupEnv, account: Provider) -> None:
    with connected(DIGITALOCEAN_CLUSTER=""):
        assert drill(env) == {"state": "done"}
    assert account.asked == []
