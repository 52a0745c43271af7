"""Objects with large data stay as long as something refers to them, and then go, whatever happens meanwhile."""

import gzip
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import duckdb
import pytest
from psycopg.types.json import Jsonb

from flomastr import object_storage
from flomastr.jobs import JobFailedError
from flomastr.large_data.objects import DataObject
from flomastr.object_storage import key_of_data
from flomastr.retention import unused_objects
from functions.archive.handler import lambda_handler as archive
from functions.executions.handler import lambda_handler as executions
from functions.expire.handler import lambda_handler as expire
from functions.history.handler import lambda_handler as history
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import NOW, ArchiveEnv
from tests.support.archived_tenants import MONTH, archived, ask_for_restore, large_data, overwrite
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import call
from tests.support.factories import Tenant

HISTORY = "/routes/history/workflow-executions"


def objects(env: ArchiveEnv, tenant: Tenant) -> list[str]:
    return env.bucket.keys(f"execution_data/tenant={tenant.id}/")


def removed(env: ArchiveEnv, days: int = 0) -> int:
    """By the job, with so many days since the last check of each object."""
    env.superuser.execute("UPDATE app.execution_objects SET check_at = check_at - make_interval(days => %s)", (days,))
    return env.run(expire, NOW).get("objects_removed", 0)


def forget_history(env: ArchiveEnv) -> None:
    """As after 38 days."""
    env.superuser.execute("DELETE FROM app.row_history")


def with_data(env: ArchiveEnv, tenant: Tenant, id: UUID, text: str) -> None:
    """The execution has large data."""
    env.superuser.execute(
        "UPDATE app.workflow_executions SET execution_data = %s WHERE id = %s",
        (Jsonb(large_data(env, tenant, text, id)), id),
    )


@pytest.fixture
def tenant(env: ArchiveEnv) -> Tenant:
    return env.make.tenant(hot_ttl_days=7)


def test_an_object_goes_when_its_execution_has_other_data_or_is_deleted_and_can_no_more_be_recovered(
    env: ArchiveEnv, tenant: Tenant
) -> None:
    workflow = env.make.workflow(tenant)
    kept, changed, deleted = (env.execution(tenant, workflow, age) for age in (1, 2, 3))
    for id, text in ((kept, "kept"), (changed, "changed"), (deleted, "deleted")):
        with_data(env, tenant, id, text)
    env.superuser.execute("UPDATE app.workflow_executions SET execution_data = '{}' WHERE id = %s", (changed,))
    env.superuser.execute("DELETE FROM app.workflow_executions WHERE id = %s", (deleted,))
    assert removed(env) == 0
    assert len(objects(env, tenant)) == 3
    forget_history(env)
    assert removed(env, days=6) == 0  # looked at a week later
    assert removed(env, days=1) == 2
    assert objects(env, tenant) == [key_of_data(tenant.id, DataObject.of({"mode": "webhook", "text": "kept"}).sha256)]


def test_what_was_claimed_within_a_day_stays(env: ArchiveEnv, tenant: Tenant) -> None:
    large_data(env, tenant, "claimed")
    env.superuser.execute("UPDATE app.execution_objects SET check_at = %s", (NOW + timedelta(seconds=1),))
    assert (removed(env), len(objects(env, tenant))) == (0, 1)
    assert (removed(env, days=1), objects(env, tenant)) == (1, [])


def test_an_archived_execution_keeps_its_object_until_its_file_ends(env: ArchiveEnv, tenant: Tenant) -> None:
    workflow = env.make.workflow(tenant)
    id = env.execution_at(tenant, workflow, MONTH + timedelta(days=1), retention_class=0)
    with_data(env, tenant, id, "archived")
    env.run(archive)
    forget_history(env)
    assert (env.hot(tenant), env.cold(tenant)) == ([], [id])
    assert (removed(env), len(objects(env, tenant))) == (0, 1)
    with connected(DATABASE_URL=env.app_url):
        one = call(history, "GET", f"{HISTORY}/{id}", caller=tenant.owner).json
        (listed,) = call(history, "GET", f"{HISTORY}?include_data=true", caller=tenant.owner).json
        for found in (one, listed):
            assert (found["tier"], found["execution_data"]) == ("cold", {"mode": "webhook", "text": "archived"})
    env.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, 30)", (tenant.id,))
    assert removed(env) == 0
    assert (removed(env, days=7), objects(env, tenant)) == (1, [])


def test_an_archived_execution_that_is_hot_again_has_its_data(env: ArchiveEnv, tenant: Tenant) -> None:
    workflow = env.make.workflow(tenant)
    id = env.execution_at(tenant, workflow, MONTH + timedelta(days=1), retention_class=0)
    with_data(env, tenant, id, "archived")
    env.run(archive)
    ask_for_restore(env, tenant, until=2)
    env.run(restore)
    forget_history(env)
    assert removed(env) == 0
    with connected(DATABASE_URL=env.app_url):
        answer = call(executions, "GET", f"/routes/workflow-executions/{id}", caller=tenant.owner)
    assert (answer.status, answer.json["execution_data"]) == (200, {"mode": "webhook", "text": "archived"})


def test_a_tenant_with_a_hold_keeps_all_objects(env: ArchiveEnv, tenant: Tenant) -> None:
    large_data(env, tenant, "held")
    hold = env.hold(tenant)
    assert (removed(env), len(objects(env, tenant))) == (0, 1)
    env.release(hold)
    assert (removed(env), objects(env, tenant)) == (1, [])


def test_what_cannot_be_looked_for_stays(env: ArchiveEnv, tenant: Tenant) -> None:
    (id,) = archived(env, tenant, env.make.workflow(tenant), 1)
    large_data(env, tenant, "unknown", id)
    forget_history(env)
    (file,) = env.files(tenant)
    overwrite(env, file, b"damaged")
    with pytest.raises(JobFailedError):
        removed(env)
    assert len(objects(env, tenant)) == 1


def test_files_of_one_tenant_that_cannot_be_understood_keep_no_other_waiting(env: ArchiveEnv, tenant: Tenant) -> None:
    (id,) = archived(env, tenant, env.make.workflow(tenant), 1)
    large_data(env, tenant, "unknown", id)
    other = env.make.tenant()
    large_data(env, other, "unused")
    forget_history(env)
    with (
        patch.object(unused_objects.parquet, "fetch", side_effect=duckdb.OutOfMemoryException("quotes data")),
        pytest.raises(JobFailedError, match=r"^Unused objects could not be removed: OutOfMemoryException$"),
    ):
        removed(env)
    assert (len(objects(env, tenant)), objects(env, other)) == (1, [])


def test_tenants_have_their_turns(env: ArchiveEnv, tenant: Tenant) -> None:
    other = env.make.tenant()
    for one in (tenant, other):
        for text in ("a", "b"):
            large_data(env, one, text)
    turns: list[str] = []

    def noting(keys: Iterable[str]) -> None:
        turns.extend(key.split("/")[1] for key in keys)

    with patch.object(unused_objects, "BATCH", 1), patch.object(object_storage, "remove", noting):
        assert removed(env) == 4
    assert turns[0] == turns[2] != turns[1] == turns[3]


def test_what_is_archived_while_files_are_read_keeps_its_object(env: ArchiveEnv, tenant: Tenant) -> None:
    workflow = env.make.workflow(tenant)
    id = env.execution_at(tenant, workflow, MONTH + timedelta(days=1), retention_class=0)
    with_data(env, tenant, id, "archived")
    look = unused_objects.archived

    def look_and_archive(*asked: Any) -> unused_objects.Archive:
        found = look(*asked)
        env.run(archive)
        forget_history(env)
        return found

    with patch.object(unused_objects, "archived", look_and_archive):
        assert removed(env) == 0
    assert (env.hot(tenant), env.cold(tenant), len(objects(env, tenant))) == ([], [id], 1)
    assert (removed(env), len(objects(env, tenant))) == (0, 1)


def test_killed_before_any_step_and_run_again_what_is_used_stays_and_nothing_else(
    env: ArchiveEnv, tenant: Tenant
) -> None:
    id = env.execution(tenant, env.make.workflow(tenant), 1)
    with_data(env, tenant, id, "used")
    for number, _ in enumerate(steps(lambda: removed(env, days=7))):
        removed(env, days=7)
        (left,) = objects(env, tenant)
        content = json.loads(gzip.decompress(env.object(left)))
        assert content == {"mode": "webhook", "text": "used"}
        large_data(env, tenant, f"unused {number}")
