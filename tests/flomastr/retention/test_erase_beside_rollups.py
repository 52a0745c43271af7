"""An erasure and the rollup job may run at once: nothing of the tenant is left, and the others' rollups are right."""

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from flomastr import jobs
from flomastr.database.connection import Connection
from functions.erase.handler import lambda_handler as erase
from functions.rollup.handler import lambda_handler as rollup
from tests.flomastr.retention.test_erase import counted
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import archived, erasure_of
from tests.support.crash_points import interrupted
from tests.support.factories import Tenant


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job waits for locks of the other, which goes on only when this one has ended."""

    def set_timeouts(conn: Connection, _: float) -> None:
        conn.execute("SET lock_timeout = '20ms'")

    monkeypatch.setattr(jobs, "set_timeouts", set_timeouts)


def tenant_with_executions(env: ArchiveEnv) -> Tenant:
    """One is archived, two are counted, two are not, and all are to be counted again."""
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    archived(env, tenant, workflow, 1)
    for status in ("success", "error"):
        env.execution_at(tenant, workflow, TODAY, status=status, n8n_execution_id=status)
    env.run(rollup)
    for status in ("success", "crashed"):
        env.execution_at(tenant, workflow, TODAY, status=status, n8n_execution_id=f"another {status}")
    env.superuser.execute(
        "INSERT INTO app.rollup_settings (tenant_id, rebuild_asked_at) VALUES (%s, now())"
        " ON CONFLICT (tenant_id) DO UPDATE SET rebuild_asked_at = now()",
        (tenant.id,),
    )
    return tenant


def run(env: ArchiveEnv, job: Any) -> None:
    """A run that meets the other's locks or changes fails, and the next one goes on."""
    with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.SerializationFailure, jobs.JobFailedError):
        env.run(job)


def runs(env: ArchiveEnv, tenant: Tenant) -> dict[str, int]:
    rows = env.superuser.execute(
        "SELECT grain, sum(runs) FROM app.execution_rollups WHERE tenant_id = %s GROUP BY 1", (tenant.id,)
    )
    return {grain: int(count) for grain, count in rows}


def test_whichever_statement_of_the_rollup_job_an_erasure_comes_before(env: ArchiveEnv) -> None:
    neighbour, statements, number = tenant_with_executions(env), 100, 0
    while number < statements:
        number += 1
        gone = tenant_with_executions(env)
        erasure_of(env, gone)
        statements = interrupted(lambda: run(env, rollup), lambda: run(env, erase), {number}.__contains__)
        env.run(rollup)
        assert env.run(erase)["state"] == "done"
        assert counted(env, gone) == dict.fromkeys(counted(env, gone), 0) | {"erasures": 1}
    assert statements > 15
    assert runs(env, neighbour) == {"quarter": 5, "hour": 5, "day": 10}


def test_the_rollup_job_before_each_statement_of_an_erasure(env: ArchiveEnv) -> None:
    neighbour, gone = tenant_with_executions(env), tenant_with_executions(env)
    erasure_of(env, gone)
    statements = interrupted(lambda: run(env, erase), lambda: run(env, rollup), bool)
    assert statements > 50
    env.run(rollup)
    assert env.run(erase)["state"] == "done"
    assert counted(env, gone) == dict.fromkeys(counted(env, gone), 0) | {"erasures": 1}
    assert runs(env, neighbour) == {"quarter": 5, "hour": 5, "day": 10}
