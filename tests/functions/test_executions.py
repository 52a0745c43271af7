"""Executions over HTTP, through what Lambda calls."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.workflows import executions
from flomastr.workflows.executions import ExecutionChanges
from functions.executions.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
END = START + timedelta(seconds=7)


def ask(tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/workflow-executions{path}", caller=tenant.owner, **request)


def deliver(tenant: Tenant, *deliveries: dict[str, Any]) -> list[dict[str, Any]]:
    answer = ask(tenant, "POST", "/batch", body={"executions": list(deliveries)})
    assert answer.status == 200, answer.body
    return answer.json["results"]


def iso(moment: datetime) -> str:
    return moment.isoformat()


def test_an_execution_is_recorded_read_finished_and_deleted(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    created = ask(tenant, "POST", body={"workflow_id": str(workflow), "tenant_id": str(tenant.id)})
    assert created.status == 201
    assert created.json["status"] == "running"
    path = f"/{created.json['id']}"
    assert created.headers["location"] == f"/routes/workflow-executions{path}"
    assert ask(tenant, "GET", path).json | {"data_notes": None} == created.json
    finished = ask(tenant, "PUT", path, body={"status": "success", "execution_data": {"mode": "webhook", "items": [1]}})
    assert finished.json["finished_at"] is not None
    assert finished.json["mode"] == "webhook"
    assert ask(tenant, "DELETE", path).status == 200
    assert ask(tenant, "GET", path).status == 404


def test_an_execution_that_has_ended_is_not_reopened(make: Factory) -> None:
    tenant = make.tenant()
    execution = make.execution(tenant, make.workflow(tenant), status="error")
    refused = ask(tenant, "PUT", f"/{execution}", body={"status": "running"})
    assert refused.status == 409
    assert refused.json["code"] == "execution_is_final"
    assert ask(tenant, "PUT", f"/{execution}", body={"status": "crashed"}).status == 200


def test_a_batch_answers_in_order_what_became_of_each_row(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant, n8n_workflow_id="wf-1")
    running = {"n8n_workflow_id": "wf-1", "n8n_execution_id": "1", "status": "running", "started_at": iso(START)}
    results = deliver(
        tenant,
        running,
        running | {"n8n_execution_id": "2", "n8n_workflow_id": "unknown"},
        running | {"n8n_execution_id": "3", "n8n_workflow_id": None, "workflow_id": str(workflow)},
        running | {"status": "success", "finished_at": iso(END)},
    )
    assert [r["outcome"] for r in results] == ["created", "rejected", "created", "updated"]
    assert [r["n8n_execution_id"] for r in results] == ["1", "2", "3", "1"]
    assert results[0]["id"] == results[3]["id"]
    assert results[1] == {
        "n8n_execution_id": "2",
        "id": None,
        "outcome": "rejected",
        "error": "workflow_id: there is no such workflow.",
        "data_notes": None,
    }
    assert [r["outcome"] for r in deliver(tenant, running, running)] == ["unchanged", "unchanged"]


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"status": "running"}, {"status": "success"}, "updated"),
        ({"status": "success"}, {"status": "running"}, "unchanged"),
        ({"status": "error"}, {"status": "error"}, "unchanged"),
        ({"status": "error"}, {"status": "error", "error_message": "declined"}, "updated"),
    ],
)
def test_a_second_delivery_in_one_batch_says_whether_it_changed_anything(
    make: Factory, first: dict[str, Any], second: dict[str, Any], outcome: str
) -> None:
    tenant = make.tenant()
    known = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1"}
    results = deliver(tenant, known | first, known | second)
    assert [result["outcome"] for result in results] == ["created", outcome]


RANKED = ["new", "running", "waiting", "unknown", "crashed", "canceled", "error", "success"]


@pytest.mark.parametrize("pair", list(permutations(RANKED, 2)), ids="-".join)
def test_of_two_states_the_later_in_n8ns_order_stays_whichever_comes_first(
    make: Factory, pair: tuple[str, str]
) -> None:
    tenant = make.tenant()
    known = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1"}
    ids = {deliver(tenant, known | {"status": status})[0]["id"] for status in pair}
    assert ask(tenant, "GET", f"/{ids.pop()}").json["status"] == max(pair, key=RANKED.index)


@pytest.mark.parametrize("status", ["running", "error"])
def test_the_longest_message_of_a_state_stays(make: Factory, status: str) -> None:
    tenant = make.tenant()
    known = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1", "status": status}
    ids = {deliver(tenant, known | {"error_message": message})[0]["id"] for message in ("zz", "mmmm", "aaa")}
    assert ask(tenant, "GET", f"/{ids.pop()}").json["error_message"] == "mmmm"


DELIVERIES: list[dict[str, Any]] = [
    {"status": "new", "started_at": None},
    {"status": "running", "started_at": iso(START), "execution_data": {"step": 1}},
    {"status": "waiting", "started_at": iso(START), "finished_at": iso(START + timedelta(seconds=3))},
    {"status": "crashed", "started_at": iso(START), "finished_at": iso(END), "error_message": "lost"},
    {"status": "error", "started_at": iso(START), "error_message": "declined"},
    {
        "status": "error",
        "started_at": iso(START),
        "finished_at": iso(END),
        "execution_data": {"step": 1, "more": "x"},
    },
]


def test_deliveries_in_any_order_and_any_grouping_end_in_the_same_row(make: Factory) -> None:
    chosen = random.Random(7)
    orders = chosen.sample(list(permutations(DELIVERIES)), 40)
    tenant = make.tenant()
    make.workflow(tenant, n8n_workflow_id="wf")
    rows: set[str] = set()
    for number, order in enumerate(orders):
        rest = [d | {"n8n_workflow_id": "wf", "n8n_execution_id": str(number)} for d in [*order, order[0]]]
        while rest:
            size = chosen.randint(1, len(rest))
            results = deliver(tenant, *rest[:size])
            rest = rest[size:]
        row = ask(tenant, "GET", f"/{results[0]['id']}").json  # pyright: ignore[reportPossiblyUnboundVariable]
        rows.add(str({k: v for k, v in row.items() if k not in ("id", "n8n_execution_id", "created_at")}))
    assert len(rows) == 1
    assert "'status': 'error'" in (final := rows.pop())
    assert "'declined'" in final and "'more': 'x'" in final
    assert f"'started_at': '{START:%Y-%m-%dT%H:%M:%SZ}'" in final
    assert f"'finished_at': '{END:%Y-%m-%dT%H:%M:%SZ}'" in final


@pytest.mark.parametrize("known", [True, False])
def test_an_execution_of_an_unknown_or_foreign_workflow_is_refused_alike(make: Factory, known: bool) -> None:
    tenant, other = make.tenant(), make.tenant()
    workflow = make.workflow(other) if known else "018f0000-0000-7000-8000-000000000000"
    answer = ask(tenant, "POST", body={"workflow_id": str(workflow)})
    assert answer.status == 404
    assert answer.json["detail"] == "workflow_id: there is no such workflow."


def test_a_change_and_a_delivery_at_once_lose_neither(make: Factory, direct_url: str) -> None:
    tenant = make.tenant()
    run = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1", "started_at": iso(START)}
    (created,) = deliver(tenant, run | {"status": "error"})
    change = executions.update(UUID(created["id"]), ExecutionChanges(error_message="declined"), None)
    with psycopg.connect(direct_url) as person, ThreadPoolExecutor() as thread:
        person.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        person.execute(change.sql, change.params)
        delivered = thread.submit(deliver, tenant, run | {"status": "error", "execution_data": {"mode": "webhook"}})
        with pytest.raises(TimeoutError):
            delivered.result(timeout=0.3)
        person.commit()
    assert delivered.result()[0]["outcome"] == "updated"
    row = ask(tenant, "GET", f"/{created['id']}").json
    assert (row["error_message"], row["mode"]) == ("declined", "webhook")


@pytest.mark.parametrize("ahead_first", [True, False])
def test_a_start_of_a_clock_that_is_fast_is_no_later_than_its_first_delivery(make: Factory, ahead_first: bool) -> None:
    tenant = make.tenant()
    untold = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1", "status": "running"}
    ahead = untold | {"started_at": iso(datetime.now(UTC) + timedelta(hours=1))}
    for delivery in (ahead, untold) if ahead_first else (untold, ahead):
        (result,) = deliver(tenant, delivery)
    row = ask(tenant, "GET", f"/{result['id']}").json  # pyright: ignore[reportPossiblyUnboundVariable]
    assert row["started_at"] == row["created_at"]


@pytest.mark.parametrize("offset", ["+16:00", "-16:00", "+23:59", "-23:59", "+15:59"])
def test_any_offset_of_a_moment_is_recorded_by_each_way_to_write(make: Factory, offset: str) -> None:
    tenant = make.tenant()
    known = {"workflow_id": str(make.workflow(tenant)), "status": "success"}
    moments = {"started_at": f"2026-01-02T03:04:05{offset}", "finished_at": f"2026-01-03T03:04:05{offset}"}
    posted = ask(tenant, "POST", body=known | {"n8n_execution_id": "1"} | moments)
    assert posted.status == 201
    assert all(datetime.fromisoformat(posted.json[name]) == datetime.fromisoformat(moments[name]) for name in moments)
    both = [known | {"n8n_execution_id": "2"} | moments, known | {"n8n_execution_id": "3"}]
    assert [result["outcome"] for result in deliver(tenant, *both)] == ["created", "created"]
    changed = {"finished_at": moments["finished_at"]}
    assert ask(tenant, "PUT", f"/{posted.json['id']}", body=changed).status == 200
