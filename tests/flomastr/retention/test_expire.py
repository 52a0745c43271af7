"""The expire job: what ends by itself, at its time and not before, and never what is held."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from flomastr import object_storage
from flomastr.jobs import JobFailed
from functions.archive.handler import lambda_handler as archive
from functions.expire.handler import lambda_handler
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import NOW, TODAY, World
from tests.support.archived_tenants import MONTH, archived, ask_for_restore, old_chat, remember, wait
from tests.support.crash_points import steps
from tests.support.factories import Tenant


def keep_for(world: World, tenant: Tenant, days: int) -> None:
    world.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, %s)", (tenant.id, days))


def run(world: World, moment: datetime = NOW) -> dict[str, Any]:
    return world.run(lambda_handler, moment)


def last_moment(world: World, tenant: Tenant) -> datetime:
    return world.superuser.execute(
        "SELECT app.uuid7_moment(max(last_id::text)::uuid) FROM app.archive_files WHERE tenant_id = %s", (tenant.id,)
    ).fetchall()[0][0]


def test_a_file_expires_when_its_newest_row_is_older_than_the_tenant_keeps_any(world: World) -> None:
    tenant, other = (world.make.tenant(hot_ttl_days=7) for _ in range(2))
    for each in (tenant, other):
        archived(world, each, world.make.workflow(each), 0, 2)
    keep_for(world, tenant, 30)
    past = last_moment(world, tenant) + timedelta(days=30)
    run(world, past)
    assert len(world.files(tenant)) == 1
    answer = run(world, past + timedelta(milliseconds=1))
    assert (answer["files_expired"], answer["rows_expired"]) == (1, 2)
    assert (world.files(tenant), len(world.files(tenant, "replaced")), len(world.files(other))) == ([], 1, 1)


def test_who_has_said_nothing_keeps_files_for_ever(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    archived(world, tenant, world.make.workflow(tenant), 1)
    run(world)
    assert len(world.files(tenant)) == 1


def test_a_chat_counts_from_when_it_left_the_hot_tier(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    old_chat(world, tenant, world.make.workflow(tenant), "user_1", "Hello")
    world.run(archive)
    keep_for(world, tenant, 30)
    world.superuser.execute(
        "UPDATE app.archive_files SET last_id = app.uuid7_floor(%s), first_id = app.uuid7_floor(%s)", (MONTH, MONTH)
    )
    run(world)
    assert len(world.files(tenant)) == 1
    world.superuser.execute("UPDATE app.archive_files SET stored_at = now() - interval '31 days'")
    run(world)
    assert world.files(tenant) == []


@pytest.mark.parametrize("subject", ["tenant", "workflow", "execution"])
def test_nothing_of_a_tenant_with_a_hold_expires(world: World, subject: str) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    (id,) = archived(world, tenant, workflow, 1)
    keep_for(world, tenant, 30)
    subjects = {"tenant": {}, "workflow": {"workflow_id": workflow}, "execution": {"execution_id": id}}
    hold = world.hold(tenant, **subjects[subject])
    run(world)
    assert len(world.files(tenant)) == 1
    world.release(hold)
    run(world)
    assert world.files(tenant) == []


def test_what_a_restored_copy_is_a_copy_of_stays_as_long_as_the_copy(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    ids = archived(world, tenant, world.make.workflow(tenant), 1)
    keep_for(world, tenant, 30)
    ask_for_restore(world, tenant)
    world.run(restore)
    run(world)
    assert world.cold(tenant) == ids


def test_objects_are_removed_an_hour_after_nobody_asks_for_them_any_more(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    archived(world, tenant, world.make.workflow(tenant), 1)
    (key,) = world.files(tenant)
    keep_for(world, tenant, 30)
    run(world)
    run(world)
    assert key in world.objects()
    wait(world, 0.9)
    run(world)
    assert key in world.objects()
    wait(world, 1.1)
    assert run(world)["files_removed"] == 1
    assert (world.objects(), world.files(tenant, "replaced")) == ([], [])


def test_when_the_storage_does_not_answer_the_manifest_goes_on_knowing_the_object(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    archived(world, tenant, world.make.workflow(tenant), 1)
    keep_for(world, tenant, 30)
    run(world)
    wait(world)
    remember(world, tenant, "user:x", "old", timedelta(days=3))

    def down(_: object) -> None:
        raise object_storage.StorageUnavailable

    with monkeypatch.context() as patched, pytest.raises(JobFailed):
        patched.setattr(object_storage, "remove", down)
        run(world)
    assert len(world.files(tenant, "replaced")) == 1
    assert count(world.superuser, "app.idempotency_keys") == 0  # what needs no storage is done
    run(world)
    assert world.objects() == []


def erasures(world: World) -> list[Any]:
    return world.superuser.execute("SELECT tenant_id, user_id, state, requested_by FROM app.erasures").fetchall()


def test_tenants_that_were_deleted_thirty_days_ago_are_erased_once(world: World) -> None:
    moment = TODAY - timedelta(days=30)
    due, _, _ = (
        world.make.tenant(deleted_at=deleted_at) for deleted_at in (moment - timedelta(seconds=1), moment, None)
    )
    held = world.make.tenant()
    world.hold(held)
    world.superuser.execute("UPDATE app.tenants SET deleted_at = '2020-01-01' WHERE id = %s", (held.id,))
    assert world.run(lambda_handler)["erasures_asked_for"] == 1
    assert world.run(lambda_handler)["erasures_asked_for"] == 0
    assert erasures(world) == [(due.id, None, "pending", "job:expire")]


def test_a_tenant_that_is_restored_at_this_moment_is_not_erased(world: World) -> None:
    tenant = world.make.tenant(deleted_at="2020-01-01")
    with world.superuser.transaction():
        world.superuser.execute("UPDATE app.tenants SET deleted_at = NULL WHERE id = %s", (tenant.id,))
        world.run(lambda_handler)
    world.run(lambda_handler)
    assert erasures(world) == []


def count(superuser: psycopg.Connection[Any], table: Any) -> int:
    return superuser.execute("SELECT count(*) FROM " + table).fetchall()[0][0]


def test_what_is_remembered_for_a_while_is_forgotten_and_nothing_else(world: World) -> None:
    tenant = world.make.tenant()
    day = timedelta(hours=24)
    for key, age in (("old", day + timedelta(seconds=1)), ("new", day)):
        remember(world, tenant, "user:x", key, age)
        world.superuser.execute(
            "INSERT INTO app.rate_buckets VALUES (%s, %s)", (key, TODAY + day - age + timedelta(milliseconds=1))
        )
        started = TODAY - timedelta(days=89) - age
        world.superuser.execute(
            "INSERT INTO app.job_runs (job, state, started_at) VALUES (%s, 'done', %s)", (key, started)
        )
    answer = world.run(lambda_handler)
    for table in ("idempotency_keys", "rate_buckets", "job_runs"):
        assert answer[f"{table}_forgotten"] == 1, table
    assert world.superuser.execute("SELECT key FROM app.idempotency_keys").fetchall() == [("new",)]
    assert world.superuser.execute("SELECT name FROM app.rate_buckets").fetchall() == [("new",)]
    assert world.superuser.execute("SELECT job FROM app.job_runs ORDER BY id").fetchall() == [("new",), ("expire",)]


def test_killed_before_any_step_and_run_again_nothing_is_left_and_no_object_is_lost_sight_of(world: World) -> None:
    def scene() -> Tenant:
        tenant = world.make.tenant(hot_ttl_days=7)
        archived(world, tenant, world.make.workflow(tenant), 1)
        keep_for(world, tenant, 30)
        run(world)
        wait(world)
        remember(world, tenant, "user:x", "old", timedelta(days=3))
        return tenant

    tenant = scene()
    for _ in steps(lambda: run(world)):
        run(world)
        assert (world.files(tenant, "replaced"), count(world.superuser, "app.idempotency_keys")) == ([], 0)
        assert world.is_in_order()
        tenant = scene()
