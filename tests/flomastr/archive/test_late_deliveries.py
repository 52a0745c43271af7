"""Deliveries of executions that are archived already: a later version, which is archived beside the first."""

from datetime import timedelta
from uuid import UUID

from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, World
from tests.support.factories import Tenant

EIGHT_DAYS_AGO = TODAY - timedelta(days=8)


def tell(world: World, tenant: Tenant, workflow: UUID, status: str) -> UUID:
    """Of one execution of eight days ago, as n8n does, and as if it did so eight days ago."""
    moment = EIGHT_DAYS_AGO.isoformat()
    told = {"n8n_execution_id": "1", "status": status, "started_at": moment, "finished_at": moment}
    return world.make.execution(tenant, workflow, **told)


def age(world: World, tenant: Tenant) -> None:
    """Eight days pass for what is hot."""
    world.superuser.execute(
        "UPDATE app.workflow_executions SET created_at = %s WHERE tenant_id = %s", (EIGHT_DAYS_AGO, tenant.id)
    )


def statuses(world: World, tenant: Tenant) -> list[str]:
    """Of the versions in files, by when they were stored."""
    found = world.superuser.execute("SELECT id FROM app.archive_files WHERE state = 'stored' ORDER BY stored_at")
    keys = {key.rsplit("/")[-1].removesuffix(".parquet"): key for key in world.files(tenant)}
    return [row[0] for (id,) in found for row in world.read([keys[str(id)]], "status")]


def test_a_late_delivery_of_an_archived_execution_is_a_later_version_of_it(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    id = tell(world, tenant, workflow, "crashed")
    age(world, tenant)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([], [id])

    assert tell(world, tenant, workflow, "success") == id
    assert tell(world, tenant, workflow, "success") == id
    world.run(lambda_handler)  # it was heard of just now, so it stays
    assert (world.backlog(tenant), world.cold(tenant)) == ([id], [id])
    assert statuses(world, tenant) == ["crashed"]

    age(world, tenant)
    before = world.rows(tenant)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([], [id, id])
    assert (statuses(world, tenant), world.rows(tenant)) == (["crashed", "success"], before)
    assert world.is_in_order()


def test_repeats_of_an_archived_execution_leave_one_row_hot(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    id = tell(world, tenant, workflow, "success")
    age(world, tenant)
    world.run(lambda_handler)
    for _ in range(3):
        tell(world, tenant, workflow, "success")
    assert (world.hot(tenant), world.cold(tenant)) == ([id], [id])


def test_a_late_delivery_takes_nothing_away_from_what_is_archived(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    moment = EIGHT_DAYS_AGO.isoformat()
    whole = {"status": "success", "finished_at": moment, "execution_data": {"mode": "webhook", "evidence": 1.0}}
    id = world.make.execution(tenant, workflow, n8n_execution_id="1", started_at=moment, **whole)
    age(world, tenant)
    before = world.rows(tenant)
    world.run(lambda_handler)
    for status in ("running", "error", "success"):
        assert world.make.execution(tenant, workflow, n8n_execution_id="1", started_at=moment, status=status) == id
        assert world.run(lambda_handler)["rows_rejoined"] == 1
        assert (world.hot(tenant), world.cold(tenant), world.rows(tenant)) == ([], [id], before)


def test_a_late_delivery_goes_to_the_backlog_even_where_its_tenant_has_a_leaf_for_it_again(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    id = tell(world, tenant, workflow, "crashed")
    age(world, tenant)
    world.run(lambda_handler)
    world.superuser.execute("UPDATE app.tenants SET hot_ttl_days = 30 WHERE id = %s", (tenant.id,))
    assert tell(world, tenant, workflow, "success") == id
    assert world.backlog(tenant) == [id]
