"""What is wrong with a query, an id, a header or a method is reported like what is wrong with a body."""

from typing import Any
from urllib.parse import unquote

import pytest

from flomastr.database import pipeline
from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import call
from tests.support.factories import Tenant
from tests.support.problems import EXECUTIONS, WORKFLOWS, ask, refused

NOBODYS = "018f0000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("path", [WORKFLOWS, EXECUTIONS, f"{WORKFLOWS}/{{workflow}}/executions"])
@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={limit}" for limit in ("0", "-1", "251", "1e9", "1000000000", "9" * 30, "abc", "", "1.5", "%00")),
        *(f"offset={offset}" for offset in ("-1", "10001", "abc", "")),
        *(f"tenant_id={tenant}" for tenant in ("", "no_slug", "%00", "%F0%9F%98%80", "-", "x" * 64)),
        f"cursor={'A' * 201}",
    ],
)
def test_a_list_is_asked_for_in_words_that_it_knows(tenant: Tenant, workflow: str, path: str, query: str) -> None:
    refused(ask(tenant, "GET", f"{path.format(workflow=workflow)}?{query}"), 422, f"query.{query.partition('=')[0]}")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (WORKFLOWS, "is_active=perhaps"),
        (WORKFLOWS, "is_public="),
        (WORKFLOWS, "category=%00"),
        (WORKFLOWS, f"category={'x' * 101}"),
        (EXECUTIONS, "status=done"),
        (EXECUTIONS, "status="),
        (EXECUTIONS, "workflow_id=7"),
        (EXECUTIONS, "include_data=perhaps"),
        (f"{EXECUTIONS}/stats/summary", "days=0"),
        (f"{EXECUTIONS}/stats/summary", "days=366"),
        (f"{EXECUTIONS}/stats/summary", "days=abc"),
        (f"{EXECUTIONS}/stats/summary", "workflow_id=7"),
    ],
)
def test_a_filter_is_a_value_that_can_be(tenant: Tenant, path: str, query: str) -> None:
    refused(ask(tenant, "GET", f"{path}?{query}"), 422, f"query.{query.partition('=')[0]}")


@pytest.mark.parametrize("name", ["statsu", "Status", "tenant", "x-tenant", "%00", "%C3%A9", "x" * 200])
@pytest.mark.parametrize(("method", "path"), [
    ("GET", EXECUTIONS), ("GET", WORKFLOWS), ("POST", WORKFLOWS), ("GET", f"{EXECUTIONS}/stats/summary"),
    ("GET", f"{WORKFLOWS}/{NOBODYS}"), ("DELETE", f"{WORKFLOWS}/{NOBODYS}"),
])  # fmt: skip
def test_a_parameter_that_no_route_knows_is_reported_to_whoever_asks(
    tenant: Tenant, method: str, path: str, name: str
) -> None:
    handler = executions if path.startswith(EXECUTIONS) else workflows
    for caller in (tenant.owner, None):
        answer = call(handler, method, f"{path}?{name}=1", caller=caller)
        refused(answer, 422, f"query.{unquote(name)[:100]}")
        assert answer.json["errors"][0]["message"] == "is no parameter of this route"


def test_a_part_of_the_path_is_no_parameter(tenant: Tenant) -> None:
    refused(ask(tenant, "GET", f"{WORKFLOWS}/{NOBODYS}?workflow_id={NOBODYS}"), 422, "query.workflow_id")


def test_of_what_is_asked_for_only_the_unknown_is_reported(tenant: Tenant) -> None:
    answer = ask(tenant, "GET", f"{EXECUTIONS}?limit=5&b=1&status=error&a=1&b=2&tenant_id={tenant.slug}")
    refused(answer, 422, "query.a", "query.b")


@pytest.mark.parametrize("id", ["7", "abc", "%00", "%ff", "%F0%9F%98%80", "x" * 500, "null", "-1", "stats"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_none_is_reported(tenant: Tenant, method: str, id: str) -> None:
    for path, field, change in (
        (WORKFLOWS, "path.workflow_id", {"name": "x"}),
        (EXECUTIONS, "path.execution_id", {"status": "success"}),
    ):
        refused(ask(tenant, method, f"{path}/{id}", body=change if method == "PUT" else None), 422, field)


@pytest.mark.parametrize("path", [WORKFLOWS, EXECUTIONS])
@pytest.mark.parametrize("id", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"])
def test_an_id_of_nothing_is_not_found(tenant: Tenant, path: str, id: str) -> None:
    refused(ask(tenant, "GET", f"{path}/{id}"), 404)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-tenant", ""),
        ("x-tenant", "no_slug"),
        ("x-tenant", "a,b"),
        ("x-tenant", "\xc4"),
        ("idempotency-key", ""),
        ("idempotency-key", "a b"),
        ("idempotency-key", "x" * 256),
        ("idempotency-key", "\xc4"),
    ],
)
def test_a_header_is_a_value_that_can_be(tenant: Tenant, name: str, value: str) -> None:
    refused(ask(tenant, "POST", WORKFLOWS, body={"name": "a"}, headers={name: value}), 422, f"header.{name}")


def test_a_nul_in_a_tag_is_refused(tenant: Tenant, workflow: str) -> None:
    for method, body in (("PUT", {"name": "a"}), ("DELETE", None)):
        answer = ask(tenant, method, f"{WORKFLOWS}/{workflow}", body=body, headers={"if-match": '"\0"'})
        refused(answer, 422, "header.if-match")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", WORKFLOWS, "GET, HEAD, POST"),
        ("PATCH", f"{WORKFLOWS}/{NOBODYS}", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", f"{EXECUTIONS}/{NOBODYS}", "DELETE, GET, HEAD, PUT"),
        ("PUT", f"{EXECUTIONS}/stats/summary", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_allowed_is_answered_with_those_that_are(
    tenant: Tenant, method: str, path: str, allowed: str
) -> None:
    answer = ask(tenant, method, path)
    refused(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", [f"{WORKFLOWS}/", f"{WORKFLOWS}/a/b", f"{WORKFLOWS}x", f"{WORKFLOWS}/..%2f.."])
def test_a_path_that_leads_nowhere_is_not_found(tenant: Tenant, path: str) -> None:
    refused(ask(tenant, "GET", path), 404)


def test_a_caller_whom_nobody_verified_is_not_signed_in() -> None:
    answer = call(workflows, "GET", WORKFLOWS)
    refused(answer, 401)
    assert answer.json["code"] == "not_signed_in"


def test_what_fails_unforeseen_is_told_without_its_reason(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("password of the database")

    monkeypatch.setattr(pipeline, "execute", fail)
    answer = ask(tenant, "GET", WORKFLOWS)
    refused(answer, 500)
    assert answer.json["detail"] == "The service failed. Its operators can find it by request_id."
    assert "password" not in answer.body and "RuntimeError" not in answer.body
