"""What cannot be understood is rejected by the name of its field, and what stands beside it counts."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flomastr.workflows.n8n_values import items_in
from tests.support.factories import Factory
from tests.support.n8n_capture import Instance, Json, executed, failed, failed_trigger, instance, logged, stored
from tests.support.problems import EXECUTIONS, ask, nested, refused

type Superuser = psycopg.Connection[Any]

STARTED = "n8n.workflow.started"
NO_FORM = (
    "The item is no error post (execution or trigger), no log message (eventName), no execution (workflowId), "
    "no workflow (connections)."
)


@pytest.fixture(scope="module")
def n8n(make: Factory) -> Instance:
    return instance(make)


def without(item: Json, *path: str) -> Json:
    """The item without one of its fields."""
    first, *rest = path
    if rest:
        return item | {first: without(item[first], *rest)}
    return {name: value for name, value in item.items() if name != first}


BAD: list[tuple[Any, str]] = [  # an item, and how its error begins
    (None, "The item is not an object."),
    (True, "The item is not an object."),
    (7, "The item is not an object."),
    (7.5, "The item is not an object."),
    ("failed", "The item is not an object."),
    ([], "The item is not an object."),
    ({}, NO_FORM),
    ({"data": 7, "nextCursor": None}, NO_FORM),
    ({"workflow": {"id": "wf-1"}, "payload": {}, "id": "1", "status": "success"}, NO_FORM),
    ({"workflowId": "wf-1"}, "id: Field required."),
    (executed(None), "id: "),
    (executed(""), "id: "),
    (executed(True), "id: "),
    (executed(1.5), "id: "),
    (executed(["1"]), "id: "),
    (executed("x" * 256), "id: "),
    (executed(int("9" * 4_000)), "id: "),
    (executed("\0"), "id: "),
    (executed("\ud800"), "id: "),
    (without(executed(), "workflowId"), NO_FORM),
    (executed() | {"workflowId": None}, "workflowId: "),
    (executed(workflowId=None), "workflowId: "),
    (executed(workflowId={}), "workflowId: "),
    (executed(workflowId="\0"), "workflowId: holds the character U+0000, which cannot be stored."),
    (executed(status=1), "status: "),
    (executed(mode=1), "mode: "),
    (executed(startedAt=1795340666984), "startedAt: must be a date and time with an offset"),
    (executed(startedAt="yesterday"), "startedAt: "),
    (executed(startedAt="1969-12-31T23:59:59Z"), "startedAt: must lie between 1970 and 9999."),
    (executed(stoppedAt="2026-13-01T00:00:00Z"), "stoppedAt: "),
    ({"execution": None, "workflow": {"id": "wf-1"}}, "execution or trigger is required."),
    ({"execution": 7, "workflow": {"id": "wf-1"}}, "execution: "),
    ({"trigger": [], "workflow": {"id": "wf-1"}}, "trigger: "),
    (without(failed(), "workflow"), "workflow: Field required."),
    (without(failed(), "workflow", "id"), "workflow.id: Field required."),
    (failed([]), "execution.id: "),
    (failed(mode={}), "execution.mode: "),
    (failed(retryOf=1.5), "execution.retryOf: "),
    (failed(executionContext=7), "execution.executionContext: "),
    ({"eventName": 7}, "eventName: "),
    ({"eventName": ["n8n.workflow.started"]}, "eventName: "),
    ({"eventName": None}, "eventName: "),
    (without(logged(STARTED), "ts"), "ts: Field required."),
    (logged(STARTED, "soon"), "ts: "),
    (without(logged(STARTED), "payload"), "payload: Field required."),
    (logged(STARTED) | {"payload": []}, "payload: "),
    (without(logged(STARTED), "payload", "executionId"), "payload.executionId: Field required."),
    (logged(STARTED, workflowId=""), "payload.workflowId: "),
    (logged(STARTED, workflowName=7), "payload.workflowName: "),
]


@pytest.mark.parametrize(("item", "error"), BAD)
def test_a_bad_item_is_rejected_by_the_name_of_its_field(
    make: Factory, superuser: Superuser, item: Any, error: str
) -> None:
    n8n = instance(make)
    before, bad, after = n8n.send(executed("before"), item, executed("after"))
    assert (before["outcome"], after["outcome"]) == ("created", "created")
    said = bad.pop("error")
    assert said.startswith(error) and said.endswith(".")
    assert bad.pop("outcome") == "rejected"
    assert bad == dict.fromkeys(("n8n_execution_id", "n8n_workflow_id", "id", "note", "data_notes"))
    assert [row["n8n_execution_id"] for row in stored(superuser, n8n.tenant)] == ["after", "before"]


@pytest.mark.parametrize(("name", "outcome"), [("id", "rejected"), ("data", "created"), ("retryOf", "created")])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_too_many_digits_spoils_its_item_alone(make: Factory, name: str, outcome: str, sign: str) -> None:
    """Whatever is not read of an item, such as retryOf here, may be any number."""
    item = json.dumps(executed("2") | {name: {"x": "N"} if name == "data" else "N"}).replace('"N"', sign + "9" * 4_301)
    answer = instance(make).post(f"[{json.dumps(executed('1'))},{item},{json.dumps(executed('3'))}]")
    assert [result["outcome"] for result in answer.json["results"]] == ["created", outcome, "created"]


@pytest.mark.parametrize("body", ["null", "true", "7", "7.5", '"failed"', ""])
def test_what_is_neither_object_nor_array_is_refused(n8n: Instance, body: str) -> None:
    refused(n8n.post(body), 422, "body")


@pytest.mark.parametrize("body", ["{", "[1,]", "{'id': 1}", "[" * 100_000])
def test_what_is_no_json_is_refused(n8n: Instance, body: str) -> None:
    answer = n8n.post(body)
    refused(answer, 400, "body")
    assert answer.json["code"] == "invalid_json"


def test_what_is_too_large_is_refused(n8n: Instance) -> None:
    body = json.dumps(executed(data={"x": ""}))
    fitting = body.replace('""', f'"{"x" * (5_000_000 - len(body))}"')
    assert len(fitting) == 5_000_000
    assert n8n.post(fitting).status == 202
    refused(n8n.post(fitting + " "), 413)


def test_a_body_of_another_type_is_refused(n8n: Instance) -> None:
    answer = n8n.post(json.dumps(executed()), headers={"content-type": "text/plain"})
    refused(answer, 400, "body")
    assert answer.json["code"] == "invalid_json"
    assert answer.json["detail"].endswith("with Content-Type: application/json.")


def test_nothing_that_is_taken_spoils_a_list(make: Factory) -> None:
    n8n = instance(make)
    outcomes = set[Any]()
    for depth in range(235, 260):
        deep = json.loads(nested(depth))
        items = [executed(f"{depth}", data=deep), failed(f"{depth}f", error=deep), failed_trigger(error=deep)]
        outcomes |= {
            (result["error"], result["data_notes"] and result["data_notes"]["cut"]) for result in n8n.send(*items)
        }
        assert ask(n8n.tenant, "GET", f"{EXECUTIONS}?include_data=true").status == 200
    assert outcomes == {(None, None), (None, 1)}


def test_numbers_that_postgres_can_hold_are_kept(n8n: Instance, superuser: Superuser) -> None:
    n8n.send(executed("numbers", data={"numbers": [int("9" * 4_000), 1e300, -0.1, 2**64]}))
    (row,) = [row for row in stored(superuser, n8n.tenant) if row["n8n_execution_id"] == "numbers"]
    assert row["execution_data"]["numbers"] == [int("9" * 4_000), 10**300, -0.1, 2**64]


FORMS = [executed(), failed(), failed_trigger(), logged("n8n.workflow.failed")]
TEXT = st.text(st.characters(), max_size=8)  # half surrogate pairs and NUL among them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """An item of one of the forms, with something else instead of one of its parts."""
    item = json.loads(json.dumps(draw(st.sampled_from(FORMS))))
    part = item
    while isinstance(part[name := draw(st.sampled_from(sorted(part)))], dict) and draw(st.booleans()):
        part = part[name]
    part[name] = draw(VALUES)
    return item


@settings(max_examples=200, deadline=None, derandomize=True)
@given(items=st.lists(VALUES | spoiled(), min_size=1, max_size=5))
def test_whatever_is_posted_is_answered_item_by_item(n8n: Instance, items: list[Any]) -> None:
    results = n8n.send(*items, logged(STARTED, executionId="good", workflowId="good"))
    assert len(results) == len(list(items_in(items))) + 1
    assert results[-1]["outcome"] in ("created", "unchanged", "updated")
    assert all(bool(result["error"]) == (result["outcome"] == "rejected") for result in results)
