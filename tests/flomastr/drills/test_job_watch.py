"""A schedule that stopped is noticed by how old the last good run of its job is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dev.services.postgres import Cluster
from flomastr.drills import job_watch
from functions.drill.handler import lambda_handler
from tests.support.archive_env import emitted
from tests.support.backup_env import BackupEnv, backup_env
from tests.support.connected import connected
from tests.support.events import Context
from tests.support.s3 import Bucket

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[BackupEnv]:
    with backup_env(server, bucket) as env:
        env.superuser.execute("DELETE FROM app.job_runs")
        yield env


def ran(env: BackupEnv, job: str, age: timedelta, state: str = "done") -> None:
    env.superuser.execute(
        "INSERT INTO app.job_runs (id, job, state, started_at) VALUES (app.uuid7(%s), %s, %s, %s)",
        (NOW - age, job, state, NOW - age),
    )


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the log names, each time."""
    names: list[list[str]] = []

    def noted(_message: str, jobs: list[str]) -> None:
        names.append(jobs)

    monkeypatch.setattr(job_watch.logger, "error", noted)
    return names


def overdue(env: BackupEnv, capsys: pytest.CaptureFixture[str]) -> float:
    """How many are."""
    capsys.readouterr()
    with connected(DATABASE_URL=env.job_url):
        lambda_handler({"time": NOW.isoformat()}, Context(left_ms=600_000))
    return emitted(capsys.readouterr().out)["JobsOverdue"][0]


def test_a_job_without_a_good_run_for_too_long_is_counted_and_named(
    env: BackupEnv, said: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran(env, "alert", 30 * MINUTE)
    assert overdue(env, capsys) == 0  # jobs that have not run yet count from the first record
    ran(env, "rollup", 61 * MINUTE)
    ran(env, "rollup", 2 * MINUTE, "failed")
    assert overdue(env, capsys) == 2
    for job in ("requeue", "rollup"):
        ran(env, job, MINUTE, "unfinished")  # it goes on by itself
    assert overdue(env, capsys) == 0
    assert said == [["requeue", "rollup"]]


def test_a_job_that_never_ran_is_missed_in_the_end(
    env: BackupEnv, said: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran(env, "expire", 8 * DAY + MINUTE)
    for job in ("alert", "requeue", "rollup", "recover", "restore", "pull", "erase", "expire", "backup", "archive"):
        ran(env, job, MINUTE)
    assert overdue(env, capsys) == 2
    assert said == [["compact", "partitions"]]
