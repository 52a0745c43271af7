"""Tenant A learns nothing of tenant B by any route: B's ids and names are answered like unknown ones, byte for byte."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flomastr import flight
from flomastr.identity import Caller
from tests.events import Answer, call
from tests.factories import Factory, Tenant, machine

SECRET = "known to tenant B alone"
NAMED_IN = ("nothing", "query", "header", "body")
CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z")

type Names = Mapping[str, str | None]  # what a request may call things by: workflow_id, n8n_execution_id, ...


@dataclass(frozen=True)
class Operation:
    handler: Any
    method: str
    path: str
    parameters: list[dict[str, Any]]
    body: dict[str, Any] | None
    schemas: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def ask(self, caller: Caller, names: Names, named_in: str, headers: Mapping[str, str]) -> Answer:
        query = {p["name"]: names[p["name"]] for p in self.parameters if p["in"] == "query" and is_id(p["name"])}
        tenant = query.pop("tenant_id", None)
        return call(
            self.handler,
            self.method,
            self.path.format_map(names),
            caller=caller,
            query=query | ({"tenant_id": tenant} if named_in == "query" else {}),
            headers={**headers, **({"x-tenant": str(names["tenant_id"])} if named_in == "header" else {})},
            body=self.fill(self.body, names if named_in == "body" else {**names, "tenant_id": None})
            if self.body
            else None,
        )

    def fill(self, schema: Mapping[str, Any], names: Names, name: str = "") -> Any:
        """A value of the schema, with every field in it."""
        if is_id(name):
            return names[name]
        if "$ref" in schema:
            return self.fill(self.schemas[schema["$ref"].rsplit("/")[-1]], names)
        if "properties" in schema:
            return {name: self.fill(field, names, name) for name, field in schema["properties"].items()}
        if "anyOf" in schema:
            return self.fill(schema["anyOf"][0], names)
        if schema["type"] == "array":
            return [self.fill(schema["items"], names)]
        text = schema.get("enum", ["2026-01-02T03:04:05Z" if schema.get("format") == "date-time" else "text"])[0]
        simple: dict[str, Any] = {"string": text, "boolean": True, "integer": 1, "object": {}}
        return simple[schema["type"]]


def is_id(name: str) -> bool:
    return name.endswith("_id")


def operations() -> Iterator[Operation]:
    """Of every function with routes, so that a new route is met here without anyone remembering it."""
    for file in sorted((Path(__file__).parents[1] / "functions").glob("*/handler.py")):
        module = import_module(f"functions.{file.parent.name}.handler")
        if hasattr(module, "app"):
            yield from operations_of(module.lambda_handler, module.app.openapi())


def operations_of(handler: Any, document: Any) -> Iterator[Operation]:
    schemas = document.get("components", {}).get("schemas", {})
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            yield Operation(handler, method.upper(), path, described.get("parameters", []), body, schemas)


OPERATIONS = list(operations())


@dataclass(frozen=True)
class Other:
    """Tenant B, with a row of everything."""

    tenant: Tenant
    names: dict[str, str]


@pytest.fixture(scope="module")
def other(make: Factory) -> Other:
    tenant = make.tenant(name=SECRET)
    names = {"tenant_id": str(tenant.id), "n8n_workflow_id": f"wf-{uuid4()}", "n8n_execution_id": f"run-{uuid4()}"}
    workflow = make.workflow(tenant, name=SECRET, n8n_workflow_id=names["n8n_workflow_id"])
    execution = make.execution(tenant, workflow, error_message=SECRET, n8n_execution_id=names["n8n_execution_id"])
    make.api_key(tenant)
    return Other(tenant, names | {"workflow_id": str(workflow), "execution_id": str(execution)})


def unknown(names: Names) -> dict[str, str]:
    return {name: f"{str(value)[: -len(str(uuid4()))]}{uuid4()}" for name, value in names.items()}


def stored(superuser: psycopg.Connection[Any], tenant: Tenant) -> list[Any]:
    return superuser.execute(
        "SELECT to_jsonb(t), to_jsonb(w), to_jsonb(e) FROM app.tenants AS t"
        " JOIN app.workflows AS w ON w.tenant_id = t.id JOIN app.workflow_executions AS e ON e.tenant_id = t.id"
        " WHERE t.id = %s",
        (tenant.id,),
    ).fetchall()


def callers(make: Factory, other: Other) -> Iterator[Caller]:
    """Who has a tenant A: an owner, an API key, and an owner whom B has invited but not yet let in."""
    yield make.tenant().owner
    yield machine(make.api_key(make.tenant()))
    invited = make.tenant().owner
    make.member(other.tenant.id, invited, role="owner", status="pending")
    yield invited


def told(answer: Answer, names: Names) -> tuple[int, dict[str, str], str]:
    """All of an answer. Where something was made in A, without the names that A gave it and what is ever new."""
    if answer.status >= 400:
        return answer.status, answer.headers, answer.body
    text = f"{answer.headers}\n{answer.body}"
    for name in names.values():
        text = text.replace(str(name), "named")
    return answer.status, {}, CHANGING.sub("new", text)


def test_the_walk_meets_the_routes_and_fills_their_bodies() -> None:
    met = {str(operation): operation for operation in OPERATIONS}
    assert len(met) == len(OPERATIONS) >= 15
    names: Names = dict.fromkeys(("tenant_id", "workflow_id", "n8n_workflow_id", "n8n_execution_id"), "1")
    batch = met["POST /routes/workflow-executions/batch"]
    assert batch.body
    assert batch.fill(batch.body, names)["executions"][0] == {
        "workflow_id": "1", "n8n_workflow_id": "1", "n8n_execution_id": "1", "status": "new",
        "started_at": "2026-01-02T03:04:05Z", "finished_at": "2026-01-02T03:04:05Z", "execution_data": {},
        "error_message": "text",
    }  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_what_is_another_tenants_is_answered_like_what_does_not_exist(
    make: Factory, other: Other, superuser: psycopg.Connection[Any], operation: Operation
) -> None:
    before = stored(superuser, other.tenant)
    by_slug = other.names | {"tenant_id": other.tenant.slug}
    conditions = {"if-match": '"x"', "if-none-match": "*", "prefer": "count=exact"}
    asked: list[tuple[dict[str, str], dict[str, str]]] = [(other.names, {}), (by_slug, conditions)]
    for (theirs, headers), named_in in product(asked, NAMED_IN):
        nobodys = unknown(other.names) | ({"tenant_id": f"t-{secrets.token_hex(6)}"} if theirs is by_slug else {})
        for caller in callers(make, other):
            answer = operation.ask(caller, theirs, named_in, headers)
            assert answer.status not in (422, 500, 503), answer.body  # else it would not have come to the database
            assert told(answer, theirs) == told(operation.ask(caller, nobodys, named_in, headers), nobodys)
            assert SECRET not in answer.body
    assert stored(superuser, other.tenant) == before != []


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_with_the_gate_taken_away_row_level_security_alone_still_keeps_the_other_tenant(
    make: Factory,
    other: Other,
    superuser: psycopg.Connection[Any],
    operation: Operation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant, before = make.tenant(), stored(superuser, other.tenant)
    enter = f"SELECT set_config('app.tenant_id', '{tenant.id}', true), set_config('app.actor', 'anybody', true)"
    monkeypatch.setattr(flight, "ENTER", enter)
    for named_in in NAMED_IN:
        answer = operation.ask(other.tenant.owner, other.names, named_in, {})
        assert SECRET not in answer.body
        if "{" in operation.path:
            assert answer.status == 404
    assert stored(superuser, other.tenant) == before


def test_the_same_n8n_ids_in_two_tenants_are_two_executions(make: Factory, other: Other) -> None:
    operation = next(o for o in OPERATIONS if o.path.endswith("/batch"))
    tenant = make.tenant()
    named = {key: other.names[key] for key in ("n8n_workflow_id", "n8n_execution_id")}
    delivery = named | {"status": "running"}

    def deliver() -> dict[str, Any]:
        answer = call(operation.handler, "POST", operation.path, caller=tenant.owner, body={"executions": [delivery]})
        return answer.json["results"][0]

    assert deliver()["outcome"] == "rejected"
    make.workflow(tenant, n8n_workflow_id=named["n8n_workflow_id"])
    made = deliver()
    assert made["outcome"] == "created"
    assert made["id"] != other.names["execution_id"]


def test_an_idempotency_key_is_its_tenants_and_its_callers_own(make: Factory, other: Other) -> None:
    operation = next(o for o in OPERATIONS if str(o) == "POST /routes/workflows")
    tenant = make.tenant()
    colleague = make.person()
    make.member(tenant.id, colleague)
    request: dict[str, Any] = {"body": {"name": "One"}, "headers": {"idempotency-key": "1"}}
    made = [
        call(operation.handler, "POST", operation.path, caller=caller, **request).json["id"]
        for caller in (other.tenant.owner, tenant.owner, colleague) * 2
    ]
    assert made[:3] == made[3:]
    assert len(set(made)) == 3
