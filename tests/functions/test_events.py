"""Events as n8n posts them, through what Lambda calls."""

from base64 import b64encode
from typing import Any

import psycopg
import pytest

from functions.events.handler import lambda_handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Context, call, http_event
from tests.support.factories import Factory
from tests.support.n8n_capture import PATH, Instance, Json, executed, failed, failed_trigger, instance, logged, stored
from tests.support.problems import EXECUTIONS, ask, refused

type Superuser = psycopg.Connection[Any]


@pytest.fixture
def n8n(make: Factory) -> Instance:
    return instance(make)


def only(superuser: Superuser, n8n: Instance) -> Json:
    (row,) = stored(superuser, n8n.tenant)
    return row


def test_each_item_is_answered_in_order(n8n: Instance) -> None:
    results = n8n.send(
        executed("2"), failed("1"), logged("n8n.node.started"), "?", failed("1"), executed("2", mode="cli")
    )
    assert [result["outcome"] for result in results] == [
        "created", "created", "ignored", "rejected", "unchanged", "updated",
    ]  # fmt: skip
    assert [result["n8n_execution_id"] for result in results] == ["2", "1", None, None, "1", "2"]
    assert [result["n8n_workflow_id"] for result in results] == ["wf-1", "wf-1", None, None, "wf-1", "wf-1"]
    assert [result["error"] for result in results] == [None] * 3 + ["The item is not an object."] + [None] * 2
    assert results[0]["id"] == results[5]["id"] != results[1]["id"] == results[4]["id"]
    assert results[2]["id"] is None is results[3]["id"]


def test_one_object_is_one_item(n8n: Instance) -> None:
    assert [result["outcome"] for result in n8n.post(executed()).json["results"]] == ["created"]


@pytest.mark.parametrize("cursor", [{"nextCursor": None}, {"nextCursor": "eyJsYXN0SWQiOiI4In0="}, {}])
def test_a_page_is_its_executions(n8n: Instance, superuser: Superuser, cursor: Json) -> None:
    answer = n8n.post({"data": [executed("1"), executed("2"), 7], **cursor})
    assert [result["outcome"] for result in answer.json["results"]] == ["created", "created", "rejected"]
    assert len(stored(superuser, n8n.tenant)) == 2


@pytest.mark.parametrize("size", [1, 1_000])
def test_one_to_a_thousand_items_are_taken_at_once(n8n: Instance, superuser: Superuser, size: int) -> None:
    items = [executed(number) for number in range(size)]
    for body in (items, {"data": items, "nextCursor": None}):
        assert len(n8n.post(body).json["results"]) == size
    assert len(stored(superuser, n8n.tenant)) == size


def test_no_items_and_more_than_a_thousand_are_refused(n8n: Instance, superuser: Superuser) -> None:
    many = [executed(number) for number in range(1_001)]
    for body in ([], many, {"data": many, "nextCursor": None}):
        answer = n8n.post(body)
        refused(answer, 422, "body")
        assert answer.json["errors"][0]["message"] == "must hold 1 to 1,000 items"
    assert stored(superuser, n8n.tenant) == []


@pytest.mark.parametrize("cursor", [{"nextCursor": None}, {}])
def test_a_page_may_be_empty_since_nothing_may_have_run(n8n: Instance, cursor: Json) -> None:
    answer = n8n.post({"data": [], **cursor})
    assert (answer.status, answer.json) == (202, {"rejected": 0, "restarted": 0, "results": []})


def test_a_body_may_come_in_base64(n8n: Instance, superuser: Superuser) -> None:
    event = http_event("POST", PATH, headers={"authorization": f"Bearer {n8n.key.token()}"})
    event |= {
        "body": b64encode(b'{"id": 1, "workflowId": "\xc3\xa9", "status": "new"}').decode(),
        "isBase64Encoded": True,
    }
    assert lambda_handler(event, Context())["statusCode"] == 202
    assert only(superuser, n8n)["n8n_workflow_id"] == "\xe9"


def test_under_an_idempotency_key_events_are_answered_once(n8n: Instance) -> None:
    key = {"idempotency-key": "1"}
    items = [executed(), logged("n8n.node.started"), 7]
    first = n8n.post(items, headers=key)
    assert [result["outcome"] for result in first.json["results"]] == ["created", "ignored", "rejected"]
    assert n8n.post(items, headers=key).json == first.json
    assert n8n.post(items).json["results"][0]["outcome"] == "unchanged"
    refused(n8n.post([executed("2")], headers=key), 422)


def test_a_workflow_is_called_by_its_id_until_n8n_reports_its_name(n8n: Instance, superuser: Superuser) -> None:
    n8n.send(executed())
    assert only(superuser, n8n)["name"] == "wf-1"
    n8n.send(failed("1"))
    assert only(superuser, n8n)["name"] == "Intake"
    n8n.send(logged("n8n.workflow.started", workflowName="Renamed"))
    assert only(superuser, n8n)["name"] == "Intake"


def test_the_name_that_a_person_gave_a_workflow_stays(n8n: Instance, superuser: Superuser) -> None:
    n8n.send(executed())
    (workflow,) = call(workflows, "GET", "/routes/workflows", caller=n8n.tenant.owner).json
    path = f"/routes/workflows/{workflow['id']}"
    assert call(workflows, "PUT", path, body={"name": "Ours"}, caller=n8n.tenant.owner).status == 200
    n8n.send(failed())
    assert only(superuser, n8n)["name"] == "Ours"


def test_an_execution_of_another_workflow_is_rejected_and_says_so(n8n: Instance) -> None:
    (first, second) = n8n.send(executed(), executed(workflowId="wf-2"))
    assert (first["outcome"], second["outcome"], second["id"]) == ("created", "rejected", None)
    assert second["error"] == "n8n_execution_id: this n8n execution belongs to another workflow."


def test_two_tenants_with_the_same_n8n_ids_have_each_their_own(make: Factory, superuser: Superuser) -> None:
    one, other = instance(make), instance(make)
    items = [failed(), failed_trigger(), executed("2")]
    reported = [one.send(*items), other.send(*items)]
    assert [[result["outcome"] for result in results] for results in reported] == [["created"] * 3] * 2
    assert not {result["id"] for result in reported[0]} & {result["id"] for result in reported[1]}
    one.send(executed("1", status="success"))
    assert [row["status"] for row in stored(superuser, one.tenant)] == ["success", "success", "error"]
    assert [row["status"] for row in stored(superuser, other.tenant)] == ["error", "success", "error"]


def test_what_was_reported_is_what_its_tenant_reads(n8n: Instance) -> None:
    (result,) = n8n.send(executed(data={"resultData": {"lastNodeExecuted": "Charge"}}))
    read = ask(n8n.tenant, "GET", f"{EXECUTIONS}/{result['id']}").json
    assert read["execution_data"] == {"mode": "webhook", "resultData": {"lastNodeExecuted": "Charge"}}


def test_rejected_items_are_counted_and_warned_of(n8n: Instance) -> None:
    answer = n8n.post([executed(), 7, executed("2", workflowId="wf-1"), executed(workflowId="wf-2")])
    assert (answer.status, answer.json["rejected"]) == (202, 2)
    assert answer.headers["warning"] == '299 - "2 items were rejected"'
    clean = n8n.post([executed(), logged("n8n.node.started")])
    assert (clean.status, clean.json["rejected"], "warning" in clean.headers) == (202, 0, False)


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (7, "body.1: The item is not an object."),
        ({"workflowId": "wf-1"}, "body.1: id: Field required."),
        (executed("1", workflowId="wf-2"), "body.1: n8n_execution_id: this n8n execution belongs to another workflow."),
    ],
)
def test_strictly_all_items_are_recorded_or_none(n8n: Instance, superuser: Superuser, bad: Any, detail: str) -> None:
    strictly, key = f"{PATH}?strict=true", {"idempotency-key": "1"}
    answer = n8n.post([executed("1"), bad, executed("2")], path=strictly, headers=key)
    refused(answer, 422, "body.1")
    assert (answer.json["code"], answer.json["detail"]) == ("items_rejected", detail)
    assert stored(superuser, n8n.tenant) == []
    mended = n8n.post([executed("1"), executed("2")], path=strictly, headers=key)
    assert (mended.status, mended.json["rejected"]) == (202, 0)
    assert len(stored(superuser, n8n.tenant)) == 2


def test_strictly_items_are_answered_in_their_order(n8n: Instance) -> None:
    items = [executed("2"), logged("n8n.node.started"), executed("1"), executed("2")]
    answers = [n8n.post(items, path=f"{PATH}?strict=true").json["results"] for _ in range(2)]
    assert [result["outcome"] for result in answers[0]] == ["created", "ignored", "created", "unchanged"]
    assert [result["n8n_execution_id"] for result in answers[1]] == ["2", None, "1", "2"]
