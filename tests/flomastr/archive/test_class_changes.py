"""Tenants that change how long they keep executions, and executions that take long: nothing lost, nothing twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from functions.archive.handler import lambda_handler as archive
from functions.partitions.handler import lambda_handler as partitions
from tests.support.archive_env import TODAY, World
from tests.support.factories import Tenant

AGES = (0.5, 3, 6.5, 7.5, 8.5, 12, 40, 88)


def keep_for(world: World, tenant: Tenant, days: int) -> None:
    """As a member of the tenant's who may changes it."""
    world.make.within(tenant.id, "UPDATE app.tenants SET hot_ttl_days = %(days)s", {"days": days})


@pytest.mark.parametrize("between", [partitions, archive])
@pytest.mark.parametrize("ways", [(90, 7, 90), (7, 90, 7), (90, 7), (7, 90), (30, 365, 14, 60)])
def test_a_tenant_changes_its_class_and_back_while_executions_come_in(
    world: World, ways: tuple[int, ...], between: Callable[..., dict[str, Any]]
) -> None:
    world.leaves_since(12)
    tenant = world.make.tenant(hot_ttl_days=ways[0])
    workflow = world.make.workflow(tenant)
    for age in AGES:
        if age < ways[0]:
            world.execution(tenant, workflow, age, n8n_execution_id=f"old {age}")
    before = world.rows(tenant)
    for number, days in enumerate(ways[1:]):
        keep_for(world, tenant, days)
        assert world.rows(tenant) == before
        delivered = [deliver(world, tenant, workflow, age, f"{number} {age}") for age in AGES]
        deliver(world, tenant, workflow, AGES[0], f"{number} {AGES[0]}")  # once more
        before = world.rows(tenant)
        assert len({row[0] for row in before}) == len(before)
        assert {str(id) for id in delivered} <= {row[0] for row in before}
        world.run(between)
        assert world.rows(tenant) == before
        assert in_place(world, tenant, days)
    world.run(archive)
    assert world.rows(tenant) == before
    assert world.is_in_order()


def deliver(world: World, tenant: Tenant, workflow: UUID, age: float, n8n_id: str) -> UUID:
    """By flo_app, as n8n tells of it."""
    started = TODAY - timedelta(days=age)
    told = {"n8n_execution_id": n8n_id, "started_at": started.isoformat(), "finished_at": started.isoformat()}
    return world.make.execution(tenant, workflow, **told)


def in_place(world: World, tenant: Tenant, days: int) -> bool:
    found = world.superuser.execute(
        "SELECT DISTINCT ttl_class FROM app.workflow_executions WHERE tenant_id = %s", (tenant.id,)
    )
    return {ttl_class for (ttl_class,) in found} <= {0, days}


@pytest.mark.parametrize("handler", [partitions, archive])
def test_what_a_tenant_leaves_behind_goes_when_its_new_class_says_so(world: World, handler: Any) -> None:
    world.leaves_since(26)
    shorter, longer = world.make.tenant(hot_ttl_days=90), world.make.tenant(hot_ttl_days=7)
    ids = {
        tenant: [world.execution(tenant, world.make.workflow(tenant), age) for age in (20, 2)]
        for tenant in (shorter, longer)
    }
    keep_for(world, shorter, 7)
    keep_for(world, longer, 90)
    world.run(handler)
    world.run(archive)
    assert (world.hot(shorter), world.cold(shorter)) == ([ids[shorter][1]], [ids[shorter][0]])
    assert (world.hot(longer), world.cold(longer)) == (ids[longer], [])


def test_a_change_is_forgotten_only_when_no_delivery_can_still_write_to_the_class_that_was_left(world: World) -> None:
    world.leaves_since(1)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    with psycopg.connect(world.app_url) as late:
        late.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        insert = (
            "INSERT INTO app.workflow_executions (ttl_class, id, workflow_id, started_at)"
            " VALUES (7, app.uuid7(), %s, now()) RETURNING id"
        )
        (id,) = late.execute(insert, (workflow,)).fetchall()[0]
        keep_for(world, tenant, 90)
        world.run(partitions)
    assert (world.hot(tenant), in_place(world, tenant, 90)) == ([id], False)
    world.run(partitions)
    assert (world.hot(tenant), in_place(world, tenant, 90)) == ([id], True)
    world.superuser.execute("UPDATE app.class_changes SET changed_at = now() - interval '2 minutes'")
    world.run(partitions)
    assert world.superuser.execute("SELECT FROM app.class_changes").fetchall() == []


def test_an_execution_that_waits_for_40_days_is_archived_with_its_end(world: World) -> None:
    world.leaves_since(40)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    id = world.execution(tenant, workflow, 40, n8n_execution_id="1", status="waiting", finished_at=None)
    for age in (30, 20, 1):
        world.run(archive, TODAY - timedelta(days=age))
        assert (world.backlog(tenant), world.cold(tenant)) == ([id], [])
    ended = TODAY - timedelta(hours=1)
    told = {"n8n_execution_id": "1", "status": "error", "error_message": "Too late", "finished_at": ended.isoformat()}
    assert world.make.execution(tenant, workflow, **told) == id
    before = world.rows(tenant)
    assert (before[0][3], before[0][8]) == ("error", "Too late")
    world.run(archive)
    assert world.hot(tenant) == [id]  # it was heard of an hour ago
    world.superuser.execute(
        "UPDATE app.workflow_executions SET finished_at = %s WHERE id = %s", (TODAY - timedelta(days=7.1), id)
    )
    before = world.rows(tenant)
    world.run(archive)
    assert (world.hot(tenant), world.cold(tenant), world.rows(tenant)) == ([], [id], before)
