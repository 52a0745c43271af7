"""Jobs meet a tenant that is being written to all the while: they leave it, and do what the other tenants wait for."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from functions.archive.handler import lambda_handler as archive
from functions.erase.handler import lambda_handler as erase
from functions.executions.handler import lambda_handler as executions
from functions.expire.handler import lambda_handler as expire
from functions.restore.handler import lambda_handler as restores
from functions.workflows.handler import lambda_handler as workflows
from tests.conftest import Cluster
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import archived, ask_for_restore, erasure_of, restore
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


@contextmanager
def written_to(env: RecoveryEnv, tenant: Tenant) -> Generator[None]:
    """As requests of the tenant do, one after the other without a pause: of its executions, holds and files."""
    with psycopg.connect(env.platform.superuser.info.dsn, password=env.platform.superuser.info.password) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        conn.execute("SELECT app.lock_n8n_ids(ARRAY(SELECT n::text FROM generate_series(1, 2000) AS n))")
        conn.execute("SELECT pg_advisory_xact_lock(app.lock_of_holds(%s))", (tenant.id,))
        conn.execute("SELECT FROM app.archive_files WHERE tenant_id = %s FOR NO KEY UPDATE", (tenant.id,))
        yield


def deleted_workflow(env: RecoveryEnv, tenant: Tenant) -> str:
    """The preview of its recovery, which is too large for a request."""
    workflow = env.platform.make.workflow(tenant, n8n_workflow_id="77")
    rows = [{"workflow_id": str(workflow), "n8n_execution_id": str(n), "status": "success"} for n in range(1, 1102)]
    for first in range(0, len(rows), 500):
        batch = {"executions": rows[first : first + 500]}
        assert env.ask(executions, tenant, "POST", "/routes/workflow-executions/batch", body=batch).status == 200
    assert env.ask(workflows, tenant, "DELETE", f"/routes/workflows/{workflow}").status == 200
    preview = env.preview(tenant, deleted_id=str(workflow))
    assert env.apply(tenant, preview).json["state"] == "pending"
    return preview["id"]


def state(env: ArchiveEnv, table: str, id: Any) -> str:
    statement: Any = f"SELECT state FROM app.{table} WHERE id = %s"
    return env.superuser.execute(statement, (id,)).fetchall()[0][0]


def test_recoveries_of_others_are_applied(env: RecoveryEnv) -> None:
    busy, other = env.platform.make.tenant(), env.platform.make.tenant()
    asked = {tenant.id: deleted_workflow(env, tenant) for tenant in (busy, other)}
    with written_to(env, busy):
        run = env.run()
    assert (run["state"], run["steps_left"], run["recoveries_done"]) == ("unfinished", 1, 1)
    assert [state(env.platform, "recoveries", asked[tenant.id]) for tenant in (busy, other)] == ["pending", "done"]
    assert env.run()["recoveries_done"] == 1


def test_persons_of_others_are_erased(env: RecoveryEnv) -> None:
    asked: list[Any] = []
    tenants = env.platform.make.tenant(), env.platform.make.tenant()
    for tenant in tenants:
        person = env.platform.make.person()
        env.platform.make.member(tenant.id, person)
        asked.append(erasure_of(env.platform, tenant, person.user_id))
    with written_to(env, tenants[0]):
        assert env.platform.run(erase)["erasures_done"] == 1
    assert [state(env.platform, "erasures", id) for id in asked] == ["pending", "done"]
    assert env.platform.run(erase)["erasures_done"] == 1


def test_what_others_have_is_archived_while_late_deliveries_of_one_wait(env: RecoveryEnv) -> None:
    platform = env.platform
    busy, other = platform.make.tenant(), platform.make.tenant()
    workflow, others = platform.make.workflow(busy), platform.make.workflow(other)
    (late,) = archived(platform, busy, workflow, 1, n8n_execution_id="1")
    platform.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, n8n_execution_id, status,"
        "  error_message, started_at, finished_at)"
        " SELECT 0, %s, %s, %s, '1', 'error', 'late', app.uuid7_moment(%s), app.uuid7_moment(%s)",
        (late, busy.id, workflow, late, late),
    )
    due = platform.execution_at(other, others, TODAY - timedelta(days=100), retention_class=0)
    chat = platform.session(other, others, TODAY - timedelta(days=200))
    with written_to(env, busy):
        run = platform.run(archive)
    assert (run["state"], run["steps_left"]) == ("unfinished", 1)
    assert (platform.hot(other), platform.sessions(other), due in platform.cold(other)) == ([], [], True)
    assert chat
    assert platform.hot(busy) == [late]
    assert platform.run(archive)["rows_rejoined"] == 1


def test_files_of_others_expire(env: RecoveryEnv) -> None:
    platform = env.platform
    tenants = platform.make.tenant(), platform.make.tenant()
    for tenant in tenants:
        archived(platform, tenant, platform.make.workflow(tenant), 1)
        platform.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, 30)", (tenant.id,))
    files = "SELECT state FROM app.archive_files WHERE tenant_id = %s"
    with written_to(env, tenants[0]):
        assert platform.run(expire)["files_expired"] == 1
    states = [platform.superuser.execute(files, (tenant.id,)).fetchall()[0][0] for tenant in tenants]
    assert states == ["stored", "replaced"]


def test_restores_of_others_are_done(env: RecoveryEnv) -> None:
    platform = env.platform
    asked: list[Any] = []
    tenants = platform.make.tenant(), platform.make.tenant()
    for tenant in tenants:
        workflow = platform.make.workflow(tenant)
        archived(platform, tenant, workflow, 1, n8n_execution_id="1")
        asked.append(ask_for_restore(platform, tenant, workflow))
    with written_to(env, tenants[0]):
        run = platform.run(restores)
    assert run["state"] == "unfinished"
    assert [restore(platform, id)["state"] for id in asked] == ["running", "done"]
