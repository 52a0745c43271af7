"""Leaves that are written to or read while they are archived: what was written last is kept, and nobody waits."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from flomastr.archive import export_job, file_lifecycle, manifest
from flomastr.jobs import Job
from functions.archive.handler import lambda_handler
from tests.support.archive_env import World
from tests.support.factories import Tenant

PATIENCE = 2  # seconds for the locks of one leaf, of which the job asks for each for 15 ms
WRITES: dict[str, LiteralString] = {
    "an update": "UPDATE app.workflow_executions SET error_message = 'Changed' WHERE ttl_class = %(ttl_class)s",
    "an insert": """
        INSERT INTO app.workflow_executions (ttl_class, id, workflow_id, status, started_at, finished_at, created_at)
        SELECT ttl_class, app.uuid7(started_at), workflow_id, 'error', started_at, finished_at, created_at
        FROM app.workflow_executions WHERE ttl_class = %(ttl_class)s LIMIT 1
    """,
    "a delete": """
        DELETE FROM app.workflow_executions WHERE n8n_execution_id IN ('1', '11') AND ttl_class = %(ttl_class)s
    """,
}


@pytest.fixture
def tenant(world: World) -> Tenant:
    world.leaves_since(1)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    for number in range(3):
        world.execution(tenant, workflow, 7.9, n8n_execution_id=str(number))
        world.execution(tenant, workflow, 30, n8n_execution_id=str(10 + number), ttl_class=0)
    return tenant


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("moment", ["before the export", "after it"])
@pytest.mark.parametrize("ttl_class", [7, 0])
def test_what_is_written_while_it_is_archived_is_what_ends_in_the_cold_tier(
    world: World, tenant: Tenant, statement: LiteralString, moment: str, ttl_class: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, after = file_lifecycle.write, list[list[Any]]()

    def write_and_be_written_to(job: Job, file: manifest.File) -> None:
        if moment == "after it":
            write(job, file)
        if not after and (file.origin == "backlog") == (ttl_class == 0):
            world.make.within(tenant.id, statement, {"ttl_class": ttl_class})
            after.append(world.rows(tenant))
        if moment == "before the export":
            write(job, file)

    monkeypatch.setattr(file_lifecycle, "write", write_and_be_written_to)
    world.run(lambda_handler)
    world.run(lambda_handler)  # what of the backlog was written to stays for the next run
    assert (world.hot(tenant), [world.rows(tenant)]) == ([], after)
    assert world.is_in_order()


def test_a_long_reader_delays_the_drop_and_nobody_else(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, attempts = world.rows(tenant), list[int]()
    monkeypatch.setattr(export_job, "PATIENCE_SECONDS", PATIENCE)
    with psycopg.connect(world.app_url) as reader, impatient_writer(world) as written:

        def pause(least: float, most: float) -> float:
            attempts.append(len(written))
            return (least + most) / 2

        monkeypatch.setattr(export_job, "uniform", pause)
        reader.execute("SELECT count(*) FROM app.workflow_executions")
        assert world.run(lambda_handler)["state"] == "unfinished"
    assert world.rows(tenant) == before
    assert len(attempts) > 3 and attempts[0] < attempts[-1]
    bound = "SELECT 'lock_timeout=15ms' = ANY (proconfig) FROM pg_proc WHERE oid = 'app.drop_leaf'::regproc"
    assert world.superuser.execute(bound).fetchall() == [(True,)]
    assert world.run(lambda_handler)["state"] == "done"
    assert (world.hot(tenant), world.rows(tenant)) == ([], before)


@contextmanager
def impatient_writer(world: World) -> Generator[list[int]]:
    """Records executions all the while, and fails when it must wait for half as long as the job goes on asking."""
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    over, written, failures = threading.Event(), list[int](), list[LockNotAvailable]()

    def write() -> None:
        with psycopg.connect(world.app_url, autocommit=True, options=f"-c lock_timeout={PATIENCE / 2}s") as conn:
            while not over.wait(0.01):
                try:
                    with conn.transaction():
                        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
                        conn.execute(
                            "SELECT app.record_executions(jsonb_build_array(jsonb_build_object("
                            "'workflow_id', %s::text, 'status', 'success', 'started_at', now())))",
                            (str(workflow),),
                        )
                except LockNotAvailable as error:
                    failures.append(error)
                written.append(len(written))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        over.set()
        thread.join()
    assert failures == []
