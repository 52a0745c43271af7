"""Partitions that are written to or read while they are archived: what was written last is kept, and nobody waits."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from flomastr.archive import export_job, file_lifecycle, manifest
from flomastr.database.session import BUDGET_SECONDS
from flomastr.jobs import Job
from functions.archive.handler import lambda_handler
from tests.support.archive_env import ArchiveEnv
from tests.support.factories import Tenant

PATIENCE = 2  # seconds for the locks of one partition, of which the job asks for each for 15 ms
HELD_SECONDS = 0.5  # at most, by one of the readers that overlap
WRITES: dict[str, LiteralString] = {
    "an update": """
        UPDATE app.workflow_executions SET error_message = 'Changed' WHERE retention_class = %(retention_class)s
    """,
    "an insert": """
        INSERT INTO app.workflow_executions (
          retention_class, id, workflow_id, status, started_at, finished_at, created_at
        )
        SELECT retention_class, app.uuid7(started_at), workflow_id, 'error', started_at, finished_at, created_at
        FROM app.workflow_executions WHERE retention_class = %(retention_class)s LIMIT 1
    """,
    "a delete": """
        DELETE FROM app.workflow_executions
        WHERE n8n_execution_id IN ('1', '11') AND retention_class = %(retention_class)s
    """,
}


@pytest.fixture
def tenant(env: ArchiveEnv) -> Tenant:
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for number in range(3):
        env.execution(tenant, workflow, 7.9, n8n_execution_id=str(number))
        env.execution(tenant, workflow, 30, n8n_execution_id=str(10 + number), retention_class=0)
    return tenant


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("moment", ["before the export", "after it"])
@pytest.mark.parametrize("retention_class", [7, 0])
def test_what_is_written_while_it_is_archived_is_what_ends_in_the_cold_tier(
    env: ArchiveEnv,
    tenant: Tenant,
    statement: LiteralString,
    moment: str,
    retention_class: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, after = file_lifecycle.write, list[list[Any]]()

    def write_and_be_written_to(job: Job, file: manifest.File) -> None:
        if moment == "after it":
            write(job, file)
        if not after and (file.origin == "overflow") == (retention_class == 0):
            env.make.within(tenant.id, statement, {"retention_class": retention_class})
            after.append(env.rows(tenant))
        if moment == "before the export":
            write(job, file)

    monkeypatch.setattr(file_lifecycle, "write", write_and_be_written_to)
    env.run(lambda_handler)
    env.run(lambda_handler)  # what of the overflow partition was written to stays for the next run
    assert (env.hot(tenant), [env.rows(tenant)]) == ([], after)
    assert env.is_in_order()


def test_a_row_that_is_written_to_all_the_while_keeps_only_itself_back(
    env: ArchiveEnv, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writes = file_lifecycle.write, list[str]()

    def write_and_be_written_to(job: Job, file: manifest.File) -> None:
        write(job, file)
        writes.append(file.origin)
        env.make.within(
            tenant.id,
            "UPDATE app.workflow_executions SET error_message = %(text)s, finished_at = now()"
            " WHERE n8n_execution_id = '0'",
            {"text": str(len(writes))},
        )

    monkeypatch.setattr(file_lifecycle, "write", write_and_be_written_to)
    assert env.run(lambda_handler)["leaves_dropped"] >= 1
    assert (len(env.hot(tenant)), len(env.cold(tenant))) == (1, 5)
    assert env.overflow(tenant) == env.hot(tenant)
    assert len([origin for origin in writes if origin != "overflow"]) == 2
    assert {row[8] for row in env.rows(tenant)} == {None, str(len(writes))}


def test_a_write_that_began_under_an_earlier_seal_is_not_lost(
    env: ArchiveEnv, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = "SELECT app.seal_partition(%s)"
    partition = (
        env.superuser.execute(
            "SELECT DISTINCT tableoid::regclass::text FROM app.workflow_executions WHERE retention_class = 7"
        )
        .fetchall()[0][0]
        .removeprefix("app.")
    )
    update = "UPDATE app.workflow_executions SET error_message = 'Late' WHERE n8n_execution_id = %s"
    with psycopg.connect(env.job_url, autocommit=True) as job, psycopg.connect(env.app_url) as late:
        job.execute(seal, (partition,))
        late.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        env.make.within(tenant.id, update.replace("%s", "'1'"), {})
        late.execute(update, ("2",))
        with pytest.raises(LockNotAvailable):
            job.execute(seal, (partition,))
        late.commit()
        job.execute(seal, (partition,))


def test_a_long_reader_delays_the_drop_and_nobody_else(
    env: ArchiveEnv, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, attempts = env.rows(tenant), list[int]()
    monkeypatch.setattr(export_job, "LOCK_SECONDS", PATIENCE)
    monkeypatch.setattr(export_job, "LONGER", ())
    with psycopg.connect(env.app_url) as reader, impatient_writer(env) as written:

        def pause(least: float, most: float) -> float:
            attempts.append(len(written))
            return (least + most) / 2

        monkeypatch.setattr(export_job, "uniform", pause)
        reader.execute("SELECT count(*) FROM app.workflow_executions")
        assert env.run(lambda_handler)["state"] == "unfinished"
    assert env.rows(tenant) == before
    assert len(attempts) > 3 and attempts[0] < attempts[-1]
    assert export_job.SHORTLY == 0.015
    assert env.run(lambda_handler)["state"] == "done"
    assert (env.hot(tenant), env.rows(tenant)) == ([], before)


def test_readers_that_overlap_all_the_while_do_not_keep_a_partition(
    env: ArchiveEnv, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = env.rows(tenant)
    monkeypatch.setattr(export_job, "LOCK_SECONDS", 0.2)
    with overlapping_readers(env) as readings:
        assert env.run(lambda_handler)["state"] == "done"
        assert len(readings) > 2
    assert (env.hot(tenant), env.rows(tenant)) == ([], before)


def test_who_waits_for_a_lock_waits_longer_than_any_request_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_job, "LOCK_SECONDS", 0)
    assert list(export_job.waits()) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    assert max(export_job.LONGER) > 2 * BUDGET_SECONDS


@contextmanager
def overlapping_readers(env: ArchiveEnv) -> Generator[list[int]]:
    """Requests that read executions, of which one always begins before another ends."""
    over, readings = threading.Event(), list[int]()
    begun = [threading.Event(), threading.Event()]

    def read(number: int) -> None:
        with psycopg.connect(env.app_url) as conn:
            while not over.is_set():
                conn.execute("SELECT count(*) FROM app.workflow_executions")
                readings.append(number)
                begun[number].set()
                begun[1 - number].wait(HELD_SECONDS)
                begun[1 - number].clear()
                conn.commit()

    threads = [threading.Thread(target=read, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    begun[0].wait(10)
    try:
        yield readings
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def impatient_writer(env: ArchiveEnv) -> Generator[list[int]]:
    """Records executions all the while, and fails when it must wait for half as long as the job goes on asking."""
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    over, written, failures = threading.Event(), list[int](), list[LockNotAvailable]()

    def write() -> None:
        with psycopg.connect(env.app_url, autocommit=True, options=f"-c lock_timeout={PATIENCE / 2}s") as conn:
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
