"""A recovery that is too large is refused with what to do, before it is planned."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from dev.services.postgres import Cluster
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

WHAT_TO_DO = "Name fewer tables, up to 1,000 row_ids, or a later moment."


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def bound(env: RecoveryEnv, name: str, most: int) -> None:
    env.platform.superuser.execute(
        SQL("CREATE OR REPLACE FUNCTION {}() RETURNS integer LANGUAGE sql IMMUTABLE RETURN {}").format(
            Identifier("app", name), most
        )
    )


def overwritten(env: RecoveryEnv, runs: int) -> tuple[Tenant, dict[str, Any]]:
    """A tenant whose workflow and executions were overwritten, and what a preview names before that."""
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    for run in range(runs):
        env.platform.make.execution(tenant, workflow, n8n_execution_id=str(run), execution_data={"text": "x" * 5000})
    at = env.restore_point()
    for table, column in (("workflows", "description"), ("workflow_executions", "error_message")):
        statement: Any = f"UPDATE app.{table} SET {column} = repeat('y', 5000) RETURNING 1"
        env.platform.make.within(tenant.id, statement, {})
    return tenant, {"at": at}


def refused(env: RecoveryEnv, tenant: Tenant, to: dict[str, Any]) -> str:
    answer = env.recovery(tenant, "POST", "preview", body=to)
    assert (answer.status, answer.json["code"]) == (422, "recovery_too_large")
    return answer.json["detail"]


def test_more_changes_than_a_request_can_plan_are_refused_and_fewer_are_not(env: RecoveryEnv) -> None:
    tenant, to = overwritten(env, runs=4)
    bound(env, "most_changes_of_recovery", 3)
    assert refused(env, tenant, to) == f"The recovery is of more than 3 changes. {WHAT_TO_DO}"
    assert env.preview(tenant, **to, tables=["workflows"])["counts"] == {"workflows": {"update": 1}}
    (id,) = env.platform.make.within(tenant.id, "SELECT id FROM app.workflow_executions ORDER BY id LIMIT 1", {})
    assert env.preview(tenant, **to, row_ids=[str(id)])["counts"] == {"workflow_executions": {"update": 1}}


def test_rows_that_one_request_inserted_are_counted_one_by_one(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow, at = env.platform.make.workflow(tenant), env.restore_point()
    env.platform.make.within(
        tenant.id,
        "SELECT FROM app.record_executions((SELECT jsonb_agg(jsonb_build_object("
        "'workflow_id', %(workflow)s::uuid, 'n8n_execution_id', n::text, 'status', 'running'))"
        " FROM generate_series(1, 4) AS n))",
        {"workflow": workflow},
    )
    bound(env, "most_changes_of_recovery", 3)
    refused(env, tenant, {"at": at})
    bound(env, "most_changes_of_recovery", 4)
    assert env.preview(tenant, at=at)["counts"] == {"workflow_executions": {"delete": 4}}


def test_what_others_changed_since_a_transaction_is_not_counted(env: RecoveryEnv) -> None:
    tenant, _ = overwritten(env, runs=4)
    changes = env.audit(tenant, table="workflows", action="update")
    bound(env, "most_changes_of_recovery", 3)
    preview = env.preview(tenant, transaction=changes[0]["transaction"])
    assert preview["counts"] == {"workflows": {"update": 1}}


def test_what_was_applied_is_undone_whatever_its_size(env: RecoveryEnv) -> None:
    tenant, to = overwritten(env, runs=4)
    done = env.recovered(tenant, **to)
    bound(env, "most_changes_of_recovery", 3)
    assert env.undone(tenant, done)["state"] == "done"


def test_more_bytes_than_a_request_can_compare_are_refused(env: RecoveryEnv) -> None:
    tenant, to = overwritten(env, runs=4)
    bound(env, "most_bytes_of_recovery", 15_000)
    assert refused(env, tenant, to).endswith(WHAT_TO_DO)
    assert env.preview(tenant, **to, tables=["workflows"])["counts"] == {"workflows": {"update": 1}}


def test_a_recovery_that_has_grown_too_large_fails_in_the_job(env: RecoveryEnv) -> None:
    tenant, to = overwritten(env, runs=4)
    preview = env.preview(tenant, **to)
    env.platform.superuser.execute(
        "UPDATE app.recoveries SET state = 'pending', applied_by = 'user:test' WHERE id = %s", (preview["id"],)
    )
    bound(env, "most_bytes_of_recovery", 15_000)
    assert env.run()["recoveries_failed"] == 1
    recovery = env.recovery(tenant, "GET", f"recoveries/{preview['id']}").json
    assert recovery["state"] == "failed"
    assert recovery["error"].endswith(WHAT_TO_DO)


def test_a_tenant_has_one_preview_at_a_time(env: RecoveryEnv) -> None:
    (tenant, to), (other, others) = overwritten(env, runs=1), overwritten(env, runs=1)
    superuser = env.platform.superuser.info
    with psycopg.connect(superuser.dsn, password=superuser.password) as conn:
        conn.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.actor', 'test', true)", (str(tenant.id),)
        )
        conn.execute("SELECT FROM app.preview_recovery(%(at)s, NULL, NULL, NULL, NULL, NULL)", to)
        answer = env.recovery(tenant, "POST", "preview", body=to)
        assert (answer.status, answer.json["code"]) == (429, "too_many_at_once")
        env.preview(other, **others)
    env.preview(tenant, **to)
