"""When an alert fires and when it is resolved: each once."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any, LiteralString
from uuid import uuid4

import pytest

from flomastr.alerts import evaluation
from flomastr.database import connection
from flomastr.jobs import Job
from flomastr.settings import database_url
from functions.alert.handler import lambda_handler as alert
from functions.expire.handler import lambda_handler as expire
from functions.workflows.handler import lambda_handler as workflows
from tests.flomastr.alerts.conftest import AlertEnv
from tests.support.archive_env import NOW
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import call
from tests.support.factories import Tenant


def firing(env: AlertEnv, tenant: Tenant) -> set[str]:
    return {found["name"] for found in env.ask(tenant, "GET").json if found["firing_since"]}


def types(env: AlertEnv, tenant: Tenant, alert: dict[str, Any]) -> list[str]:
    return [event["type"] for event in reversed(env.history(tenant, alert))]


def test_a_failure_rate_fires_over_its_threshold_of_enough_runs(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    one, other = env.platform.make.workflow(tenant, name="Orders"), env.platform.make.workflow(tenant)
    for status in ("success", "success", "error", "crashed"):
        env.execution(tenant, one, 1, status)
    env.execution(tenant, one, 58)  # in the quarter hour in which the last hour begins
    for status in ("canceled", "running", "waiting"):  # neither succeeded nor failed
        env.execution(tenant, one, 1, status)
    env.execution(tenant, one, 1, "error", execution_data={"mode": "manual"})  # somebody tries it
    env.execution(tenant, other, 80, "success")  # before the quarter hour in which the last hour begins
    env.execution(tenant, other, 1, "success")
    fired = env.set(tenant, name="all 33.3", threshold=33.3, min_runs=6)
    env.set(tenant, name="all 33.34", threshold=33.34)
    env.set(tenant, name="all of 7", threshold=1, min_runs=7)
    env.set(tenant, name="one 39.9", threshold=39.9, workflow_id=str(one), min_runs=5)
    env.set(tenant, name="one 40", threshold=40, workflow_id=str(one))
    env.set(tenant, name="other", threshold=0, workflow_id=str(other))
    env.set(tenant, name="off", threshold=0, enabled=False)
    assert env.evaluated()["alerts_fired"] == 2
    assert firing(env, tenant) == {"all 33.3", "one 39.9"}
    (event,) = env.history(tenant, fired)
    measured = {"value": 33.33, "runs": 6, "threshold": 33.3, "min_runs": 6, "minutes": 60, "workflow_id": None}
    assert event["data"].items() >= measured.items()
    assert (event["type"], event["data"]["reason"], event["data"]["fired_at"]) == ("fired", None, None)


def test_a_failure_whose_retry_succeeded_counts_no_more(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    set = env.set(tenant, threshold=0)
    env.execution(tenant, workflow, 2, "error", n8n_execution_id="1")
    env.evaluated()
    assert types(env, tenant, set) == ["fired"]
    env.execution(tenant, workflow, 1, execution_data={"mode": "retry", "retryOf": "1"})
    env.evaluated()
    assert types(env, tenant, set) == ["fired", "resolved"]
    resolved = env.history(tenant, set)[0]
    assert (resolved["data"]["value"], resolved["data"]["reason"]) == (0.0, "over")
    assert resolved["data"]["fired_at"] == env.history(tenant, set)[1]["occurred_at"]


def test_what_is_slow_fires_over_its_p95(env: AlertEnv) -> None:
    make, tenant = env.platform.make, env.platform.make.tenant()
    workflow, slower_one = make.workflow(tenant), make.workflow(tenant)
    slower = {"finished_at": datetime.now(UTC).isoformat()}
    for number in range(20):  # one of twenty is slower than its p95; of the other, two are
        env.execution(tenant, workflow, 1, **(slower if number == 0 else {}))
        env.execution(tenant, slower_one, 1, **(slower if number < 2 else {}))
    for _ in range(5):
        env.execution(tenant, workflow, 1, **slower, execution_data={"mode": "manual"})  # somebody tries it
        env.execution(tenant, workflow, 300, **slower)  # long before
    of = {"kind": "slow", "workflow_id": str(workflow)}
    env.set(tenant, name="over 0.97", threshold=0.97, **of)
    env.set(tenant, name="over 1.03", threshold=1.03, **of)
    env.set(tenant, name="of 21", threshold=0.1, min_runs=21, **of)
    env.set(tenant, name="slower", kind="slow", threshold=1.03, workflow_id=str(slower_one))
    env.evaluated()
    assert firing(env, tenant) == {"over 0.97", "slower"}


def test_silence_fires_for_a_workflow_that_should_have_run_and_did_not(env: AlertEnv) -> None:
    make, tenant = env.platform.make, env.platform.make.tenant()
    recent, silent, by_hand, never, new = (make.workflow(tenant) for _ in range(5))
    env.execution(tenant, recent, 175)
    env.execution(tenant, silent, 245)  # before the hour in which the last three begin
    env.execution(tenant, by_hand, 1, execution_data={"mode": "manual"})
    of: dict[str, Any] = {"kind": "silence", "minutes": 180, "threshold": None}
    for name, workflow in {"recent": recent, "silent": silent, "by hand": by_hand, "never": never}.items():
        env.set(tenant, name=name, workflow_id=str(workflow), **of)
    aged = "UPDATE app.alerts SET watched_since = now() - interval '3 hours' WHERE tenant_id = %s"
    env.platform.superuser.execute(aged, (tenant.id,))
    env.set(tenant, name="new", workflow_id=str(new), **of)
    env.evaluated()
    assert firing(env, tenant) == {"silent", "by hand", "never"}
    env.execution(tenant, silent, 1, "running")
    env.evaluated()
    assert firing(env, tenant) == {"by hand", "never"}


def test_an_alert_fires_once_and_is_resolved_once_however_often_the_job_runs(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    set = env.set(tenant, threshold=0)
    for _ in range(2):
        failed = env.execution(tenant, workflow, 1, "error")
        assert [env.evaluated().get("alerts_fired"), env.evaluated().get("alerts_fired")] == [1, None]
        env.platform.make.within(tenant.id, "DELETE FROM app.workflow_executions WHERE id = %(id)s", {"id": failed})
        assert [env.evaluated().get("alerts_resolved"), env.evaluated().get("alerts_resolved")] == [1, None]
    assert types(env, tenant, set) == ["fired", "resolved", "fired", "resolved"]


def test_alerts_are_compared_once_for_each_count_of_what_ran(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
    env.evaluated()
    set = env.set(tenant, threshold=0)
    env.run()
    assert types(env, tenant, set) == []
    env.evaluated()
    assert types(env, tenant, set) == ["fired"]


def test_two_runs_at_once_note_each_change_once(env: AlertEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PAGE", 3)
    alerts = list[tuple[Tenant, dict[str, Any]]]()
    for _ in range(5):
        tenant = env.platform.make.tenant()
        env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
        alerts += [(tenant, env.set(tenant, threshold=0)) for _ in range(2)]
    env.fold()
    together = Barrier(4)

    def evaluate(_: int) -> None:
        with connection.connect(time.monotonic() + 60, database_url) as conn:
            job = Job(conn, datetime.now(UTC), uuid4(), time.monotonic() + 60)
            together.wait()
            evaluation.run(job)

    with connected(DATABASE_URL=env.platform.job_url), ThreadPoolExecutor(4) as threads:
        list(threads.map(evaluate, range(4)))
    env.evaluated()  # what one of them had locked, another has left
    assert [types(env, *alert) for alert in alerts] == [["fired"]] * 10


def test_a_job_that_is_killed_anywhere_fires_once_and_resolves_once(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    failed = env.execution(tenant, workflow, 1, "error")
    alerts = [env.set(tenant, threshold=0) for _ in range(3)]
    env.fold()
    assert list(steps(env.run))
    assert [types(env, tenant, alert) for alert in alerts] == [["fired"]] * 3
    env.platform.make.within(tenant.id, "DELETE FROM app.workflow_executions WHERE id = %(id)s", {"id": failed})
    env.fold()
    assert list(steps(env.run))
    assert [types(env, tenant, alert) for alert in alerts] == [["fired", "resolved"]] * 3
    env.later(minutes=2)  # what a killed run had claimed is due again
    env.run()
    events = {event["id"]: event["delivery"] for alert in alerts for event in env.history(tenant, alert)}
    assert events == dict.fromkeys(events, "delivered") and len(events) == 6
    assert {request.headers["webhook-id"] for request in env.receiver.received} == events.keys()


@pytest.mark.parametrize("reason", ["disabled", "workflow_deleted"])
def test_an_alert_that_is_watched_no_more_is_resolved_and_says_why(env: AlertEnv, reason: str) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant, name="Orders")
    env.execution(tenant, workflow, 1, "error")
    set = env.set(tenant, threshold=0, workflow_id=str(workflow))
    env.evaluated()
    if reason == "disabled":
        assert env.ask(tenant, "PUT", f"/{set['id']}", body={"enabled": False}).status == 200
    else:
        with connected(DATABASE_URL=env.platform.app_url):
            assert call(workflows, "DELETE", f"/routes/workflows/{workflow}", caller=tenant.owner).status == 200
    env.evaluated()
    env.evaluated()
    assert types(env, tenant, set) == ["fired", "resolved"]
    resolved, fired = env.history(tenant, set)
    assert (resolved["data"]["reason"], fired["data"]["workflow_name"]) == (reason, "Orders")
    assert len(env.receiver.received) == 2


@pytest.mark.parametrize(
    ("gone", "back"), [("status = 'suspended'", "status = 'active'"), ("deleted_at = now()", "deleted_at = NULL")]
)
def test_a_tenant_that_is_suspended_or_deleted_is_told_nothing(
    env: AlertEnv, gone: LiteralString, back: LiteralString
) -> None:
    tenant = env.platform.make.tenant()
    env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
    set = env.set(tenant, threshold=0)
    env.platform.superuser.execute(f"UPDATE app.tenants SET {gone} WHERE id = %s", (tenant.id,))
    env.evaluated()
    env.platform.superuser.execute(f"UPDATE app.tenants SET {back} WHERE id = %s", (tenant.id,))
    assert types(env, tenant, set) == []
    env.evaluated()
    assert types(env, tenant, set) == ["fired"]


def test_every_page_of_alerts_is_compared(env: AlertEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PAGE", 2)
    alerts = list[tuple[Tenant, dict[str, Any]]]()
    for number in (1, 3, 1):
        tenant = env.platform.make.tenant()
        env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
        alerts += [(tenant, env.set(tenant, threshold=0)) for _ in range(number)]
    assert env.evaluated()["alerts_fired"] == 5
    assert [types(env, *alert) for alert in alerts] == [["fired"]] * 5


def test_without_time_the_next_run_goes_on(env: AlertEnv) -> None:
    tenant = env.platform.make.tenant()
    env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
    set = env.set(tenant, threshold=0)
    env.fold()
    assert env.platform.run(alert, left_ms=31_000) == {"state": "unfinished"}
    env.run()
    assert types(env, tenant, set) == ["fired"]


def test_what_was_reported_is_kept_for_ninety_days(env: AlertEnv) -> None:
    """And longer where it is held, and while it is what is firing."""
    make, run = env.platform.make, env.platform.superuser.execute
    left: list[tuple[Tenant, dict[str, Any]]] = []
    for _ in range(3):
        tenant = make.tenant()
        failed = env.execution(tenant, make.workflow(tenant), 1, "error")
        left.append((tenant, env.set(tenant, threshold=0)))
        env.evaluated()
        if len(left) < 3:  # the last one goes on
            make.within(tenant.id, "DELETE FROM app.workflow_executions WHERE id = %(id)s", {"id": failed})
            env.evaluated()
    hold = make.hold(left[1][0])
    aged = "UPDATE app.alert_events SET id = app.uuid7(now() - make_interval(days => %s)) WHERE type = %s"
    run(aged, (91, "fired"))
    run(aged, (89, "resolved"))
    still = "UPDATE app.alerts AS a SET fired_id = e.id FROM app.alert_events AS e WHERE e.alert_id = a.id"
    run(f"{still} AND a.fired_id <> e.id")
    env.platform.run(expire, NOW)
    assert [types(env, *one) for one in left] == [["resolved"], ["fired", "resolved"], ["fired"]]
    env.platform.release(hold)


def test_an_alert_on_an_instance_measures_its_workflows_alone(env: AlertEnv) -> None:
    make, tenant = env.platform.make, env.platform.make.tenant()
    number = make.n8n_instance(tenant, "staging")
    first, second = (make.workflow(tenant, name=name, n8n_instance=number) for name in ("Orders", "Refunds"))
    other = make.workflow(tenant)
    for workflow, status in ((first, "error"), (first, "success"), (second, "success"), (other, "success")):
        env.execution(tenant, workflow, 1, status)
    fired = env.set(tenant, name="33.3", threshold=33.3, instance="staging", min_runs=3)
    env.set(tenant, name="33.34", threshold=33.34, instance="staging")
    env.set(tenant, name="default", threshold=0, instance="default")
    slow = env.set(tenant, name="slow", kind="slow", threshold=0.5, instance="staging", min_runs=3)
    env.set(tenant, name="slow of 4", kind="slow", threshold=0.5, instance="staging", min_runs=4)
    assert env.evaluated()["alerts_fired"] == 2
    assert firing(env, tenant) == {"33.3", "slow"}
    assert (fired["instance"], fired["workflow_id"], slow["instance"]) == ("staging", None, "staging")
    ((event),) = env.history(tenant, fired)
    told = {"value": 33.33, "runs": 3, "instance": "staging", "workflow_id": None, "workflow_name": None}
    assert event["data"].items() >= told.items()


def test_an_instance_that_is_silent_is_told_of(env: AlertEnv) -> None:
    make, tenant = env.platform.make, env.platform.make.tenant()
    silent = make.workflow(tenant, n8n_instance=make.n8n_instance(tenant, "staging"))
    env.execution(tenant, make.workflow(tenant), 1)
    for name, of in (("staging", "staging"), ("default", "default")):
        env.set(tenant, name=name, kind="silence", minutes=60, threshold=None, instance=of)
    env.platform.superuser.execute("UPDATE app.alerts SET watched_since = now() - interval '2 hours'")
    env.evaluated()
    assert firing(env, tenant) == {"staging"}
    env.execution(tenant, silent, 1)
    assert env.evaluated()["alerts_resolved"] == 1
