"""GET /routes/analytics/workflows: workflows side by side, each with the period before."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from functions.analytics.handler import lambda_handler
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import ArchiveEnv
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant

DAY = datetime(2026, 3, 2, tzinfo=UTC)
MONTH = timedelta(days=30)


def ask(env: ArchiveEnv, tenant: Tenant, start: datetime = DAY, end: datetime = DAY + MONTH, **query: Any) -> Answer:
    query |= {"from": start.isoformat(), "to": end.isoformat()}
    with connected(DATABASE_URL=env.app_url):
        return call(lambda_handler, "GET", "/routes/analytics/workflows", query=query, caller=tenant.owner)


def ran(env: ArchiveEnv, tenant: Tenant, workflow: UUID, day: float, seconds: float, status: str = "success") -> None:
    start = DAY + timedelta(days=day)
    env.make.execution(
        tenant,
        workflow,
        status=status,
        started_at=start.isoformat(),
        finished_at=(start + timedelta(seconds=seconds)).isoformat(),
        execution_data={"mode": "webhook"},
    )


@pytest.fixture
def tenant(env: ArchiveEnv) -> Tenant:
    """With the workflows `slow`, `failing`, `mended`, and one of another tenant."""
    tenant, other = env.make.tenant(), env.make.tenant()
    slow, failing, mended = (env.make.workflow(tenant, name=name) for name in ("slow", "failing", "mended"))
    for day in (-0.5, 0, 0.5, 1, 29.9):
        ran(env, tenant, slow, day, 100)
    ran(env, tenant, failing, 0, 1)
    for day in (1, 2, 30):  # the last is after the period
        ran(env, tenant, failing, day, 2, "error")
    for day in (-30, -29, -28):
        ran(env, tenant, mended, day, 3, "crashed")
    ran(env, tenant, mended, -30.1, 3, "error")  # before both periods
    ran(env, tenant, mended, 3, 4, "crashed")
    ran(env, other, env.make.workflow(other), 3, 4, "crashed")
    env.superuser.execute(
        "UPDATE app.workflows SET metadata = %s WHERE id = %s", (Jsonb({"minutes_saved_per_run": 5}), slow)
    )
    env.run(rollup)
    return tenant


def test_each_workflow_has_both_periods_and_a_sparkline(env: ArchiveEnv, tenant: Tenant) -> None:
    answer = ask(env, tenant, sort="total")
    assert answer.status == 200, answer.body
    assert (answer.json["from"], answer.json["to"], answer.json["time_zone"]) == (
        "2026-03-02T00:00:00Z",
        "2026-04-01T00:00:00Z",
        "UTC",
    )
    slow, failing, mended = answer.json["workflows"]
    assert [slow["name"], failing["name"], mended["name"]] == ["slow", "failing", "mended"]
    assert slow["sparkline"] == [2, 1] + [0] * 27 + [1]
    assert (slow["total"], slow["success_rate"], slow["time_saved_minutes"]) == (4, 100.0, 20.0)
    assert slow["p95_seconds"] == pytest.approx(100, rel=0.02)
    assert (slow["before"]["total"], slow["before"]["time_saved_minutes"]) == (1, 5.0)
    assert failing["sparkline"] == [1, 1, 1] + [0] * 27
    assert (failing["total"], failing["error"], failing["success_rate"]) == (3, 2, 33.33)
    assert failing["before"] == failing["before"] | {"total": 0, "success_rate": None, "p95_seconds": None}
    assert (mended["total"], mended["crashed"], mended["before"]["crashed"]) == (1, 1, 3)
    assert "time_saved_minutes" in mended["before"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("failures", ["failing", "mended", "slow"]),
        ("total", ["slow", "failing", "mended"]),
        ("p95", ["slow", "mended", "failing"]),
        ("trend", ["failing", "slow", "mended"]),
    ],
)
def test_the_highest_come_first(env: ArchiveEnv, tenant: Tenant, sort: str, names: list[str]) -> None:
    assert [workflow["name"] for workflow in ask(env, tenant, sort=sort).json["workflows"]] == names
    assert [workflow["name"] for workflow in ask(env, tenant, sort=sort, limit=1).json["workflows"]] == names[:1]


def test_a_short_period_has_points_by_hour(env: ArchiveEnv, tenant: Tenant) -> None:
    (slow, _) = ask(env, tenant, end=DAY + timedelta(hours=30), sort="total").json["workflows"][:2]
    assert slow["name"] == "slow"
    assert slow["sparkline"] == [1] + [0] * 11 + [1] + [0] * 11 + [1] + [0] * 5
    assert slow["before"]["total"] == 1


def test_nothing_is_an_empty_list_and_a_table_has_a_line_for_each(env: ArchiveEnv, tenant: Tenant) -> None:
    assert ask(env, env.make.tenant()).json["workflows"] == []
    csv = ask_csv(env, tenant)
    assert csv.splitlines()[0].startswith("total,success,error,crashed,canceled,running,waiting,recovered,success_rate")
    assert len(csv.splitlines()) == 4


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/csv;q=0.1", "text/csv; charset=utf-8"),
        ("TEXT/CSV", "text/csv; charset=utf-8"),
        ("text/csv;q=0", "application/json"),
        ("text/csv; q=0.00, */*", "application/json"),
        ("text/csv-schema", "application/json"),
    ],
)
def test_a_table_is_for_who_accepts_one(env: ArchiveEnv, tenant: Tenant, accept: str, kind: str) -> None:
    with connected(DATABASE_URL=env.app_url):
        answer = call(
            lambda_handler, "GET", "/routes/analytics/workflows", caller=tenant.owner, headers={"accept": accept}
        )
    assert answer.headers["content-type"] == kind


def ask_csv(env: ArchiveEnv, tenant: Tenant) -> str:
    query = {"from": DAY.isoformat(), "to": (DAY + MONTH).isoformat()}
    with connected(DATABASE_URL=env.app_url):
        return call(
            lambda_handler,
            "GET",
            "/routes/analytics/workflows",
            query=query,
            caller=tenant.owner,
            headers={"accept": "text/csv"},
        ).body


def test_the_workflows_of_an_instance(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    staging = env.make.workflow(tenant, name="Orders", n8n_instance=env.make.n8n_instance(tenant, "staging"))
    other = env.make.workflow(tenant, name="Orders")
    for workflow, day in ((staging, 0), (staging, -1), (other, 0)):
        ran(env, tenant, workflow, day, 1)
    env.run(rollup)

    def found(**query: Any) -> list[tuple[str, int, int]]:
        rows = ask(env, tenant, **query).json["workflows"]
        return [(row["workflow_id"], row["total"], row["before"]["total"]) for row in rows]

    assert found(instance="staging") == found(instance="staging", sort="p95") == [(str(staging), 1, 1)]
    assert found(instance="default") == [(str(other), 1, 0)]
    assert found(instance="nowhere") == []
