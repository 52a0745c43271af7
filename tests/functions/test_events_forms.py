"""Each form in which n8n reports an execution, and the row that it makes."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import psycopg
import pytest

from tests.support.factories import Factory
from tests.support.n8n_capture import (
    Instance,
    Json,
    error_posts,
    executed,
    failed,
    failed_trigger,
    instance,
    logged,
    pages,
    stored,
)

type Superuser = psycopg.Connection[Any]

START, STOP = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
LOGGED_AT = datetime(2026, 1, 2, 2, 4, 5, 678_000, tzinfo=UTC)


@pytest.fixture
def n8n(make: Factory) -> Instance:
    return instance(make)


def only(superuser: Superuser, n8n: Instance) -> Json:
    (row,) = stored(superuser, n8n.tenant)
    return row


def test_an_error_workflows_post_is_a_failed_execution(n8n: Instance, superuser: Superuser) -> None:
    before = datetime.now(UTC)
    n8n.send(failed(retryOf="7", executionContext={"version": 1}))
    row = only(superuser, n8n)
    assert before < row.pop("started_at") == row.pop("finished_at") < datetime.now(UTC)
    assert row == {
        "n8n_workflow_id": "wf-1", "name": "Intake", "n8n_execution_id": "1", "status": "error", "mode": "webhook",
        "error_message": "It broke",
        "execution_data": {
            "mode": "webhook",
            "retryOf": "7",
            "resultData": {"error": {"message": "It broke", "stack": "Error: It broke"}, "lastNodeExecuted": "Charge"},
        },
    }  # fmt: skip


def test_the_whole_execution_replaces_an_error_workflows_post(make: Factory, superuser: Superuser) -> None:
    runs = {run["id"]: run for page in pages() for run in page["data"]}
    for post in error_posts():
        run = runs[post["execution"]["id"]]
        rows: list[Json] = []
        for items in permutations([post, run]):
            n8n = instance(make)
            for item in items:
                n8n.send(item)
            rows.append(only(superuser, n8n))
        assert rows[0] == rows[1]
        assert rows[0]["execution_data"] == {"mode": run["mode"], **run["data"]}
        assert rows[0]["finished_at"] == datetime.fromisoformat(run["stoppedAt"])


def test_a_trigger_that_failed_is_an_execution_of_its_own_however_often_it_is_reported(
    n8n: Instance, superuser: Superuser
) -> None:
    renamed = failed_trigger() | {"workflow": {"id": "wf-1", "name": "Renamed"}}
    results = n8n.send(failed_trigger(), failed_trigger(), renamed)
    assert [result["outcome"] for result in results] == ["created", "unchanged", "unchanged"]
    row = only(superuser, n8n)
    assert row["n8n_execution_id"] == results[0]["n8n_execution_id"]
    assert (row["status"], row["mode"], row["error_message"]) == ("error", "trigger", "No connection")
    assert row["execution_data"] == {
        "mode": "trigger",
        "resultData": {"error": {"message": "No connection", "timestamp": 1795340666984}},
    }


def test_triggers_that_failed_otherwise_elsewhere_or_later_are_others(n8n: Instance) -> None:
    error = failed_trigger()["trigger"]["error"]
    results = n8n.send(
        failed_trigger(),
        failed_trigger(mode="webhook"),
        failed_trigger(error=error | {"message": "Other"}),
        failed_trigger(error=error | {"timestamp": 1795340666985}),
        failed_trigger() | {"workflow": {"id": "wf-2"}},
    )
    assert {result["outcome"] for result in results} == {"created"}
    assert len({result["id"] for result in results}) == 5


def test_a_failed_execution_that_n8n_does_not_save_is_known_by_its_content(n8n: Instance) -> None:
    unsaved = failed(executionContext={"establishedAt": 1})
    del unsaved["execution"]["id"]
    later = failed(None, executionContext={"establishedAt": 2})
    results = n8n.send(unsaved, failed(None, executionContext={"establishedAt": 1}), later)
    assert [result["outcome"] for result in results] == ["created", "unchanged", "created"]


@pytest.mark.parametrize(
    ("event", "payload", "expected"),
    [
        ("n8n.workflow.started", {"isManual": False, "userId": "u"}, ("running", None, None)),
        ("n8n.workflow.success", {"success": True}, ("success", LOGGED_AT, None)),
        ("n8n.workflow.failed", {"success": False, "errorMessage": "It broke"}, ("error", LOGGED_AT, "It broke")),
        ("n8n.workflow.failed", {"success": False}, ("unknown", None, None)),
        ("n8n.workflow.failed", {"success": False, "errorMessage": None}, ("unknown", None, None)),
        ("n8n.workflow.cancelled", {"reason": "manual"}, ("canceled", LOGGED_AT, None)),
        ("n8n.audit.workflow.waiting", {}, ("waiting", None, None)),
        ("n8n.audit.workflow.resumed", {"resumeSource": "webhook", "responseAt": 1}, ("running", None, None)),
    ],
)
def test_what_log_streaming_says_of_an_execution_is_its_state(
    n8n: Instance, superuser: Superuser, event: str, payload: Json, expected: tuple[Any, ...]
) -> None:
    n8n.send(logged(event, **payload))
    row = only(superuser, n8n)
    assert (row["status"], row["finished_at"], row["error_message"]) == expected
    assert (row["started_at"], row["name"], row["mode"]) == (LOGGED_AT, "Intake", "webhook")
    assert row["execution_data"] == {"mode": "webhook"}


@pytest.mark.parametrize(
    "event",
    ["n8n.audit.user.execution.deleted", "n8n.queue.job.enqueued", "n8n.node.finished", "n8n.ai.vector.store.updated",
     "n8n.workflow.canceled", "n8n.audit.user.updated", "", "\0", "\ud800"],
)  # fmt: skip
def test_what_log_streaming_says_of_other_things_is_ignored(n8n: Instance, superuser: Superuser, event: str) -> None:
    (result, payloadless) = n8n.send(logged(event), {"eventName": event})
    assert result == payloadless == {
        "n8n_execution_id": None, "n8n_workflow_id": None, "id": None, "outcome": "ignored",
        "error": None, "note": None, "data_notes": None,
    }  # fmt: skip
    assert stored(superuser, n8n.tenant) == []


def test_where_a_run_ended_that_log_streaming_reports_stands_where_n8n_puts_it(
    n8n: Instance, superuser: Superuser
) -> None:
    n8n.send(logged("n8n.workflow.failed", errorMessage="It broke", lastNodeExecuted="Charge"))
    row = only(superuser, n8n)
    assert row["execution_data"] == {"mode": "webhook", "resultData": {"lastNodeExecuted": "Charge"}}
    assert row["error_message"] == "It broke"


def test_an_execution_reported_by_log_streaming_ends_alike_in_any_order(make: Factory, superuser: Superuser) -> None:
    story = [
        logged("n8n.workflow.started", "2026-01-02T03:04:05Z"),
        logged("n8n.workflow.failed", "2026-01-02T03:04:06Z"),  # it waits
        logged("n8n.audit.workflow.resumed", "2026-01-02T03:04:07Z"),
        logged("n8n.workflow.success", "2026-01-02T03:04:08Z"),
    ]
    ends = list[Json]()
    for order in permutations(story):
        n8n = instance(make)
        n8n.send(*order)
        ends.append(only(superuser, n8n))
    assert all(end == ends[0] for end in ends)
    assert (ends[0]["status"], ends[0]["started_at"]) == ("success", START)
    assert ends[0]["finished_at"] == START + timedelta(seconds=3)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"status": "success", "started_at": START, "finished_at": STOP, "execution_data": {"mode": "webhook"}}),
        ({"id": 1, "workflowId": 7}, {"n8n_execution_id": "1", "n8n_workflow_id": "7"}),
        ({"id": "018f3a5e-7c1d-7000-8000-000000000001"}, {"n8n_execution_id": "018f3a5e-7c1d-7000-8000-000000000001"}),
        ({"status": "waiting", "waitTill": "2026-02-01T00:00:00.000Z"}, {"status": "waiting", "finished_at": STOP}),
        ({"status": "new"}, {"status": "new", "finished_at": None}),
        ({"status": "running"}, {"status": "running", "finished_at": None}),
        ({"status": "unknown"}, {"status": "unknown", "finished_at": None}),
        ({"status": "queued"}, {"status": "unknown", "finished_at": None}),
        ({"status": ""}, {"status": "unknown", "finished_at": None}),
        ({"status": "\ud800"}, {"status": "unknown", "finished_at": None}),
        ({"status": "crashed"}, {"status": "crashed", "finished_at": STOP}),
        ({"status": "canceled"}, {"status": "canceled", "finished_at": STOP}),
        ({"mode": "agent"}, {"mode": "agent"}),
        ({"mode": "retry", "retryOf": "7"}, {"execution_data": {"mode": "retry", "retryOf": "7"}}),
        ({"retrySuccessId": 8, "retryOf": None}, {"execution_data": {"mode": "webhook", "retrySuccessId": "8"}}),
        ({"retryOf": "7" * 255}, {"execution_data": {"mode": "webhook", "retryOf": "7" * 255}}),
        *[
            ({"retryOf": other}, {"execution_data": {"mode": "webhook"}})
            for other in ("7" * 256, "", "\0", "\ud800", -1, 2**63, 1.5, {"a": 1}, True)
        ],
        ({"mode": None}, {"mode": None, "execution_data": None}),
        ({"data": None}, {"execution_data": {"mode": "webhook"}}),
        ({"data": {"resultData": {}, "a": None}}, {"execution_data": {"mode": "webhook", "resultData": {}, "a": None}}),
        ({"data": {"resultData": {"error": {"message": "It broke"}}}}, {"error_message": "It broke"}),
        ({"data": {"resultData": {"error": {"message": "x" * 100_001}}}}, {"error_message": "x" * 100_000}),
        ({"data": {"resultData": {"error": {"message": 7}}}}, {"error_message": "7"}),
        ({"data": {"resultData": {"error": "It broke"}}}, {"error_message": "It broke"}),
        ({"data": {"resultData": 7}}, {"error_message": None}),
        ({"workflowData": {"id": "wf-1", "name": "Intake"}}, {"name": "Intake"}),
        ({"workflowData": {}}, {"name": "wf-1"}),
        ({"customData": {"a": "b"}, "\0": "\0", "tracingContext": None}, {"status": "success"}),
    ],
)
def test_an_execution_as_the_public_api_gives_it_is_recorded(
    n8n: Instance, superuser: Superuser, fields: Json, expected: Json
) -> None:
    assert n8n.send(executed(**fields))[0]["outcome"] == "created"
    row = only(superuser, n8n)
    assert {name: row[name] for name in expected} == expected


def test_an_execution_that_has_not_started_has_its_start_when_it_is_reported(
    n8n: Instance, superuser: Superuser
) -> None:
    n8n.send(executed(status="new", startedAt=None, stoppedAt=None))
    assert datetime.now(UTC) - only(superuser, n8n)["started_at"] < timedelta(minutes=1)
    n8n.send(executed())
    assert only(superuser, n8n)["started_at"] == START


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, None),
        ("It broke", "It broke"),
        (["It", "broke"], '["It", "broke"]'),
        (7, "7"),
        (True, "true"),
        ({}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["execution", "trigger"])
def test_a_failure_is_recorded_whatever_its_error_is(
    n8n: Instance, superuser: Superuser, kind: str, error: Any, message: str | None
) -> None:
    post = failed(error=error) if kind == "execution" else failed_trigger(error=error)
    (result,) = n8n.send(post)
    assert (result["outcome"], result["error"]) == ("created", None)
    (row,) = stored(superuser, n8n.tenant)
    assert (row["status"], row["error_message"]) == ("error", message)


@pytest.mark.parametrize("kind", ["execution", "trigger"])
def test_a_failure_is_recorded_without_its_error(n8n: Instance, superuser: Superuser, kind: str) -> None:
    post = failed() if kind == "execution" else failed_trigger()
    del post[kind]["error"]
    assert [result["outcome"] for result in n8n.send(post)] == ["created"]
    assert [row["status"] for row in stored(superuser, n8n.tenant)] == ["error"]


def test_what_a_clock_says_that_is_more_than_a_day_ahead_is_recorded_as_it_arrives(
    n8n: Instance, superuser: Superuser
) -> None:
    soon, now = datetime.now(UTC) + timedelta(hours=23), datetime.now(UTC)
    late = (now + timedelta(hours=25)).isoformat()
    results = n8n.send(executed("1", startedAt=late, stoppedAt=late), executed("2", stoppedAt=soon.isoformat()))
    assert [(result["outcome"], result["note"]) for result in results] == [
        ("created", "More than a day ahead, so the time of arrival is recorded: started_at, finished_at."),
        ("created", None),
    ]
    ahead, right = stored(superuser, n8n.tenant)
    assert all(abs(ahead[name] - now) < timedelta(minutes=5) for name in ("started_at", "finished_at"))
    assert right["finished_at"] == soon


@pytest.mark.parametrize("offset", ["+16:00", "-16:00", "+23:59", "-23:59", "+15:59"])
def test_any_offset_of_a_moment_is_recorded(n8n: Instance, superuser: Superuser, offset: str) -> None:
    moment = f"2026-01-02T03:04:05{offset}"
    (result,) = n8n.send(executed(startedAt=moment, stoppedAt=moment))
    assert (result["outcome"], result["note"]) == ("created", None)
    (row,) = stored(superuser, n8n.tenant)
    assert row["started_at"] == row["finished_at"] == datetime.fromisoformat(moment)
