"""Nothing that costs more than a query runs for a caller who is not admitted, on any route."""

from typing import Any

import psycopg
import pytest

from flomastr.archive import parquet
from flomastr.embeddings import client, queue
from flomastr.knowledge import chunking, ingest
from functions.preferences.handler import lambda_handler as preferences
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.requests import BY_NAME, OPERATIONS, ApiClient, Operation

type Superuser = psycopg.Connection[Any]

COSTLY = [
    (chunking, "split"),
    (ingest, "markdown_of"),
    (ingest, "reading"),
    (client, "embed"),
    (client, "posted"),
    (queue, "send_batch"),
    (parquet, "fetch"),
]
COSTS = {
    "store_document": "split",
    "store_documents": "split",
    "store_entry": "split",
    "search_knowledge": "embed",
    "evaluate_search": "embed",
}
LARGE = {"unknown": "x" * 60_000}
HTML = {"content": "<h1>Refunds</h1><p>They take two weeks.", "content_type": "html"}
COSTS["store_file"] = "split"
CALLED = [operation for operation in OPERATIONS if operation.scope]


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been called."""
    called = list[str]()

    def noted(module: Any, name: str) -> None:
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: called.append(name) or function(*args, **kwargs))  # pyright: ignore

    for module, name in COSTLY:
        noted(module, name)
    return called


@pytest.mark.parametrize("operation", CALLED, ids=str)
def test_nothing_is_cut_or_embedded_for_a_person_without_a_tenant(
    make: Factory, costly: list[str], operation: Operation
) -> None:
    client = ApiClient(make, "anonymous")
    client.caller = make.person()
    answer = client.ask(operation)
    assert answer.status in ((200, 201) if str(operation.scope).startswith("me:") else (401, 403, 404)), answer.body
    assert costly == []


@pytest.mark.parametrize("operation", [o for o in CALLED if o.is_limited and o.is_in_a_tenant], ids=str)
def test_nothing_is_cut_or_embedded_for_a_tenant_at_its_limit(
    make: Factory, superuser: Superuser, costly: list[str], operation: Operation
) -> None:
    client = ApiClient(make, f"key for {operation.scope}" if operation.scope == "events:write" else "owner")
    request = client.request(operation)
    if operation.name in COSTS:
        client.path(BY_NAME["get_knowledge_base"])
        client.ask(operation)  # so that what could be kept of who may do this is kept
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 1 WHERE tenant_id = %s", [client.tenant.id])
    client.beside("owner").ask(BY_NAME["get_tenant"])
    superuser.execute(
        "INSERT INTO app.rate_buckets VALUES ('user:' || %s, now() + interval '1 minute')", [client.user_id]
    )
    costly.clear()
    assert client.ask(operation, **request).status == 429
    assert costly == []


@pytest.mark.parametrize("operation", [o for o in CALLED if o.has_json], ids=str)
def test_no_large_body_is_validated_for_a_person_without_a_tenant(make: Factory, operation: Operation) -> None:
    client = ApiClient(make, "anonymous")
    client.caller = make.person()
    answer = client.ask(operation, body=LARGE)
    assert answer.status in ((422,) if str(operation.scope).startswith("me:") else (401, 403, 404)), answer.body


def test_a_large_body_that_is_refused_is_counted(make: Factory, superuser: Superuser) -> None:
    client = ApiClient(make, "owner")
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 20 WHERE tenant_id = %s", [client.tenant.id])
    answers = [client.ask(BY_NAME["record_execution"], body=LARGE) for _ in range(2)]
    assert [answer.status for answer in answers] == [422, 429]


def test_a_large_body_is_admitted_to_the_tenant_that_it_names(make: Factory) -> None:
    client, other = ApiClient(make, "owner"), make.tenant()
    workflow = {"name": "Refunds", "description": "x" * 60_000}
    make.member(other.id, client.tenant.owner, "owner", "active")

    def made_in(named: object) -> Answer:
        return call(
            workflows, "POST", "/routes/workflows", caller=client.tenant.owner, body=workflow | {"tenant_id": named}
        )

    made = made_in(other.slug)
    assert (made.status, made.json["tenant_id"]) == (201, str(other.id))
    assert made_in(make.tenant().slug).status == 404
    assert made_in(5).status == 400


def test_a_large_preference_of_a_person_needs_no_tenant(make: Factory) -> None:
    person = make.person()
    body = {"user_id": person.user_id, "preferences": {"notes": "x" * 60_000}}
    assert call(preferences, "POST", "/routes/user-preferences", caller=person, body=body).status == 201


def test_a_page_of_html_is_not_converted_for_a_stranger(make: Factory, costly: list[str]) -> None:
    client = ApiClient(make, "stranger")
    entry = {"title": "Refunds", "content": HTML["content"]}
    batch = {"documents": [{"name": "a.html", **HTML}]}
    for name, body in {"store_document": HTML, "store_documents": batch, "store_entry": entry}.items():
        assert client.ask(BY_NAME[name], body=body).status == 404
    assert costly == []


@pytest.mark.parametrize("name", COSTS)
def test_for_those_who_are_admitted_it_is_done(make: Factory, costly: list[str], name: str) -> None:
    client = ApiClient(make, "owner")
    client.path(BY_NAME["get_knowledge_base"])
    answer = client.ask(BY_NAME[name])
    assert answer.status in (200, 201), answer.body
    assert COSTS[name] in costly
