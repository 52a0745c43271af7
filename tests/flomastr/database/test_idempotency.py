"""A POST under an Idempotency-Key happens once, and every repeat answers what the first one answered."""

import threading
import time
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.caller import Caller
from functions.executions.handler import lambda_handler as executions
from functions.preferences.handler import lambda_handler as preferences
from functions.workflows.handler import lambda_handler as workflows
from tests.support.clock import HANGS
from tests.support.events import Answer, Context, call
from tests.support.factories import Factory, Tenant, machine

NEW = {"name": "Orders", "n8n_workflow_id": "wf-1", "tags": ["b", "a"], "metadata": {"b": 1.50, "a": [None, 1e3]}}


def post(
    tenant: Tenant, key: str | None, body: Any = NEW, caller: Caller | None = None, left_ms: int = 29_000
) -> Answer:
    return call(
        workflows,
        "POST",
        f"/routes/workflows?tenant_id={tenant.slug}",
        body=body,
        headers={"idempotency-key": key} if key else {},
        caller=caller or tenant.owner,
        context=Context(left_ms=left_ms),
    )


def record(tenant: Tenant, key: str, body: Any, path: str = "") -> Answer:
    return call(
        executions,
        "POST",
        f"/routes/workflow-executions{path}",
        body=body,
        headers={"idempotency-key": key},
        caller=tenant.owner,
    )


def stored(make: Factory, tenant: Tenant) -> int:
    return make.within(tenant.id, "SELECT count(*) FROM app.workflows", {})[0]


def keys(make: Factory, tenant: Tenant) -> int:
    return make.within(tenant.id, "SELECT count(*) FROM app.idempotency_keys", {})[0]


def test_a_repeat_answers_the_same_bytes_and_headers(make: Factory) -> None:
    tenant = make.tenant()
    first = post(tenant, "k")
    assert (first.status, first.headers["location"]) == (201, f"/routes/workflows/{first.json['id']}")
    assert post(tenant, "k") == first
    assert stored(make, tenant) == 1


def test_a_repeat_answers_with_the_resource_as_it_is_now(make: Factory) -> None:
    tenant = make.tenant()
    first = post(tenant, "k")
    path = f"/routes/workflows/{first.json['id']}"
    renamed = call(workflows, "PUT", path, body={"name": "Renamed"}, caller=tenant.owner)
    repeated = post(tenant, "k")
    assert (repeated.status, repeated.json, repeated.headers["etag"]) == (201, renamed.json, renamed.headers["etag"])
    assert call(workflows, "DELETE", path, caller=tenant.owner).status == 200
    gone = post(tenant, "k")
    assert (gone.status, gone.json["code"]) == (404, "not_found")
    assert gone.json["detail"].endswith("Send a new key to make it again.")
    assert stored(make, tenant) == 0
    assert post(tenant, "l").status == 201


def test_what_a_client_writes_is_not_kept_a_second_time(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant, large = make.tenant(), {"x": "y" * 200_000}
    execution = {"n8n_workflow_id": "wf", "n8n_execution_id": "1", "execution_data": large}
    make.workflow(tenant, n8n_workflow_id="wf")
    assert record(tenant, "a", execution).status == 201
    assert record(tenant, "b", execution | {"execution_data": None}).json["execution_data"] == large
    assert post(tenant, "c", {"name": "Large", "metadata": large}).status == 201
    person = make.person()
    body = {"user_id": person.user_id, "preferences": large}
    assert [store(person, body).json["preferences"] for _ in range(2)] == [large] * 2
    assert [store(person, body, key).status for key in ("other", "k", "other")] == [200, 201, 200]
    kept = superuser.execute(
        "SELECT max(octet_length(answer::text)), count(*) FROM app.idempotency_keys WHERE actor = ANY (%s)",
        [[f"user:{who.user_id}" for who in (tenant.owner, person)]],
    ).fetchone()
    assert kept is not None and kept[0] < 200 and kept[1] == 5


def store(person: Caller, body: dict[str, Any], key: str = "k") -> Answer:
    """Preferences outside tenants."""
    path, headers = "/routes/user-preferences", {"idempotency-key": key}
    return call(preferences, "POST", path, body=body, caller=person, headers=headers)


def test_outside_tenants_a_person_has_a_thousand_keys(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    person = make.person()
    body: dict[str, Any] = {"user_id": person.user_id, "preferences": {}}
    superuser.execute(
        "INSERT INTO app.idempotency_keys (actor, key, fingerprint)"
        " SELECT %s, n::text, '' FROM generate_series(1, 999) AS n",
        [f"user:{person.user_id}"],
    )
    assert store(person, body).status == 201
    refused = store(person, body, "one-more")
    assert (refused.status, refused.json["code"]) == (409, "too_many_open")
    assert store(person, body).status == 201
    assert store(make.person(), {"user_id": "x", "preferences": {}}).status == 403


def test_without_a_key_a_post_happens_each_time(make: Factory) -> None:
    tenant = make.tenant()
    assert [post(tenant, None, {"name": "Orders"}).status for _ in range(2)] == [201, 201]
    assert stored(make, tenant) == 2


@pytest.mark.parametrize("other", [{"name": "Invoices"}, NEW | {"tags": ["a", "b"]}])
def test_a_key_may_not_come_with_another_body(make: Factory, other: dict[str, Any]) -> None:
    tenant = make.tenant()
    first = post(tenant, "k")
    refused = post(tenant, "k", other)
    assert (refused.status, refused.json["code"]) == (422, "idempotency_key_reused")
    assert post(tenant, "k") == first
    assert stored(make, tenant) == 1


def test_a_key_may_not_come_to_another_endpoint(make: Factory) -> None:
    tenant = make.tenant()
    assert post(tenant, "k").status == 201
    assert record(tenant, "k", {"n8n_workflow_id": "wf-1"}).json["code"] == "idempotency_key_reused"


def test_another_tenants_key_is_another_key(make: Factory) -> None:
    one, two = make.tenant(), make.tenant()
    answers = [post(one, "k"), post(two, "k")]
    assert [answer.status for answer in answers] == [201, 201]
    assert [answer.json["tenant_id"] for answer in answers] == [str(one.id), str(two.id)]


def test_another_callers_key_is_another_key(make: Factory) -> None:
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    callers = [tenant.owner, colleague, machine(make.api_key(tenant)), machine(make.api_key(tenant))]
    ids = [post(tenant, "k", {"name": "Orders"}, caller).json["id"] for caller in callers]
    assert len(set(ids)) == 4
    assert [post(tenant, "k", {"name": "Orders"}, caller).json["id"] for caller in callers] == ids


def test_another_callers_request_under_the_same_key_does_not_make_it_a_repeat(make: Factory) -> None:
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    assert post(tenant, "k", {"name": "Orders"}).status == 201
    theirs = post(tenant, "k", {"name": "Invoices"}, colleague)
    refused = post(tenant, "k", {"name": "Invoices"})
    assert (refused.status, refused.json["code"]) == (422, "idempotency_key_reused")
    assert post(tenant, "k", {"name": "Invoices"}, colleague) == theirs


def test_a_refused_post_leaves_no_key_behind(make: Factory) -> None:
    tenant = make.tenant()
    make.workflow(tenant, n8n_workflow_id="wf-1")
    assert post(tenant, "k").status == 409
    assert keys(make, tenant) == 0
    assert post(tenant, "k", NEW | {"n8n_workflow_id": "wf-2"}).status == 201


def test_an_execution_of_a_workflow_that_comes_later_may_be_repeated_until_it_is_taken(make: Factory) -> None:
    tenant = make.tenant()
    run = {"n8n_workflow_id": "wf-1", "n8n_execution_id": "7", "status": "success"}
    assert record(tenant, "k", run).json["code"] == "workflow_not_found"
    assert keys(make, tenant) == 0
    make.workflow(tenant, n8n_workflow_id="wf-1")
    assert record(tenant, "k", run).status == 201


def test_a_repeated_execution_is_still_a_created_one(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    run = {"workflow_id": str(workflow), "n8n_execution_id": "7", "status": "running", "execution_data": {"a": 1.0}}
    first = record(tenant, "k", run)
    assert first.status == 201
    assert record(tenant, "other-key", run).status == 200
    assert record(tenant, "k", run) == first


def test_a_repeated_batch_answers_the_outcomes_of_the_first(make: Factory) -> None:
    tenant = make.tenant()
    make.workflow(tenant, n8n_workflow_id="wf-1")
    runs = [
        {"n8n_workflow_id": workflow, "n8n_execution_id": id, "status": "success"}
        for workflow, id in [("wf-1", "1"), ("unknown", "2"), ("wf-1", "3")]
    ]
    batch = {"executions": runs}
    first = record(tenant, "k", batch, "/batch")
    assert [result["outcome"] for result in first.json["results"]] == ["created", "rejected", "created"]
    assert record(tenant, "k", batch, "/batch") == first
    again = record(tenant, "other-key", batch, "/batch")
    assert [result["outcome"] for result in again.json["results"]] == ["unchanged", "rejected", "unchanged"]


def claimed(conn: psycopg.Connection[Any], tenant: Tenant) -> None:
    """The key as another request holds it that has not committed yet."""
    conn.execute(
        "SELECT set_config('app.tenant_id', %s, true), set_config('app.actor', %s, true)",
        (str(tenant.id), f"user:{tenant.owner.user_id}"),
    )
    conn.execute("INSERT INTO app.idempotency_keys (key, fingerprint) VALUES ('k', 'x')")


def test_a_reserved_key_is_waited_for_and_then_refused_with_a_503(make: Factory, direct_url: str) -> None:
    tenant = make.tenant()
    with psycopg.connect(direct_url) as other:
        claimed(other, tenant)
        began = time.monotonic()
        answer = post(tenant, "k", left_ms=1500)
        assert 0.2 < time.monotonic() - began < HANGS
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        other.rollback()
    assert post(tenant, "k").status == 201
    assert stored(make, tenant) == 1


@pytest.mark.parametrize("end, status", [("COMMIT", 422), ("ROLLBACK", 201)])
def test_a_reserved_key_is_decided_by_how_its_request_ends(
    make: Factory, direct_url: str, superuser: psycopg.Connection[Any], end: str, status: int
) -> None:
    tenant = make.tenant()
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(direct_url) as other:
        claimed(other, tenant)

        def finish() -> None:
            while not superuser.execute(waiting).rowcount:
                time.sleep(0.01)
            other.commit() if end == "COMMIT" else other.rollback()

        thread = threading.Thread(target=finish)
        thread.start()
        answer = post(tenant, "k")
        thread.join()
    assert answer.status == status


@pytest.mark.parametrize("key, status", [("k" * 255, 201), ("k" * 256, 422), ("", 422), ("a b", 422), ("~!", 201)])
def test_a_key_is_up_to_255_printable_characters(make: Factory, key: str, status: int) -> None:
    tenant = make.tenant()
    answer = call(
        workflows,
        "POST",
        "/routes/workflows",
        body={"name": "x"},
        headers={"idempotency-key": key},
        caller=tenant.owner,
    )
    assert answer.status == status
    if status == 422:
        assert [error["field"] for error in answer.json["errors"]] == ["header.idempotency-key"]


def test_the_key_of_an_unknown_id_is_nobodys(make: Factory) -> None:
    tenant, stranger = make.tenant(), make.tenant()
    post(tenant, "k")
    assert post(tenant, "k", caller=stranger.owner).status == 404
    assert UUID(post(tenant, "k").json["id"])
