"""Bodies are read and pages are written once: the work that a large request costs is counted, not timed."""

import json
from typing import Any

import fastapi.routing
import pytest

from flomastr.http import fields, paging
from functions.executions.handler import lambda_handler as executions
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

PATH = "/routes/workflow-executions"


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    tenant = make.tenant()
    make.workflow(tenant, n8n_workflow_id="wf")
    return tenant


def batch_of(tenant: Tenant, body: str) -> Answer:
    return call(executions, "POST", f"{PATH}/batch", body=body, caller=tenant.owner)


def batch(data: str) -> str:
    one = {"n8n_workflow_id": "wf", "n8n_execution_id": "1", "status": "success", "execution_data": {"x": "DATA"}}
    return json.dumps({"executions": [one]}).replace('"DATA"', data)


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("this is the second time")


def test_a_page_is_written_once(make: Factory, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = make.workflow(tenant)
    ids = [str(make.execution(tenant, workflow)) for _ in range(3)]
    written = list[Any]()
    to_json = paging.to_json
    monkeypatch.setattr(paging, "to_json", lambda page: written.append(page) or to_json(page))  # pyright: ignore
    monkeypatch.setattr(fastapi.routing, "serialize_response", forbidden)
    answer = call(executions, "GET", PATH, caller=tenant.owner, query={"limit": 2})
    assert [row["id"] for row in answer.json] == ids[:0:-1]
    assert (len(written), answer.headers["content-type"]) == (1, "application/json")
    assert "link" in answer.headers and "ratelimit" in answer.headers


def test_a_body_is_read_by_pydantic_alone(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.loads", forbidden)
    assert batch_of(tenant, batch('"y"')).status == 200


def test_data_that_is_plainly_storable_is_looked_at_once(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "look_closer", forbidden)
    assert batch_of(tenant, batch('[1, 1.5e300, "y", null]')).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ('"Not NaN, not Infinity"', 200),
        (r'"a backslash \\u0000"', 200),
        (r'"\u0000"', 200),
        (r'"\ud800"', 200),
        ("NaN", 200),
        ("-Infinity", 200),
        ("1e999", 200),
        ("[" * 150 + "]" * 150, 200),
        ("[" * 300 + "]" * 300, 200),
        ("[" * 100_000 + "]" * 100_000, 400),
        (f'"{"y" * 60_000}"', 200),
        (rf'"{"y" * 60_000}\u0000"', 200),
        (f"[{'1e300,' * 20_000}1]", 200),
        (f"[{'1e300,' * 10_000}1]", 200),
        ("01", 400),
        ('"\t"', 400),
    ],
)
def test_what_is_no_json_is_refused_and_what_cannot_be_stored_is_cleaned(
    tenant: Tenant, data: str, status: int
) -> None:
    assert batch_of(tenant, batch(data)).status == status
