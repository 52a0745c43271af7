"""GET /routes/analytics/executions: what was reported is counted once the job has run."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg.types.json import Jsonb

from flomastr.analytics import executions
from functions.analytics.handler import lambda_handler
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import ArchiveEnv
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant

DAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday


def ask(env: ArchiveEnv, tenant: Tenant, **query: Any) -> Answer:
    with connected(DATABASE_URL=env.app_url):
        return call(lambda_handler, "GET", "/routes/analytics/executions", query=query, caller=tenant.owner)


def run(hours: float, seconds: float | None, status: str = "success", **overrides: Any) -> dict[str, Any]:
    start = DAY + timedelta(hours=hours)
    end = None if seconds is None else (start + timedelta(seconds=seconds)).isoformat()
    row = {"status": status, "started_at": start.isoformat(), "finished_at": end}
    return row | {"execution_data": {"mode": "webhook"}} | overrides


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Europe/Berlin"])
def test_without_a_period_days_are_those_until_the_end_of_today(env: ArchiveEnv, zone: str) -> None:
    body = ask(env, env.make.tenant(), time_zone=zone).json
    starts, ends = (datetime.fromisoformat(body[name]).astimezone(ZoneInfo(zone)) for name in ("from", "to"))
    tomorrow = datetime.now(ZoneInfo(zone)).date() + timedelta(days=1)
    assert (ends.date(), starts.date(), starts.time(), ends.time()) == (
        *(tomorrow, tomorrow - timedelta(days=30)),
        *(time(0), time(0)),
    )
    assert len(body["series"]) == 30


def test_without_a_period_hours_are_those_until_this_quarter_of_one(env: ArchiveEnv) -> None:
    body = ask(env, env.make.tenant(), bucket="hour").json
    starts, ends = (datetime.fromisoformat(body[name]) for name in ("from", "to"))
    assert ends - starts == timedelta(days=30)
    assert timedelta(minutes=-1) <= ends - datetime.now(UTC) <= timedelta(minutes=15)


def test_one_bucket_has_all_measures(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    for execution in (
        run(1, 10),
        run(2, 20),
        run(3, 30),
        run(4, 40, "error"),
        run(5, 50, "crashed"),
        run(6, 60, "canceled"),
        run(7, 70, "waiting"),
        run(8, None, "running"),
        run(9, None, "new"),
        run(24, 1000),
    ):
        env.make.execution(tenant, workflow, **execution)
    assert env.run(rollup)["deltas_folded"] == 10
    answer = ask(env, tenant, **{"from": DAY.isoformat(), "to": (DAY + timedelta(days=1)).isoformat()})
    assert answer.status == 200, answer.body
    body = answer.json
    assert body["as_of"]
    assert (body["from"], body["to"], body["bucket"], body["time_zone"]) == (
        "2026-03-02T00:00:00Z",
        "2026-03-03T00:00:00Z",
        "day",
        "UTC",
    )
    counts = {"total": 9, "success": 3, "error": 1, "crashed": 1, "canceled": 1, "running": 2, "waiting": 1}
    counts |= {"recovered": 0, "success_rate": 60.0, "mean_seconds": 35.0, "max_seconds": 60.0}
    assert body["totals"] == body["totals"] | counts
    assert body["series"] == [{"bucket_start": "2026-03-02T00:00:00Z", "group": None} | body["totals"]]


@pytest.mark.parametrize(("most", "has_percentiles"), [(4, True), (3, False)])
def test_many_points_of_workflows_have_no_percentiles(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch, most: int, has_percentiles: bool
) -> None:
    """Two workflows in two days are four points."""
    monkeypatch.setattr(executions, "MOST_TIMED", most)
    tenant = env.make.tenant()
    workflows = [env.make.workflow(tenant) for _ in range(2)]
    for workflow in workflows:
        env.make.execution(tenant, workflow, **run(1, 10))
    env.run(rollup)
    query = {"from": DAY.isoformat(), "to": (DAY + timedelta(days=2)).isoformat()}
    found = ask(env, tenant, group_by="workflow", **query).json
    assert (found["totals"]["total"], found["totals"]["max_seconds"], len(found["series"])) == (2, 10.0, 4)
    assert (found["totals"]["p95_seconds"] is not None) == has_percentiles
    assert ask(env, tenant, **query).json["totals"]["p95_seconds"] == pytest.approx(10, rel=0.02)
    alone = ask(env, tenant, group_by="workflow", workflow_id=workflows[0], **query).json
    assert alone["totals"]["p95_seconds"] == pytest.approx(10, rel=0.02)


def test_an_hour_of_lord_howe_in_which_clocks_change_by_half_an_hour(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    first = datetime(2026, 4, 4, 13, 15, tzinfo=UTC)  # at 15:00 clocks go from 02:00 back to 01:30
    for half_hour in range(12):
        start = (first + timedelta(minutes=30 * half_hour)).isoformat()
        env.make.execution(tenant, workflow, status="success", started_at=start)
    env.run(rollup)
    span = {"from": "2026-04-04T13:00:00Z", "to": "2026-04-04T20:00:00Z"}
    body = ask(env, tenant, bucket="hour", time_zone="Australia/Lord_Howe", **span).json
    assert body["totals"]["total"] == 12 == sum(point["total"] for point in body["series"])


def test_minutes_that_no_clock_has_are_not_saved(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    metadata = "UPDATE app.workflows SET metadata = %s WHERE id = %s"
    env.superuser.execute(metadata, (Jsonb({"minutes_saved_per_run": 10**400}), workflow))
    env.make.execution(tenant, workflow, **run(1, 10))
    env.run(rollup)
    span = {"from": DAY.isoformat(), "to": (DAY + timedelta(days=1)).isoformat()}
    assert ask(env, tenant, **span).json["totals"]["time_saved_minutes"] == 0


def test_minutes_saved_are_told_of_whole_hours_alone(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    env.superuser.execute(
        """UPDATE app.workflows SET metadata = '{"minutes_saved_per_run": 3}' WHERE id = %s""", (workflow,)
    )
    for minutes in (5, 20):
        env.make.execution(tenant, workflow, **run(minutes / 60, 10))
    env.run(rollup)
    for first, until, total, saved in ((0, 60, 2, 6.0), (15, 60, 1, None), (0, 15, 1, None)):
        span = {
            "from": (DAY + timedelta(minutes=first)).isoformat(),
            "to": (DAY + timedelta(minutes=until)).isoformat(),
        }
        totals = ask(env, tenant, bucket="hour", **span).json["totals"]
        assert (totals["total"], totals["time_saved_minutes"]) == (total, saved)


def test_an_instance_is_the_sum_of_its_workflows(env: ArchiveEnv) -> None:
    make, tenant = env.make, env.make.tenant()
    number = make.n8n_instance(tenant, "staging")
    first, second = (make.workflow(tenant, n8n_instance=number) for _ in range(2))
    gone = make.workflow(tenant)
    other = make.workflow(tenant)
    make.within(tenant.id, "UPDATE app.workflows SET metadata = '{\"minutes_saved_per_run\": 3}'", {})
    for workflow, execution in (
        (first, run(1, 10)),
        (first, run(25, 20, "error")),
        (second, run(2, 30)),
        (other, run(1, 40)),
        (gone, run(1, 50)),
    ):
        make.execution(tenant, workflow, **execution)
    env.run(rollup)
    make.within(tenant.id, "DELETE FROM app.workflows WHERE id = %(id)s", {"id": gone})
    asked = {"from": DAY.isoformat(), "to": (DAY + timedelta(days=2)).isoformat()}

    def totals(**query: str) -> tuple[int, int, float | None, float | None, float | None]:
        found = ask(env, tenant, **asked | query).json["totals"]
        return tuple(found[name] for name in ("total", "error", "max_seconds", "p50_seconds", "time_saved_minutes"))

    p50 = pytest.approx(20, rel=0.02)
    assert totals(instance="staging") == (3, 1, 30.0, p50, 6.0)
    assert totals(instance="staging", workflow_id=str(first)) == (2, 1, 20.0, pytest.approx(10, rel=0.02), 3.0)
    assert totals(instance="staging", status="error") == (1, 1, 20.0, p50, 0)
    assert totals(instance="default")[:3] == (1, 0, 40.0)
    assert totals(instance="nowhere")[:3] == (0, 0, None)
    grouped = ask(env, tenant, **asked | {"group_by": "instance"}).json
    points = [(point["bucket_start"][:10], point["group"], point["total"]) for point in grouped["series"]]
    assert points == [
        ("2026-03-02", None, 1),
        ("2026-03-02", "default", 1),
        ("2026-03-02", "staging", 2),
        ("2026-03-03", None, 0),
        ("2026-03-03", "default", 0),
        ("2026-03-03", "staging", 1),
    ]
    assert (grouped["totals"]["total"], grouped["totals"]["p50_seconds"]) == (5, pytest.approx(30, rel=0.02))
