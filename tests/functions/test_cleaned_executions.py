"""An execution whose data cannot be stored is recorded, with what can be stored of it and a count of the rest."""

import json
from typing import Any

import psycopg
import pytest

from tests.support.connected import connected
from tests.support.factories import Factory, Tenant
from tests.support.n8n_capture import Instance, Json, executed, failed, failed_trigger, instance, logged, stored
from tests.support.problems import EXECUTIONS, ask, nested

type Superuser = psycopg.Connection[Any]

DEEP = json.loads(nested(250))
NONE = {"characters": 0, "numbers": 0, "cut": 0}

UNSTORABLE: list[tuple[Json, Json, Json]] = [  # as sent, as stored, what the notes count
    ({"x": "a\0b"}, {"x": "a\ufffdb"}, {"characters": 1}),
    ({"x": ["\ud800", "\udc00\0"]}, {"x": ["\ufffd", "\ufffd\ufffd"]}, {"characters": 3}),
    ({"a\0": 1, "b": 2}, {"a\ufffd": 1, "b": 2}, {"characters": 1}),
    ({"a\0": 1, "a\ud800": 2}, {"a\ufffd": 2}, {"characters": 2, "cut": 1}),
    ({"x": float("nan"), "y": 0.5, "z": 0.0}, {"x": None, "y": 0.5, "z": 0}, {"numbers": 1}),
    ({"x": float("inf"), "y": 1e300}, {"x": None, "y": "1e+300"}, {"numbers": 2}),
    ({"x": [1e-300] * 17_000}, {"x": ["1e-300"] * 17_000}, {"numbers": 17_000}),
]


@pytest.fixture(scope="module")
def n8n(make: Factory) -> Instance:
    return instance(make)


def row(superuser: Superuser, tenant: Tenant, n8n_execution_id: str) -> Json:
    (found,) = [row for row in stored(superuser, tenant) if row["n8n_execution_id"] == n8n_execution_id]
    return found


def levels(value: Any) -> int:
    return 1 + levels(value["x"]) if isinstance(value, dict) else 0


@pytest.mark.parametrize(("sent", "kept", "notes"), UNSTORABLE)
def test_data_is_stored_as_far_as_it_can_be(
    make: Factory, superuser: Superuser, sent: Json, kept: Json, notes: Json
) -> None:
    n8n = instance(make)
    before, result, after = n8n.send(executed("before"), executed("1", data=sent), executed("after"))
    assert (result["outcome"], result["error"], result["data_notes"]) == ("created", None, NONE | notes)
    assert (before["data_notes"], after["data_notes"]) == (None, None)
    found = row(superuser, n8n.tenant, "1")
    assert (found["status"], found["finished_at"].isoformat()) == ("success", "2026-01-02T03:04:06+00:00")
    assert found["execution_data"] == {"mode": "webhook"} | kept


@pytest.mark.parametrize("depth", [250, 5_000])
def test_what_is_too_deep_is_cut(n8n: Instance, superuser: Superuser, depth: int) -> None:
    name = f"deep-{depth}"
    body = json.dumps([executed(name, data="DEEP")]).replace('"DEEP"', nested(depth))
    (result,) = n8n.post(body).json["results"]
    assert (result["outcome"], result["data_notes"]) == ("created", NONE | {"cut": 1})
    assert levels(row(superuser, n8n.tenant, name)["execution_data"]) == 200


@pytest.mark.parametrize(
    ("sent", "kept", "cut"),
    [
        ({"x": "LARGE"}, {"x": "[cut]"}, 1),
        ({"resultData": {"error": {"message": "Full"}, "runData": {"A": "LARGE", "B": [1]}}},
         {"resultData": {"error": {"message": "Full"}, "runData": {"A": "[cut]", "B": [1]}}}, 1),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": "LARGE"}, "h": 1}}}}}},
         {"a": {"b": {"c": {"d": {"e": {"f": "[cut]", "h": 1}}}}}}, 1),
    ],
)  # fmt: skip
def test_what_is_too_large_as_postgres_writes_it_is_cut_where_there_is_no_object_storage(
    make: Factory, superuser: Superuser, sent: Json, kept: Json, cut: int
) -> None:
    n8n = instance(make)
    large = f"[{'0,' * 1_700_000}0]"
    with connected(ARCHIVE_BUCKET=""):
        (result,) = n8n.post(json.dumps([executed(data=sent)]).replace('"LARGE"', large)).json["results"]
    assert (result["outcome"], result["data_notes"]) == ("created", NONE | {"cut": cut})
    found = row(superuser, n8n.tenant, "1")
    assert found["execution_data"] == {"mode": "webhook"} | kept
    assert found["error_message"] == ("Full" if "resultData" in kept else None)


def test_of_too_many_small_fields_none_is_kept(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    many = ",".join(f'"{n:x}":0' for n in range(440_000))
    with connected(ARCHIVE_BUCKET=""):
        (result,) = n8n.post(json.dumps([executed(data="MANY")]).replace('"MANY"', f"{{{many}}}")).json["results"]
    assert (result["outcome"], result["data_notes"]) == ("created", NONE | {"cut": 1})
    assert row(superuser, n8n.tenant, "1")["execution_data"] == {"mode": "webhook"}


def test_a_failure_counts_whatever_its_error_holds(n8n: Instance, superuser: Superuser) -> None:
    error = {"message": "card\0declined", "cause": DEEP}
    post = failed("failure", error=error, lastNodeExecuted="Charge\ud800") | {"workflow": {"id": "wf-1", "name": "\0"}}
    (result,) = n8n.send(post)
    assert (result["outcome"], result["data_notes"]) == ("created", {"characters": 3, "numbers": 0, "cut": 1})
    found = row(superuser, n8n.tenant, "failure")
    assert (found["status"], found["error_message"]) == ("error", "card\ufffddeclined")
    assert found["execution_data"]["resultData"]["lastNodeExecuted"] == "Charge\ufffd"


def test_every_form_is_cleaned(n8n: Instance, superuser: Superuser) -> None:
    trigger, listed, text, log = n8n.send(
        failed_trigger(error=DEEP),
        failed("listed", error=[DEEP, "\0"]),
        failed("text", error="no\0n"),
        logged("n8n.workflow.failed", executionId="log", errorMessage="lost \ud83d", workflowName="In\0take"),
    )
    assert [one["outcome"] for one in (trigger, listed, text, log)] == ["created"] * 4
    assert [one["data_notes"] for one in (text, log)] == [NONE | {"characters": 1}, NONE | {"characters": 2}]
    assert row(superuser, n8n.tenant, "text")["error_message"] == "no\ufffdn"
    assert row(superuser, n8n.tenant, "log")["error_message"] == "lost \ufffd"


def test_an_item_that_is_invalid_for_another_reason_is_rejected_for_that(n8n: Instance) -> None:
    (result,) = n8n.send(executed("1", data={"x": "\0"}, startedAt="yesterday"))
    assert (result["outcome"], result["data_notes"]) == ("rejected", None)
    assert result["error"].startswith("startedAt: ")


def test_an_execution_is_recorded_alone_and_in_a_batch_with_what_can_be_stored(
    tenant: Tenant, workflow: str, superuser: Superuser
) -> None:
    content = {"execution_data": {"x": "\0", "y": 1}, "error_message": "half \ud800"}
    sent = {"workflow_id": workflow, "n8n_execution_id": "alone", "status": "error"} | content
    answers = [ask(tenant, "POST", EXECUTIONS, body=sent, headers={"idempotency-key": "a"}) for _ in range(2)]
    assert answers[0].status == 201 and answers[0].json == answers[1].json
    assert answers[0].json["data_notes"] == NONE | {"characters": 2}
    batch = {"executions": [sent | {"n8n_execution_id": "in a batch"}, sent | {"execution_data": None}]}
    first, second = ask(tenant, "POST", f"{EXECUTIONS}/batch", body=batch).json["results"]
    assert (first["outcome"], first["data_notes"]) == ("created", NONE | {"characters": 2})
    assert (second["outcome"], second["data_notes"]) == ("unchanged", NONE | {"characters": 1})
    for name in ("alone", "in a batch"):
        found = row(superuser, tenant, name)
        assert (found["execution_data"], found["error_message"]) == ({"x": "\ufffd", "y": 1}, "half \ufffd")
