"""Tenants that change how long they keep executions, and executions that take long: nothing lost, nothing twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.jobs import Job
from flomastr.workflows import partition_job
from functions.archive.handler import lambda_handler as archive
from functions.partitions.handler import lambda_handler as partitions
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant

AGES = (0.5, 3, 6.5, 7.5, 8.5, 12, 40, 88)


def keep_for(env: ArchiveEnv, tenant: Tenant, days: int) -> None:
    """As a member of the tenant's who may changes it."""
    env.make.within(tenant.id, "UPDATE app.tenants SET hot_ttl_days = %(days)s", {"days": days})


@pytest.mark.parametrize("between", [partitions, archive])
@pytest.mark.parametrize("classes", [(90, 7, 90), (7, 90, 7), (90, 7), (7, 90), (30, 365, 14, 60)])
def test_a_tenant_changes_its_class_and_back_while_executions_come_in(
    env: ArchiveEnv, classes: tuple[int, ...], between: Callable[..., dict[str, Any]]
) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=classes[0])
    workflow = env.make.workflow(tenant)
    for age in AGES:
        if age < classes[0]:
            env.execution(tenant, workflow, age, n8n_execution_id=f"old {age}")
    before = env.rows(tenant)
    for number, days in enumerate(classes[1:]):
        keep_for(env, tenant, days)
        assert env.rows(tenant) == before
        delivered = [deliver(env, tenant, workflow, age, f"{number} {age}") for age in AGES]
        deliver(env, tenant, workflow, AGES[0], f"{number} {AGES[0]}")  # once more
        before = env.rows(tenant)
        assert len({row[0] for row in before}) == len(before)
        assert {str(id) for id in delivered} <= {row[0] for row in before}
        a_day_passes(env)
        env.run(between)
        assert env.rows(tenant) == before
        assert in_partition_of(env, tenant, days)
    env.run(archive)
    assert env.rows(tenant) == before
    assert env.is_in_order()


def a_day_passes(env: ArchiveEnv) -> None:
    """Since executions were moved last."""
    env.superuser.execute("UPDATE app.retention_class_changes SET moved_at = moved_at - interval '1 day'")


def deliver(env: ArchiveEnv, tenant: Tenant, workflow: UUID, age: float, n8n_id: str) -> UUID:
    """By flo_app, as n8n reports it."""
    started = TODAY - timedelta(days=age)
    fields = {"n8n_execution_id": n8n_id, "started_at": started.isoformat(), "finished_at": started.isoformat()}
    return env.make.execution(tenant, workflow, **fields)


def in_partition_of(env: ArchiveEnv, tenant: Tenant, days: int) -> bool:
    found = env.superuser.execute(
        "SELECT DISTINCT retention_class FROM app.workflow_executions WHERE tenant_id = %s", (tenant.id,)
    )
    return {retention_class for (retention_class,) in found} <= {0, days}


@pytest.mark.parametrize("handler", [partitions, archive])
def test_what_a_tenant_leaves_behind_goes_when_its_new_class_says_so(env: ArchiveEnv, handler: Any) -> None:
    env.partitions_since(26)
    shorter, longer = env.make.tenant(hot_ttl_days=90), env.make.tenant(hot_ttl_days=7)
    ids = {
        tenant: [env.execution(tenant, env.make.workflow(tenant), age) for age in (20, 2)]
        for tenant in (shorter, longer)
    }
    keep_for(env, shorter, 7)
    keep_for(env, longer, 90)
    env.run(handler)
    env.run(archive)
    assert (env.hot(shorter), env.cold(shorter)) == ([ids[shorter][1]], [ids[shorter][0]])
    assert (env.hot(longer), env.cold(longer)) == (ids[longer], [])


def test_a_change_is_forgotten_only_when_no_delivery_can_still_write_to_the_class_that_was_left(
    env: ArchiveEnv,
) -> None:
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    with psycopg.connect(env.app_url) as late:
        late.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        insert = (
            "INSERT INTO app.workflow_executions (retention_class, id, workflow_id, started_at)"
            " VALUES (7, app.uuid7(), %s, now()) RETURNING id"
        )
        (id,) = late.execute(insert, (workflow,)).fetchall()[0]
        keep_for(env, tenant, 90)
        env.run(partitions)
    assert (env.hot(tenant), in_partition_of(env, tenant, 90)) == ([id], False)
    env.run(partitions)
    assert (env.hot(tenant), in_partition_of(env, tenant, 90)) == ([id], True)
    env.superuser.execute("UPDATE app.retention_class_changes SET changed_at = now() - interval '2 minutes'")
    env.run(partitions)
    assert len(env.superuser.execute("SELECT FROM app.retention_class_changes").fetchall()) == 1
    a_day_passes(env)
    env.run(partitions)
    assert env.superuser.execute("SELECT FROM app.retention_class_changes").fetchall() == []


def test_a_tenant_that_changes_to_and_fro_has_its_executions_moved_once_a_day(env: ArchiveEnv) -> None:
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    env.execution(tenant, env.make.workflow(tenant), 3)
    moved = list[int]()
    for days in (14, 7, 14, 7):
        keep_for(env, tenant, days)
        moved.append(env.run(archive).get("rows_moved", 0))
    assert moved == [1, 0, 0, 0]
    a_day_passes(env)
    assert env.run(archive)["rows_moved"] == 1
    assert in_partition_of(env, tenant, 7)


def test_moving_comes_last_and_each_tenant_has_its_turn(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(1)
    other, changed = env.make.tenant(hot_ttl_days=7), [env.make.tenant(hot_ttl_days=7) for _ in range(2)]
    due = env.execution(other, env.make.workflow(other), 7.9)
    workflows = {tenant.id: env.make.workflow(tenant) for tenant in changed}
    for tenant in changed:
        for _ in range(3):
            env.execution(tenant, workflows[tenant.id], 3)
        keep_for(env, tenant, 14)
    turns, move_batch = list[UUID](), partition_job.move_batch

    def watched(job: Job, change: partition_job.Change) -> bool:
        assert env.cold(other) == [due]
        turns.append(change.tenant)
        return move_batch(job, change)

    monkeypatch.setattr(partition_job, "BATCH", 2)
    monkeypatch.setattr(partition_job, "move_batch", watched)
    assert env.run(archive)["rows_moved"] == 6
    assert turns == [tenant.id for tenant in changed] * 3


def test_what_is_kept_longer_by_now_does_not_go_with_its_partition(env: ArchiveEnv) -> None:
    env.partitions_since(1)
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(2)]
    ids = [env.execution(tenant, env.make.workflow(tenant), 7.9) for tenant in tenants]
    keep_for(env, tenants[0], 14)
    assert env.run(archive)["rows_kept"] == 1
    assert [env.hot(tenant) for tenant in tenants] == [[ids[0]], []]
    assert [env.cold(tenant) for tenant in tenants] == [[], [ids[1]]]


def test_an_execution_that_waits_for_40_days_is_archived_with_its_end(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    id = env.execution(tenant, workflow, 40, n8n_execution_id="1", status="waiting", finished_at=None)
    for age in (30, 20, 1):
        env.run(archive, TODAY - timedelta(days=age))
        assert (env.overflow(tenant), env.cold(tenant)) == ([id], [])
    ended = TODAY - timedelta(hours=1)
    fields = {"n8n_execution_id": "1", "status": "error", "error_message": "Too late", "finished_at": ended.isoformat()}
    assert env.make.execution(tenant, workflow, **fields) == id
    before = env.rows(tenant)
    assert (before[0][3], before[0][8]) == ("error", "Too late")
    env.run(archive)
    assert env.hot(tenant) == [id]  # it was heard of an hour ago
    env.superuser.execute(
        "UPDATE app.workflow_executions SET finished_at = %s WHERE id = %s", (TODAY - timedelta(days=7.1), id)
    )
    before = env.rows(tenant)
    env.run(archive)
    assert (env.hot(tenant), env.cold(tenant), env.rows(tenant)) == ([], [id], before)


@pytest.mark.parametrize(("since", "is_noted"), [("59 seconds", True), ("61 seconds", False)])
def test_the_note_of_a_class_that_a_tenant_left_stays_for_a_minute_after_any_change(
    env: ArchiveEnv, since: str, is_noted: bool
) -> None:
    tenant = env.make.tenant(hot_ttl_days=90)
    keep_for(env, tenant, 7)
    row = {"tenant": tenant.id, "since": since}
    noted = "UPDATE app.retention_class_changes SET changed_at = now() - interval '1 day' WHERE tenant_id = %(tenant)s"
    env.superuser.execute(noted, row)
    env.superuser.execute("UPDATE app.tenants SET updated_at = now() - %(since)s::interval WHERE id = %(tenant)s", row)
    env.run(partitions)
    found = env.superuser.execute("SELECT FROM app.retention_class_changes WHERE tenant_id = %(tenant)s", row)
    assert len(found.fetchall()) == is_noted


def test_a_list_has_the_executions_of_the_class_that_a_tenant_has_left(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=90)
    workflow = env.make.workflow(tenant)
    before = [deliver(env, tenant, workflow, age, f"before {age}") for age in (2, 4, 40)]
    keep_for(env, tenant, 14)
    after = [deliver(env, tenant, workflow, age, f"after {age}") for age in (1, 3)]
    newest = sorted([*before, *after], reverse=True)
    for _ in ("left", "moved"):
        (listed,) = env.make.within(
            tenant.id, "SELECT array_agg(id) FROM app.newest_executions_of(NULL, NULL, NULL, NULL, 9)", {}
        )
        assert listed == newest
        env.run(partitions)
