"""Liveness answers without a database, readiness says what is missing."""

import pytest

from flomastr import health
from flomastr.database import connection
from functions.health.handler import lambda_handler
from tests.support.connected import connected
from tests.support.events import Answer, call


def ask(path: str) -> Answer:
    return call(lambda_handler, "GET", path)


def test_liveness_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(deadline: float) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(connection, "connection", unreachable)
    answer = ask("/routes/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_readiness_reports_the_versions() -> None:
    answer = ask("/routes/health/ready")
    assert answer.status == 200
    assert answer.json.keys() == {"status", "postgres", "pgvector", "migration"}
    assert answer.json["status"] == "ready"
    assert answer.json["migration"] >= health.NEEDED_MIGRATION


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
