"""A bad execution is refused by the name of its field, alone and in a batch."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.factories import Factory, Tenant
from tests.support.problems import EXECUTIONS, ask, nested, refused


@pytest.fixture(scope="module")
def execution(make: Factory, tenant: Tenant) -> str:
    return str(make.execution(tenant, make.workflow(tenant)))


def test_nothing_that_is_taken_spoils_a_list(make: Factory) -> None:
    tenant = make.tenant()
    workflow = str(make.workflow(tenant))
    cut = set[int | None]()
    for depth in range(235, 260):
        body = f'{{"workflow_id": "{workflow}", "execution_data": {nested(depth)}}}'
        answer = ask(tenant, "POST", EXECUTIONS, body=body, headers={"idempotency-key": str(depth)})
        assert answer.status == 201
        cut.add(answer.json["data_notes"] and answer.json["data_notes"]["cut"])
        assert ask(tenant, "GET", f"{EXECUTIONS}?include_data=true").status == 200
        assert ask(tenant, "POST", EXECUTIONS, body=body, headers={"idempotency-key": str(depth)}).json == answer.json
    assert cut == {None, 1}


SOON = datetime.now(UTC) + timedelta(days=1, hours=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"workflow_id": "7"}, "body.workflow_id"),
        ({"workflow_id": 7}, "body.workflow_id"),
        ({"n8n_execution_id": ""}, "body.n8n_execution_id"),
        ({"n8n_execution_id": 7.5}, "body.n8n_execution_id"),
        ({"n8n_execution_id": "x" * 256}, "body.n8n_execution_id"),
        ({"status": "done"}, "body.status"),
        ({"status": None}, "body.status"),
        ({"started_at": "2026-01-01T00:00:00"}, "body.started_at"),
        ({"started_at": "2026-01-01"}, "body.started_at"),
        ({"started_at": "0001-01-01T00:00:00Z"}, "body.started_at"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "body.started_at"),
        ({"started_at": "1969-12-31T23:59:59Z"}, "body.started_at"),
        ({"started_at": "9999-12-31T23:59:59-14:00"}, "body.started_at"),
        ({"started_at": "2026-13-01T00:00:00Z"}, "body.started_at"),
        ({"started_at": SOON.isoformat()}, "body.started_at"),
        ({"started_at": 1_700_000_000}, "body.started_at"),
        ({"started_at": "1700000000"}, "body.started_at"),
        ({"started_at": "yesterday"}, "body.started_at"),
        ({"finished_at": "9999-12-31T23:59:59Z"}, "body.finished_at"),
        ({"finished_at": 0}, "body.finished_at"),
        ({"execution_data": []}, "body.execution_data"),
        ({"n8n_execution_id": "\0"}, "body.n8n_execution_id"),
        ({"error_message": "x" * 100_001}, "body.error_message"),
        ({"finishedAt": "2026-01-01T00:00:00Z"}, "body.finishedAt"),
    ],
)
def test_an_execution_that_cannot_be_is_refused_alone_and_in_a_batch(
    tenant: Tenant, workflow: str, change: dict[str, Any], field: str
) -> None:
    execution = {"workflow_id": workflow, "n8n_execution_id": "1", "status": "new"} | change
    refused(ask(tenant, "POST", EXECUTIONS, body=execution), 422, field)
    batch = {"executions": [{"workflow_id": workflow, "n8n_execution_id": "2", "status": "new"}, execution]}
    in_batch = field.replace("body.", "body.executions.1.")
    refused(ask(tenant, "POST", f"{EXECUTIONS}/batch", body=batch), 422, in_batch)
    assert ask(tenant, "GET", EXECUTIONS, query={"workflow_id": workflow}).json == []


def test_an_execution_names_its_workflow(tenant: Tenant) -> None:
    for body in ({}, {"workflow_id": None}, {"n8n_workflow_id": None, "workflow_id": None}):
        answer = ask(tenant, "POST", EXECUTIONS, body=body)
        refused(answer, 422, "body")
        assert answer.json["errors"][0]["message"] == "workflow_id or n8n_workflow_id is required"


@pytest.mark.parametrize(("size", "status"), [(0, 422), (1, 200), (1_000, 200), (1_001, 422)])
def test_a_batch_holds_one_to_a_thousand(make: Factory, size: int, status: int) -> None:
    tenant = make.tenant()
    workflow = str(make.workflow(tenant))
    runs = [{"workflow_id": workflow, "n8n_execution_id": str(n), "status": "new"} for n in range(size)]
    answer = ask(tenant, "POST", f"{EXECUTIONS}/batch", body={"executions": runs})
    assert answer.status == status
    if status == 422:
        refused(answer, 422, "body.executions")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"executions": {}}, ["body.executions"]),
        ({"executions": None}, ["body.executions"]),
        ({"executions": [7]}, ["body.executions.0"]),
        ({}, ["body.executions"]),
        (
            {"executions": [{"workflow_id": str(uuid4())}]},
            ["body.executions.0.n8n_execution_id", "body.executions.0.status"],
        ),
    ],
)
def test_a_batch_of_something_else_is_refused(tenant: Tenant, body: Any, fields: list[str]) -> None:
    refused(ask(tenant, "POST", f"{EXECUTIONS}/batch", body=body), 422, *fields)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"status": None}, "body.status"),
        ({"status": "done"}, "body.status"),
        ({"finished_at": "2026-01-01T00:00:00"}, "body.finished_at"),
        ({"finished_at": 1}, "body.finished_at"),
        ({"started_at": "2026-01-01T00:00:00Z"}, "body.started_at"),
        ({"workflow_id": str(uuid4())}, "body.workflow_id"),
    ],
)
def test_a_change_of_an_execution_is_checked_alike(
    tenant: Tenant, execution: str, body: dict[str, Any], field: str
) -> None:
    refused(ask(tenant, "PUT", f"{EXECUTIONS}/{execution}", body=body), 422, field)


@pytest.mark.parametrize(("numbers", "stored"), [(16_000, 10**300), (17_000, "1e+300")])
def test_numbers_count_as_long_as_they_are_written_out(
    tenant: Tenant, workflow: str, numbers: int, stored: object
) -> None:
    body = {"workflow_id": workflow, "execution_data": {"mode": "manual", "numbers": [1e300] * numbers}}
    answer = ask(tenant, "POST", EXECUTIONS, body=body)
    assert answer.json["execution_data"] == {"mode": "manual", "numbers": [stored] * numbers}
