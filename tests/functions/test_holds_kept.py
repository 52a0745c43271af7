"""What is under a legal hold is not deleted by any route."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from functions.holds.handler import lambda_handler as holds
from functions.lifecycle.handler import lambda_handler as lifecycle
from tests.support.clock import until
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.hold_cases import Held
from tests.support.problems import refused


@pytest.fixture
def held(make: Factory) -> Held:
    return Held(make)


def test_without_a_hold_all_can_be_deleted(held: Held) -> None:
    assert held.kept() == set()


def test_a_hold_on_the_tenant_keeps_everything(held: Held) -> None:
    held.make.hold(held.tenant)
    assert held.kept() == held.deletions().keys()


def test_a_hold_on_a_workflow_keeps_it_and_what_is_of_it_and_nothing_else(held: Held) -> None:
    held.make.hold(held.tenant, workflow_id=held.workflow)
    assert held.kept() == {"workflow", "execution", "second", "session"}


def test_a_hold_on_an_execution_keeps_it_and_its_workflow(held: Held) -> None:
    held.make.hold(held.tenant, execution_id=held.execution)
    assert held.kept() == {"workflow", "execution"}


def test_a_deletion_that_a_hold_stops_half_way_deletes_nothing(held: Held) -> None:
    held.make.hold(held.tenant, execution_id=held.execution)
    refused(held.delete(f"workflows/{held.workflow}"), 409)
    for path in (f"workflow-executions/{held.second}", f"webchat/sessions/{held.session}"):
        assert held.ask("GET", path).status == 200


def test_a_hold_of_another_tenant_keeps_nothing_here(held: Held) -> None:
    held.make.hold(held.make.tenant())
    held.make.hold(held.make.tenant(), workflow_id=held.workflow)
    assert held.kept() == set()


def test_what_was_held_can_be_deleted_when_the_last_of_its_holds_is_released(held: Held) -> None:
    first, second = (held.make.hold(held.tenant, workflow_id=held.workflow) for _ in range(2))
    path = f"workflow-executions/{held.execution}"
    for hold, status in ((first, 409), (second, 200)):
        release = {"reason": "Settled"}
        call(holds, "POST", f"/routes/legal-holds/{hold}/release", caller=held.tenant.owner, body=release)
        assert held.delete(path).status == status


@pytest.mark.parametrize("scope", ["tenant", "workflow", "execution"])
def test_a_tenant_with_any_hold_is_deleted_softly_but_not_for_ever(held: Held, scope: str) -> None:
    ids = {"workflow": {"workflow_id": held.workflow}, "execution": {"execution_id": held.execution}}
    held.make.hold(held.tenant, **ids.get(scope, {}))
    admin = held.make.super_admin()
    body = {"tenant_id": held.tenant.slug, "reason": "asked for"}
    assert call(lifecycle, "POST", "/routes/soft-delete", caller=admin, body=body).status == 200
    answer = call(lifecycle, "POST", "/routes/hard-delete", caller=admin, body=body | {"confirm": held.tenant.slug})
    assert (answer.status, answer.json["code"]) == (409, "legal_hold")
    assert call(lifecycle, "POST", "/routes/restore", caller=admin, body={"tenant_id": held.tenant.slug}).status == 200


def while_waiting(held: Held, begun: psycopg.Connection[Any], go: Callable[[], Answer]) -> Future[Answer]:
    """Starts it, and commits what has begun when it waits for that."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(go)
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: held.make.conn.execute(waiting).rowcount or future.done())
        assert not future.done()
        begun.commit()
    return future


def connected_in(url: str, tenant: Tenant) -> psycopg.Connection[Any]:
    conn = psycopg.connect(url)
    conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
    conn.execute("SELECT set_config('app.role', 'key', true), set_config('app.actor', 'test', true)")
    return conn


def create_on(held: Held, scope: str, id: UUID | None) -> Answer:
    body = {"scope": scope, "reason": "Case 7"} | ({f"{scope}_id": str(id)} if id else {})
    return call(holds, "POST", "/routes/legal-holds", caller=held.tenant.owner, body=body)


def test_a_hold_waits_for_a_deletion_that_has_begun_and_finds_what_it_has_left(held: Held, direct_url: str) -> None:
    with connected_in(direct_url, held.tenant) as deleting:
        deleting.execute("DELETE FROM app.workflow_executions WHERE id = %s", (held.execution,))
        created = while_waiting(held, deleting, lambda: create_on(held, "execution", held.execution))
    assert created.result().status == 404


@pytest.mark.parametrize("scope", ["tenant", "workflow", "execution"])
def test_a_deletion_waits_for_a_hold_that_has_begun_and_is_refused(held: Held, direct_url: str, scope: str) -> None:
    ids = (held.workflow if scope == "workflow" else None, held.execution if scope == "execution" else None)
    with connected_in(direct_url, held.tenant) as creating:
        creating.execute("SELECT app.create_hold(%s, %s, %s, 'Case 7')", (scope, *ids))
        deleted = while_waiting(held, creating, lambda: held.delete(f"workflow-executions/{held.execution}"))
    assert (deleted.result().status, deleted.result().json["code"]) == (409, "legal_hold")
