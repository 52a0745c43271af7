"""Two n8n instances of a tenant, and one whose database began anew: no run is taken for another."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from flomastr.workflows.n8n_events import RESTARTED
from functions.n8n.handler import lambda_handler as n8n_handler
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.n8n_capture import Instance, Json, executed, failed, instance, logged, stored

type Superuser = psycopg.Connection[Any]

STAGING = "/routes/n8n/events?instance=staging"
OLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
NEW = OLD + DAY


def run(n8n_execution_id: str, start: datetime, **fields: Any) -> Json:
    moments = {"startedAt": start.isoformat(), "stoppedAt": (start + timedelta(seconds=1)).isoformat()}
    return executed(n8n_execution_id, **moments | fields)


def rows(superuser: Superuser, n8n: Instance) -> list[tuple[str, str, str, datetime]]:
    return sorted(
        (row["n8n_workflow_id"], row["n8n_execution_id"], row["status"], row["started_at"])
        for row in stored(superuser, n8n.tenant)
    )


def test_a_run_of_another_instance_is_neither_merged_nor_rejected(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(run("1", OLD), run("2", OLD, workflowId="wf-2"))
    answer = n8n.post([run("1", OLD, status="error"), run("2", OLD, status="error")], path=STAGING)
    assert [result["outcome"] for result in answer.json["results"]] == ["created", "created"]
    assert rows(superuser, n8n) == [
        ("wf-1", "1", "error", OLD),
        ("wf-1", "1", "success", OLD),
        ("wf-1", "2", "error", OLD),
        ("wf-2", "2", "success", OLD),
    ]
    again = n8n.post([run("1", OLD, status="error")], path=STAGING)
    assert [result["outcome"] for result in again.json["results"]] == ["unchanged"]
    named = n8n.post([run("1", OLD)], path="/routes/n8n/events?instance=default")
    assert named.json["results"][0]["id"] != again.json["results"][0]["id"]


def test_an_id_that_starts_again_later_is_another_run(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(run("1", OLD, status="error"))
    answer = n8n.post([run("1", NEW)])
    assert (answer.json["restarted"], answer.json["results"][0]["outcome"]) == (1, "created")
    assert answer.json["results"][0]["note"] == RESTARTED
    assert [result["note"] for result in n8n.send(run("1", NEW), run("1", OLD, status="error"))] == [None, None]
    assert rows(superuser, n8n) == [("wf-1", "1", "error", OLD), ("wf-1", "1", "success", NEW)]


def test_an_id_of_another_workflow_is_another_run_unless_it_is_of_the_same_time(
    make: Factory, superuser: Superuser
) -> None:
    n8n = instance(make)
    n8n.send(run("1", OLD, status="running", stoppedAt=None))
    assert [result["note"] for result in n8n.send(failed("1") | {"workflow": {"id": "wf-2"}})] == [RESTARTED]
    assert [result["outcome"] for result in n8n.send(run("1", OLD, workflowId="wf-3"))] == ["rejected"]
    assert [status for _, _, status, _ in rows(superuser, n8n)] == ["running", "error"]  # of wf-1 and of wf-2


def test_a_run_that_waits_goes_on_with_another_start(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(run("1", OLD, status="waiting"))
    assert [result["outcome"] for result in n8n.send(run("1", NEW))] == ["updated"]
    assert rows(superuser, n8n) == [("wf-1", "1", "success", OLD)]


def test_an_error_workflow_of_one_instance_says_nothing_of_another(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(run("1", OLD, status="error"))
    n8n.post([failed("1")], path=STAGING)
    n8n.send(run("1", OLD, status="crashed"))
    n8n.post([run("1", OLD, status="canceled")], path=STAGING)
    assert sorted(status for _, _, status, _ in rows(superuser, n8n)) == ["canceled", "error"]


def test_instances_are_listed_with_their_epochs(make: Factory) -> None:
    n8n = instance(make)
    n8n.post([run("1", NEW), run("2", NEW, workflowId="wf-2")], path=STAGING)
    n8n.post([run("1", OLD), run("2", OLD, workflowId="wf-2")], path=STAGING)
    n8n.send(run("1", OLD))
    (default, staging) = call(n8n_handler, "GET", "/routes/n8n/instances", caller=n8n.tenant.owner).json
    assert [(listed["name"], listed["workflows"], listed["epochs"]) for listed in (default, staging)] == [
        ("default", 1, [{"since": None}]),
        ("staging", 2, [{"since": None}, {"since": "2026-01-03T03:04:05Z"}]),
    ]


def test_an_instance_has_a_hundred_resets_however_often_one_id_comes(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(*(run("1", OLD + timedelta(hours=hours)) for hours in range(150)))
    count = "SELECT count(*) FROM app.n8n_resets WHERE tenant_id = %s"
    assert superuser.execute(count, (n8n.tenant.id,)).fetchall() == [(100,)]
    assert len(rows(superuser, n8n)) == 150


def test_of_an_id_that_hundreds_of_runs_have_a_hundred_are_looked_at_and_all_are_known_again(
    make: Factory, superuser: Superuser
) -> None:
    n8n = instance(make)
    runs = [run("1", OLD + timedelta(minutes=2 * number), status="error") for number in range(300)]
    assert {result["outcome"] for result in n8n.send(*runs)} == {"created"}
    assert [result["outcome"] for result in n8n.send(*runs[:3], *runs[:-3:-1])] == ["unchanged"] * 5
    assert len(rows(superuser, n8n)) == 300
    with superuser.transaction(force_rollback=True):
        superuser.execute("SET LOCAL track_functions = 'all'")
        superuser.execute("SELECT set_config('app.tenant_id', %s, true)", (str(n8n.tenant.id),))
        late = {"n8n_workflow_id": "wf-1", "n8n_execution_id": "1", "status": "success", "started_at": str(NEW + DAY)}
        superuser.execute("SELECT FROM app.record_executions(%s)", (Jsonb([late]),))
        looked_at = superuser.execute(
            "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'is_reported_failure'"
        )
        assert looked_at.fetchall() == [(100,)]


def test_a_tenant_has_twenty_named_instances(make: Factory) -> None:
    n8n = instance(make)
    answers = [n8n.post({"data": []}, path=f"/routes/n8n/events?instance=i{number}") for number in range(21)]
    assert [answer.status for answer in answers] == [202] * 20 + [409]
    assert answers[-1].json["code"] == "too_many_open"
    assert n8n.post({"data": []}).status == 202
    assert n8n.post({"data": []}, path="/routes/n8n/events?instance=No").status == 422


TOLD: dict[tuple[str, int, str], list[Json]] = {  # of each run, by its instance, epoch and id, whatever order
    (path, epoch, id): [
        run(id, start, status=status, workflowId=workflow),
        logged("n8n.workflow.success" if status == "success" else "n8n.workflow.failed", (
            start + timedelta(seconds=1)
        ).isoformat(), executionId=id, workflowId=workflow, errorMessage=None if status == "success" else "It broke"),
    ]
    for path in ("/routes/n8n/events", STAGING)
    for epoch, start in enumerate((OLD, NEW))
    for id, status, workflow in (("1", "error", "wf-1"), ("2", "success", "wf-1"))
}  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([(run, item) for run, items in TOLD.items() for item in items]), size=st.integers(1, 5))
def test_no_run_of_two_instances_and_a_reset_is_mixed(
    make: Factory, superuser: Superuser, order: list[tuple[tuple[str, int, str], Json]], size: int
) -> None:
    n8n = instance(make)
    ids: dict[str, set[tuple[str, int, str]]] = {}
    for path in ("/routes/n8n/events", STAGING):
        told = [(run, item) for run, item in order if run[0] == path]
        for first in range(0, len(told), size):
            part = told[first : first + size]
            for (run, _), result in zip(
                part, n8n.post([item for _, item in part], path=path).json["results"], strict=True
            ):
                ids.setdefault(result["id"], set()).add(run)
    assert sorted(len(runs) for runs in ids.values()) == [1] * len(TOLD)
    assert rows(superuser, n8n) == sorted(
        ("wf-1", id, status, start)
        for start in (OLD, NEW)
        for id, status in (("1", "error"), ("2", "success"))
        for _ in range(2)
    )
    resets = superuser.execute("SELECT count(*) FROM app.n8n_resets WHERE tenant_id = %s", (n8n.tenant.id,))
    assert resets.fetchone() == (2,)
