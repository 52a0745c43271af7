"""A recovery of executions with long data takes the memory of one of them, and brings all of them back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from dev.services.postgres import Cluster
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

RUNS = 250
MEMORY_MB = 150  # of a backend; the texts of the executions alone have 60 MB, and a plan was copied several times
LONG: LiteralString = "jsonb_build_object('text', repeat('x', 240000))"
SHORT: LiteralString = "jsonb_build_object('text', n8n_execution_id)"
PREVIEW: LiteralString = """
SELECT (p.recovery).id, (p.recovery).counts, p.examples
FROM app.preview_recovery(%s, NULL, NULL, '{workflow_executions}', NULL, 'a test') AS p
"""
APPLY: LiteralString = "SELECT r.state FROM app.start_recovery(%s) AS r"


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def with_data(env: RecoveryEnv, data: LiteralString) -> Tenant:
    """A tenant with executions whose data are this expression."""
    tenant = env.platform.make.tenant()
    env.platform.make.within(
        tenant.id,
        "SELECT FROM app.record_executions((SELECT jsonb_agg(jsonb_build_object("
        "'workflow_id', %(workflow)s::uuid, 'n8n_execution_id', n::text, 'status', 'running'))"
        " FROM generate_series(1, %(runs)s) AS n))",
        {"workflow": env.platform.make.workflow(tenant), "runs": RUNS},
    )
    write(env, tenant, data)
    return tenant


def write(env: RecoveryEnv, tenant: Tenant, data: LiteralString) -> None:
    run(env, tenant, f"UPDATE app.workflow_executions SET execution_data = {data}")


def run(env: RecoveryEnv, tenant: Tenant, sql: LiteralString, *params: Any) -> tuple[list[Any], int]:
    """What a backend of its own answers, and the megabytes that it has taken at most."""
    with psycopg.connect(env.platform.app_url) as conn:
        conn.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', 'key', true),"
            " set_config('app.actor', 'test', true)",
            (str(tenant.id),),
        )
        cursor = conn.execute(sql, params)
        rows = cursor.fetchall() if cursor.description else []
        status = Path(f"/proc/{conn.info.backend_pid}/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return rows, int(peak) // 1024


def test_long_data_come_back_from_short(env: RecoveryEnv) -> None:
    tenant = with_data(env, LONG)
    before, at = env.rows(tenant), env.restore_point()
    write(env, tenant, SHORT)
    assert recovered(env, tenant, at) == {"workflow_executions": {"update": RUNS}}
    assert env.rows(tenant) == before


def test_long_data_give_way_to_short(env: RecoveryEnv) -> None:
    tenant = with_data(env, SHORT)
    before, at = env.rows(tenant), env.restore_point()
    write(env, tenant, LONG)
    assert recovered(env, tenant, at) == {"workflow_executions": {"update": RUNS}}
    assert env.rows(tenant) == before


def test_what_was_deleted_comes_back_with_long_data(env: RecoveryEnv) -> None:
    tenant = with_data(env, LONG)
    before, at = env.rows(tenant), env.restore_point()
    run(env, tenant, "DELETE FROM app.workflow_executions")
    assert recovered(env, tenant, at) == {"workflow_executions": {"insert": RUNS}}
    assert env.rows(tenant) == before


def test_long_data_of_one_size_are_told_apart(env: RecoveryEnv) -> None:
    tenant = with_data(env, LONG)
    at = env.restore_point()
    write(env, tenant, "jsonb_build_object('text', repeat('y', 240000))")
    (_, _, examples) = run(env, tenant, PREVIEW, at)[0][0]
    size = {"execution_data": {"omitted_bytes": 240_020}}
    assert [(example["now"], example["then"]) for example in examples] == [(size, size)] * 3


def recovered(env: RecoveryEnv, tenant: Tenant, at: str) -> Any:
    """What a preview counts that is applied then. Fails where a backend took much memory."""
    (((id, counts, _),), previewing) = run(env, tenant, PREVIEW, at)
    (state, applying) = run(env, tenant, APPLY, id)
    assert state == [("done",)]
    assert max(previewing, applying) < MEMORY_MB
    return counts
