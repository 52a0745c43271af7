"""Liveness answers without a database, readiness says what is missing."""

import re
import secrets
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from flomastr import health
from flomastr.caller import Caller
from flomastr.database import connection
from flomastr.errors import UnavailableError
from functions.health.handler import lambda_handler
from schema.migrate import read_migrations
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Factory


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another test's database."""
    monkeypatch.setattr(health, "verdict", health.Verdict())


def ask(path: str) -> Answer:
    return call(lambda_handler, "GET", path)


def test_liveness_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(deadline: float) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(connection, "connection", unreachable)
    answer = ask("/routes/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_a_stranger_hears_that_it_is_ready_and_no_version() -> None:
    answer = ask("/routes/health/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready"})


def test_super_admins_see_the_versions_and_nobody_else(make: Factory) -> None:
    def versions(caller: Caller | None) -> Answer:
        return call(lambda_handler, "GET", "/routes/health/versions", caller=caller)

    answer = versions(make.super_admin())
    known = {"postgres", "pgvector", "migration", "needed_migration", "missing_functions", "release"}
    assert answer.json.keys() == known
    assert answer.json["migration"] >= answer.json["needed_migration"] == health.NEEDED_MIGRATION
    assert health.NEEDED_MIGRATION in [migration.name for migration in read_migrations()]
    assert answer.json["missing_functions"] == []
    assert [versions(caller).status for caller in (None, make.person(), make.tenant().owner)] == [401, 403, 403]


def test_super_admins_see_what_jobs_did_and_nobody_else(make: Factory) -> None:
    name = f"job-{secrets.token_hex(4)}"
    runs = [
        ("done", "3 hours", '{"files": 2}', None),
        ("failed", "2 hours", "{}", "No space"),
        ("killed", "1 hour", "{}", None),
        ("failed", "30 hours", "{}", None),
        ("unfinished", "1 minute", '{"files": 1}', None),
    ]
    with psycopg.connect(make.conn.info.dsn, user="flo_job") as job:
        for state, ago, counts, error in runs:
            job.execute(
                "INSERT INTO app.job_runs (id, job, state, counts, error, started_at, finished_at)"
                " SELECT app.uuid7(at), %s, %s, %s, %s, at, at FROM (SELECT now() - %s::interval AS at) AS t",
                (name, state, counts, error, ago),
            )

    def jobs(caller: Caller | None) -> Answer:
        return call(lambda_handler, "GET", "/routes/health/jobs", caller=caller)

    (found,) = [job for job in jobs(make.super_admin()).json if job["job"] == name]
    assert (found["state"], found["counts"], found["error"]) == ("unfinished", {"files": 1}, None)
    assert (found["runs_in_a_day"], found["failures_in_a_day"]) == (4, 2)
    since = datetime.now(UTC) - datetime.fromisoformat(found["last_done_at"])
    assert timedelta(hours=3) <= since < timedelta(hours=4)
    assert [jobs(caller).status for caller in (None, make.person(), make.tenant().owner)] == [401, 403, 403]


def test_the_database_is_asked_once_in_five_seconds_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 100.0, 104.9, 105.1, 105.1])
    asked = list[float]()
    monkeypatch.setattr(health, "why_not_ready", lambda: asked.append(0))
    monkeypatch.setattr(health.time, "monotonic", lambda: next(moments))
    for _ in range(3):
        health.readiness()
    assert len(asked) == 2


def test_that_it_is_not_ready_is_kept_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([UnavailableError("Not now.")])
    monkeypatch.setattr(health, "why_not_ready", lambda: next(errors))
    answers = [ask("/routes/health/ready") for _ in range(3)]
    assert [(answer.status, answer.json["detail"]) for answer in answers] == [(503, "Not now.")] * 3


@pytest.mark.parametrize(
    ("needed", "value", "code"),
    [
        ("NEEDED_MIGRATION", "9999_of_tomorrow", "schema_behind"),
        ("NEEDED_FUNCTIONS", ["authorize", "search_of_tomorrow"], "schema_behind"),
        ("NEEDED_PGVECTOR", (99, 0, 0), "pgvector_too_old"),
    ],
)
def test_a_database_that_is_behind_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, needed: str, value: object, code: str
) -> None:
    monkeypatch.setattr(health, needed, value)
    answer = ask("/routes/health/ready")
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, code, "1")
    assert not {"00", "tomorrow", "99"} & set(re.findall(r"[a-z]+|\d\d", answer.json["detail"]))


def test_a_database_without_a_schema_is_behind(direct_url: str) -> None:
    with connected(DATABASE_URL=direct_url.rpartition("/")[0] + "/postgres"):
        answer = ask("/routes/health/ready")
    assert (answer.status, answer.json["code"]) == (503, "schema_behind")


def test_a_database_that_is_away_is_a_503_and_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*, fresh: bool = False) -> str:
        return "postgresql://secret_user@127.0.0.1:1/nowhere"

    connection.discard()
    monkeypatch.setattr(connection, "database_url", nowhere)
    answer = ask("/routes/health/ready")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert "secret_user" not in answer.body
