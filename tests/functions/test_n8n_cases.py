"""What versions of n8n, its database, its nodes and its logs make of an execution: recorded with the status it has."""

import gzip
import json
from base64 import b64encode
from datetime import datetime
from time import thread_time
from typing import Any

import psycopg
import pytest

from dev.paths import ROOT
from flomastr.workflows.flatted import Room, unpacked
from tests.support.factories import Factory
from tests.support.n8n_capture import Instance, Json, executed, failed, instance, logged, stored
from tests.support.problems import EXECUTIONS, ask

type Superuser = psycopg.Connection[Any]

CASES = ROOT / "tests" / "data" / "n8n_cases"
STARTED, STOPPED = "2026-11-24T03:04:05+00:00", "2026-11-24T03:04:06+00:00"
STATUSES: dict[str, dict[str, str]] = {
    "01-nostatus-negative": {"c1": "error"},
    "04-error-message-object": {"c4": "error"},
    "08-data-nul": {"c8": "success"},
    "10-array-of-pages": {"c10a": "success", "c10b": "success", "c10c": "success"},
    "12-db-row-flatted": {"c12": "success"},
    "14-sqlite-ts": {"c14": "success"},
    "16-log-failed-emptymsg": {"c16": "error"},
    "20-retry": {"c20": "success"},
    "22-deep": {"c22": "success"},
    "24-name-empty": {"c24": "success"},
    "28-error-string": {"c28": "error"},
}


@pytest.fixture(scope="module")
def n8n(make: Factory) -> Instance:
    return instance(make)


def sent(n8n: Instance, superuser: Superuser, posted: Any) -> list[Json]:
    """The rows that it makes."""
    results = n8n.post(posted).json["results"]
    assert [result["outcome"] for result in results if result["outcome"] != "created"] == [], results
    ids = {result["n8n_execution_id"] for result in results}
    return [row for row in stored(superuser, n8n.tenant) if row["n8n_execution_id"] in ids]


@pytest.mark.parametrize("name", STATUSES)
def test_each_case_is_recorded_with_its_status(n8n: Instance, superuser: Superuser, name: str) -> None:
    rows = sent(n8n, superuser, json.loads((CASES / f"{name}.json").read_text()))
    assert {row["n8n_execution_id"]: row["status"] for row in rows} == STATUSES[name]


def test_every_case_has_its_status() -> None:
    assert {path.stem for path in CASES.iterdir()} == STATUSES.keys()


def bare(**fields: Any) -> Json:
    """A row of n8n 1.x, without a status."""
    row = executed(**fields)
    return {name: value for name, value in row.items() if name != "status"}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"finished": True}, "success"),
        ({"finished": False}, "error"),
        ({"finished": "t"}, "success"),
        ({"finished": 0}, "error"),
        ({"finished": "f"}, "error"),
        ({"finished": False, "stoppedAt": None}, "running"),
        ({"finished": False, "stoppedAt": ""}, "running"),
        ({"finished": False, "waitTill": "2026-02-01T00:00:00.000Z"}, "waiting"),
        ({"finished": False, "waitTill": "2026-02-01T00:00:00.000Z", "stoppedAt": None}, "waiting"),
        ({"finished": False, "startedAt": None, "stoppedAt": None}, "new"),
        ({"finished": None, "stoppedAt": None}, "running"),
        ({"status": None}, "success"),
    ],
)  # fmt: skip
def test_a_row_without_status_has_that_of_its_other_fields(
    make: Factory, superuser: Superuser, fields: Json, status: str
) -> None:
    (row,) = sent(instance(make), superuser, bare(**fields) | ({"status": None} if "status" in fields else {}))
    assert row["status"] == status


@pytest.mark.parametrize(
    ("event", "payload", "expected"),
    [
        ("n8n.workflow.crashed", {}, ("crashed", None)),
        ("n8n.workflow.failed", {"errorNodeType": "n8n-nodes-base.code"}, ("error", None)),
        ("n8n.workflow.failed", {"errorMessage": ""}, ("error", None)),
        ("n8n.workflow.failed", {"errorMessage": None, "errorNodeType": "n8n-nodes-base.if"}, ("error", None)),
        ("n8n.workflow.failed", {"errorMessage": {"code": 400}}, ("error", '{"code": 400}')),
        ("n8n.workflow.failed", {"lastNodeExecuted": "Wait"}, ("unknown", None)),
        ("n8n.workflow.success", {"executionId": 1, "workflowId": 7}, ("success", None)),
    ],
)
def test_a_log_message_tells_how_a_run_ended(
    make: Factory, superuser: Superuser, event: str, payload: Json, expected: tuple[str, str | None]
) -> None:
    (row,) = sent(instance(make), superuser, logged(event, **payload))
    assert (row["status"], row["error_message"]) == expected
    assert (row["finished_at"] is None) == (row["status"] == "unknown")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("boom", "boom"),
        (None, None),
        ("", None),
        ({"description": "Only this"}, "Only this"),
        ({"message": "", "description": "Bad request"}, "Bad request"),
        ({"message": None, "name": "NodeApiError"}, "NodeApiError"),
        ({"message": {"message": "Inner"}}, "Inner"),
        ({"message": {"code": 400}, "description": None}, '{"code": 400}'),
        ({"message": ["a", 1]}, '["a", 1]'),
        ({"message": 7}, "7"),
    ],
    ids=str,
)
def test_an_error_of_any_form_is_an_error_with_what_it_says(
    make: Factory, superuser: Superuser, error: Any, message: str | None
) -> None:
    post, run = failed(error=error), executed("2", status="error", data={"resultData": {"error": error}})
    rows = sent(instance(make), superuser, [post, run])
    assert [(row["status"], row["error_message"]) for row in rows] == [("error", message)] * 2


@pytest.mark.parametrize(
    "moments",
    [
        ("2026-11-24 03:04:05+00", "2026-11-24 03:04:06+00"),
        ("2026-11-24 03:04:05", "2026-11-24 03:04:06.000"),
        ("2026-11-24T03:04:05", "2026-11-24T03:04:06"),
        ("2026-11-24 08:34:05+05:30", "2026-11-24 08:34:06.0+0530"),
        ("2026-11-24 03:04:05 UTC", "2026-11-24 03:04:06 +00"),
        ("2026-11-24 03:04:05.000000000Z", "2026-11-24t03:04:06z"),
    ],
)
def test_a_moment_of_an_export_is_the_moment(make: Factory, superuser: Superuser, moments: tuple[str, str]) -> None:
    started, stopped = moments
    (row,) = sent(instance(make), superuser, executed(startedAt=started, stoppedAt=stopped))
    assert (row["started_at"].isoformat(), row["finished_at"].isoformat()) == (STARTED, STOPPED)


def test_a_run_that_never_started_has_a_start(make: Factory, superuser: Superuser) -> None:
    ended = executed("1", status="canceled", startedAt=None)
    queued = executed("2", status="new", startedAt=None, stoppedAt=None, createdAt="2026-01-02T03:04:04Z")
    one, other = sent(instance(make), superuser, [ended, queued])
    assert one["started_at"] == one["finished_at"] == datetime.fromisoformat("2026-01-02T03:04:06Z")
    assert other["started_at"] == datetime.fromisoformat("2026-01-02T03:04:04Z")


FLATTED = '[{"resultData":"1"},{"runData":"2","lastNodeExecuted":"3"},{"A":"4"},"A",["5","5"],{"x":"3","n":7}]'
RUN_DATA = {"resultData": {"runData": {"A": [{"x": "A", "n": 7}, {"x": "A", "n": 7}]}, "lastNodeExecuted": "A"}}


@pytest.mark.parametrize(
    ("data", "kept", "cut"),
    [
        (FLATTED, RUN_DATA, 0),
        (json.loads(FLATTED), RUN_DATA, 0),
        ('{"resultData": {}}', {"resultData": {}}, 0),
        (f"gzip:base64:{b64encode(gzip.compress(FLATTED.encode())).decode()}", RUN_DATA, 0),
        ("gzip:base64:?", {}, 1),
        ('[{"a":"0"}]', None, 1),
        ('[{"a":"9"}]', {"a": "[cut]"}, 1),
        ('[{"a":"1"},"x\\u0000"]', {"a": "x\ufffd"}, 0),
        ("", {}, 0),
        ("nothing", {}, 1),
        ([], {}, 1),
        (7, {}, 1),
    ],
)  # fmt: skip
def test_data_as_n8n_stores_it_is_data(
    make: Factory, superuser: Superuser, data: Any, kept: Json | None, cut: int
) -> None:
    n8n = instance(make)
    (result,) = n8n.post(executed(data=data)).json["results"]
    assert (result["outcome"], (result["data_notes"] or {"cut": 0})["cut"]) == ("created", cut)
    (row,) = stored(superuser, n8n.tenant)
    assert kept is None or row["execution_data"] == {"mode": "webhook"} | kept


def test_flatted_data_that_grows_without_end_is_cut(make: Factory, superuser: Superuser) -> None:
    doubling = [{"a": "1"}, *(["2", "2"] if level == 1 else [str(level + 1)] * 10 for level in range(1, 30)), "end"]
    n8n = instance(make)
    answer = n8n.post(executed(data=json.dumps(doubling)))
    assert answer.status == 202, answer.body
    (result,) = answer.json["results"]
    assert result["outcome"] == "created" and result["data_notes"]["cut"] > 0
    assert all(len(json.dumps(row["execution_data"])) < 150_000 for row in stored(superuser, n8n.tenant))
    assert [row["status"] for row in stored(superuser, n8n.tenant)] == ["success"]


def test_many_references_to_a_large_value_cost_no_more_than_what_is_written() -> None:
    """Measured by the CPU that it takes: by their product it is a minute."""
    large = {str(number): 0 for number in range(30_000)}
    text = json.dumps([{"a": "1"}, ["3"] * 6 + ["2"] * 60_000, large, ["4"] * 1_000, [0] * 100])
    began = thread_time()
    found, cut = unpacked(text, Room.of(len(text)))
    assert thread_time() - began < 5
    assert found and cut > 59_000 and len(json.dumps(found)) < 3_000_000


@pytest.mark.parametrize("packed", ["flatted", "gzip"])
def test_what_a_request_unpacks_is_bounded_by_what_it_sends(make: Factory, superuser: Superuser, packed: str) -> None:
    values = [{"a": "1"}, ["2"] * 100, "x" * 4_000] if packed == "flatted" else [{"a": "1"}, "x" * 60_000]
    text = json.dumps(values)
    data = text if packed == "flatted" else f"gzip:base64:{b64encode(gzip.compress(text.encode())).decode()}"
    n8n, items = instance(make), [executed(str(number), data=data) for number in range(9)]
    results = n8n.post(items).json["results"]
    assert [result["outcome"] for result in results] == ["created"] * 9
    assert (results[0]["data_notes"], results[-1]["data_notes"]["cut"] > 0) == (None, True)
    size = sum(len(json.dumps(row["execution_data"])) for row in stored(superuser, n8n.tenant))
    assert 100_000 < size < 100_000 + 20 * len(json.dumps(items))


@pytest.mark.parametrize(
    "wrapped",
    [
        '[{"data": [A], "nextCursor": "x"}, {"data": [B], "nextCursor": null}, {"data": []}]',
        '[{"json": A, "pairedItem": {"item": 0}}, {"json": B}]',
        '{"data": {"results": [A, B], "count": 2, "estimated": false}}',
        '{"executions": [A, B]}',
        '{"results": [A, B]}',
        "[[A, B]]",
        '[{"json": {"data": [A, B]}}]',
        '{"headers": {}, "params": {}, "query": {}, "body": [A, B], "executionMode": "production"}',
        '[{"data": A}, {"data": B}]',
        '{"items": [{"json": {"executions": [A]}}, {"json": {"data": {"results": [B]}}}]}',
    ],
)
def test_a_list_is_taken_in_any_wrapper(make: Factory, superuser: Superuser, wrapped: str) -> None:
    body = wrapped.replace("A", json.dumps(executed(1))).replace("B", json.dumps(executed("2", status="error")))
    for posted in (body, json.dumps({"data": body})):  # as a node gives it that has not read it as JSON
        rows = sent(instance(make), superuser, posted)
        assert [(row["n8n_execution_id"], row["status"]) for row in rows] == [("1", "success"), ("2", "error")]


def test_an_empty_wrapper_is_an_empty_page(n8n: Instance) -> None:
    for page in ('{"executions": []}', '{"data": {"results": []}}', '[{"data": []}, {"json": {"data": []}}]'):
        assert n8n.post(page).json["results"] == []


@pytest.mark.parametrize(
    ("name", "called", "note"),
    [
        ("", "wf-1", "The workflow's name is empty, so it is called by its id."),
        (" \n", "wf-1", "The workflow's name is empty, so it is called by its id."),
        ("n" * 255, "n" * 255, None),
        ("n" * 256, "n" * 255, "The workflow's name is cut after 255 characters."),
        ("\U0001f600" * 256, "\U0001f600" * 255, "The workflow's name is cut after 255 characters."),
        (None, "wf-1", None),
    ],
)  # fmt: skip
def test_a_name_of_any_length_is_a_name(
    make: Factory, superuser: Superuser, name: str | None, called: str, note: str | None
) -> None:
    forms = [
        executed(workflowData={"name": name}), executed(workflowName=name),
        failed() | {"workflow": {"id": "wf-1", "name": name}}, logged("n8n.workflow.started", workflowName=name),
    ]  # fmt: skip
    for form in forms:
        n8n = instance(make)
        (result,) = n8n.post(form).json["results"]
        assert (result["outcome"], result["note"]) == ("created", note)
        assert [row["name"] for row in stored(superuser, n8n.tenant)] == [called]


def test_what_a_row_says_of_retries_and_custom_data_is_kept(make: Factory, superuser: Superuser) -> None:
    fields: Json = {"mode": "retry", "retryOf": 2, "customData": {"order": "7"}, "data": {"resultData": {}}}
    (row,) = sent(instance(make), superuser, executed(**fields))
    assert row["execution_data"] == {
        "mode": "retry", "retryOf": "2", "customData": {"order": "7"}, "resultData": {},
    }  # fmt: skip


def test_a_row_belongs_to_the_workflow_of_its_workflow_data(make: Factory, superuser: Superuser) -> None:
    of_data: Json = {"id": 7, "name": "Intake", "nodes": []}
    n8n = instance(make)
    rows = sent(n8n, superuser, executed("1", workflowId=None, workflowData=of_data))
    rows += sent(n8n, superuser, executed("2", workflowId=None, workflowData=json.dumps(of_data)))
    assert {(row["n8n_workflow_id"], row["name"]) for row in rows} == {("7", "Intake")}


DELIVERY = {"n8n_workflow_id": 7, "n8n_execution_id": 12, "status": "success", "mode": "cli", "workflow_name": "Intake"}


def test_a_delivery_takes_what_events_take(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    assert ask(tenant, "POST", EXECUTIONS, body=DELIVERY).status == 201
    batch = {
        "executions": [DELIVERY, DELIVERY | {"n8n_execution_id": 13, "mode": None, "execution_data": {"mode": "x"}}]
    }
    assert [row["outcome"] for row in ask(tenant, "POST", f"{EXECUTIONS}/batch", body=batch).json["results"]] == [
        "unchanged", "created",
    ]  # fmt: skip
    assert [
        (row["n8n_workflow_id"], row["name"], row["n8n_execution_id"], row["mode"]) for row in stored(superuser, tenant)
    ] == [("7", "Intake", "12", "cli"), ("7", "Intake", "13", "x")]


def test_a_delivery_of_an_unknown_workflow_without_a_name_is_refused(make: Factory) -> None:
    tenant = make.tenant()
    answer = ask(tenant, "POST", EXECUTIONS, body=DELIVERY | {"workflow_name": None})
    assert (answer.status, answer.json["code"]) == (404, "workflow_not_found")
