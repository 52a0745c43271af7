"""app.record_events: workflows that are missing are made first, by many at once and without a deadlock."""

import random
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.factories import Factory, Tenant

type Connection = psycopg.Connection[Any]
type Json = dict[str, Any]

RECORD = "SELECT n8n_execution_id, n8n_workflow_id, outcome, error FROM app.record_events(%s)"
RENAME = "UPDATE app.workflows SET name = 'Ours' WHERE n8n_workflow_id = %s AND tenant_id = %s"
WAITING = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    return make.tenant()


@contextmanager
def within(url: str, tenant: Tenant) -> Generator[Connection]:
    """A transaction of flo_app in the tenant."""
    with psycopg.connect(url) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        conn.execute("SET LOCAL lock_timeout = '2s'")
        yield conn


def event(run: object, workflow: str = "wf-1", **fields: Any) -> Json:
    return {"n8n_execution_id": str(run), "n8n_workflow_id": workflow, "status": "running"} | fields


def record(url: str, tenant: Tenant, *events: Json) -> list[tuple[Any, ...]]:
    with within(url, tenant) as conn:
        return conn.execute(RECORD, (Jsonb(list(events)),)).fetchall()


def workflows(superuser: Connection, tenant: Tenant) -> dict[str, str]:
    found = superuser.execute("SELECT n8n_workflow_id, name FROM app.workflows WHERE tenant_id = %s", (tenant.id,))
    return dict(found.fetchall())


def test_events_with_an_outcome_are_returned_as_they_are_and_the_others_recorded(
    direct_url: str, tenant: Tenant
) -> None:
    rejected, ignored = {"outcome": "rejected", "error": "Why."}, {"outcome": "ignored"}
    assert record(direct_url, tenant, rejected, event(1), ignored, event(2), event(1), rejected) == [
        (None, None, "rejected", "Why."),
        ("1", "wf-1", "created", None),
        (None, None, "ignored", None),
        ("2", "wf-1", "created", None),
        ("1", "wf-1", "unchanged", None),
        (None, None, "rejected", "Why."),
    ]
    assert record(direct_url, tenant, ignored) == [(None, None, "ignored", None)]
    assert record(direct_url, tenant) == []


def test_missing_workflows_are_made_once(direct_url: str, superuser: Connection, tenant: Tenant) -> None:
    record(direct_url, tenant, event(1), event(2, "wf-2", workflow_name="Two"), event(3), event(4, workflow_name="One"))
    assert workflows(superuser, tenant) == {"wf-1": "One", "wf-2": "Two"}


def test_a_workflow_is_called_by_its_id_until_its_name_is_known(
    direct_url: str, superuser: Connection, tenant: Tenant
) -> None:
    record(direct_url, tenant, event(1))
    assert workflows(superuser, tenant) == {"wf-1": "wf-1"}
    record(direct_url, tenant, event(2))
    assert workflows(superuser, tenant) == {"wf-1": "wf-1"}
    record(direct_url, tenant, event(1, workflow_name="One"))
    assert workflows(superuser, tenant) == {"wf-1": "One"}
    record(direct_url, tenant, event(1, workflow_name="Other"))
    assert workflows(superuser, tenant) == {"wf-1": "Other"}


def test_a_name_that_n8n_did_not_give_stays(
    direct_url: str, superuser: Connection, make: Factory, tenant: Tenant
) -> None:
    make.workflow(tenant, name="Mine", n8n_workflow_id="wf-1")
    record(direct_url, tenant, event(2, "wf-2"))
    superuser.execute(RENAME, ("wf-2", tenant.id))
    record(direct_url, tenant, event(1, workflow_name="One"), event(2, "wf-2", workflow_name="Two"))
    assert workflows(superuser, tenant) == {"wf-1": "Mine", "wf-2": "Ours"}


def test_workflows_of_other_tenants_are_not_met(
    direct_url: str, superuser: Connection, make: Factory, tenant: Tenant
) -> None:
    other = make.tenant()
    record(direct_url, other, event(1))
    record(direct_url, tenant, event(1, workflow_name="One"))
    assert workflows(superuser, other) == {"wf-1": "wf-1"}
    assert workflows(superuser, tenant) == {"wf-1": "One"}


def test_workflows_that_are_known_are_neither_locked_nor_written(
    direct_url: str, superuser: Connection, tenant: Tenant
) -> None:
    events = event(1, workflow_name="One"), event(2, "wf-2"), event(3, "wf-3", workflow_name="Three")
    record(direct_url, tenant, events[0], events[1], event(3, "wf-3"))
    superuser.execute(RENAME, ("wf-3", tenant.id))
    versions = "SELECT xmin, updated_at FROM app.workflows WHERE tenant_id = %s ORDER BY id"
    before = superuser.execute(versions, (tenant.id,)).fetchall()
    with within(direct_url, tenant) as conn:
        conn.execute("SELECT FROM app.workflows FOR NO KEY UPDATE")
        assert [outcome for _, _, outcome, _ in record(direct_url, tenant, *events)] == ["unchanged"] * 3
    assert superuser.execute(versions, (tenant.id,)).fetchall() == before


CREATE = "INSERT INTO app.workflows (n8n_workflow_id, name) VALUES ('wf-1', 'Ours')"


@pytest.mark.parametrize(
    ("is_known", "meanwhile", "given_name", "expected"),
    [
        (False, CREATE, "One", "Ours"),
        (True, "UPDATE app.workflows SET name = 'Ours'", "One", "Ours"),
        (False, 'SELECT app.create_missing_workflows(\'[{"n8n_workflow_id": "wf-1"}]\')', None, "wf-1"),
        (False, 'SELECT app.create_missing_workflows(\'[{"n8n_workflow_id": "wf-1"}]\')', "One", "One"),
    ],
)
def test_what_another_makes_of_a_workflow_meanwhile_counts(
    direct_url: str,
    superuser: Connection,
    tenant: Tenant,
    is_known: bool,
    meanwhile: LiteralString,
    given_name: str | None,
    expected: str,
) -> None:
    if is_known:
        record(direct_url, tenant, event(1))
    with ThreadPoolExecutor(1) as pool:
        with within(direct_url, tenant) as other:
            other.execute(meanwhile)
            recorded = pool.submit(record, direct_url, tenant, event(2, workflow_name=given_name))
            while not superuser.execute(WAITING, (other.info.backend_pid,)).fetchall():
                assert not recorded.done()
        assert recorded.result()[0][2] == "created"
    assert workflows(superuser, tenant) == {"wf-1": expected}


@pytest.mark.parametrize("named", [False, True])
def test_batches_at_once_in_different_orders_make_and_name_workflows_without_a_deadlock(
    direct_url: str, superuser: Connection, tenant: Tenant, named: bool
) -> None:
    ids, clients = [f"wf-{number}" for number in range(60)], 6
    if named:
        record(direct_url, tenant, *(event(id, id) for id in ids))
    start = Barrier(clients)

    def shuffled(seed: int) -> list[tuple[Any, ...]]:
        events = [event(f"{seed} {id}", id, workflow_name=f"Name of {id}") for id in ids]
        random.Random(seed).shuffle(events)
        start.wait()
        return record(direct_url, tenant, *events)

    with ThreadPoolExecutor(clients) as pool:
        results = [row for rows in pool.map(shuffled, range(clients)) for row in rows]
    assert {outcome for _, _, outcome, _ in results} == {"created"}
    assert workflows(superuser, tenant) == {id: f"Name of {id}" for id in ids}
