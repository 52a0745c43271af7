"""The restore job and its end: archived executions come back for some days, and leave no second copy."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from flomastr.archive import rehydrate_job
from flomastr.jobs import JobFailed
from functions.archive.handler import lambda_handler as archive
from functions.executions.handler import lambda_handler as executions
from functions.expire.handler import lambda_handler as expire
from functions.restore.handler import lambda_handler
from tests.support.archive_env import World
from tests.support.archived_tenants import (
    MONTH,
    archived,
    archived_again,
    ask_for_restore,
    let_expire,
    overwrite,
    restore,
)
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import Answer, call
from tests.support.factories import Tenant


def ask(world: World, tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    with connected(DATABASE_URL=world.app_url):
        return call(executions, method, f"/routes/workflow-executions{path}", caller=tenant.owner, **request)


def marked(world: World, tenant: Tenant) -> list[UUID]:
    found = world.superuser.execute("SELECT id FROM app.restored_rows WHERE tenant_id = %s ORDER BY id", (tenant.id,))
    return [id for (id,) in found]


def test_what_was_archived_comes_back_as_it_was_and_goes_again_without_a_second_copy(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    data = {"mode": "webhook", "n": 1.50, "text": 'grüße "x"', "deep": [{"a": None}]}
    ids = archived(world, tenant, workflow, 1, 2, execution_data=data, error_message="went wrong | twice")
    rows = world.rows(tenant)
    asked = ask_for_restore(world, tenant)
    assert world.run(lambda_handler)["rows_restored"] == 2
    found = restore(world, asked)
    assert (found["state"], found["rows_total"], found["rows_done"], found["error"]) == ("done", 2, 2, None)
    assert timedelta(0) <= found["expires_at"] - found["finished_at"] - timedelta(days=3) < timedelta(seconds=5)
    assert world.hot(tenant) == ids
    assert world.rows(tenant) == sorted(rows + rows)  # hot and cold are the same to the byte
    world.run(archive)
    assert world.hot(tenant) == ids  # a copy is not archived
    assert "copies_deleted" not in world.run(expire)  # its time is not over
    let_expire(world, asked)
    assert world.run(expire)["copies_deleted"] == 2
    assert (world.hot(tenant), world.rows(tenant), marked(world, tenant)) == ([], rows, [])
    assert restore(world, asked)["state"] == "expired"


def test_it_brings_what_lies_in_the_range_and_belongs_to_the_workflow(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    one, other = world.make.workflow(tenant), world.make.workflow(tenant)
    first, second, _ = archived(world, tenant, one, 1, 2, 3)
    archived(world, tenant, other, 1)
    until = MONTH + timedelta(days=3)
    world.superuser.execute(
        "INSERT INTO app.restores (tenant_id, first_at, last_at, workflow_id, days, created_by)"
        " VALUES (%s, %s, %s, %s, 1, 'test')",
        (tenant.id, MONTH + timedelta(days=1), until, one),
    )
    world.run(lambda_handler)
    assert world.hot(tenant) == [first, second]  # from the first moment up to the last, which is not in it


def test_of_several_versions_the_one_that_was_stored_last_comes_back(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    first, second = archived(world, tenant, workflow, 1, 2)
    archived_again(world, tenant, workflow, first, "later")
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    assert ask(world, tenant, "GET", f"/{first}").json["error_message"] == "later"
    assert (world.hot(tenant), restore(world, asked)["rows_total"]) == ([first, second], 2)


def test_what_is_hot_already_is_left_alone(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    (by_id,) = archived(world, tenant, workflow, 1)
    archived(world, tenant, workflow, 2, n8n_execution_id="4711")
    world.superuser.execute(
        "INSERT INTO app.workflow_executions (ttl_class, id, tenant_id, workflow_id, status)"
        " VALUES (0, %s, %s, %s, 'error')",
        (by_id, tenant.id, workflow),
    )
    late = world.execution(tenant, workflow, 1, n8n_execution_id="4711")  # told again, and so recorded anew
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    assert (world.hot(tenant), marked(world, tenant)) == ([by_id, late], [])
    assert restore(world, asked)["rows_done"] == 0


def test_what_has_no_workflow_any_more_is_left_out_and_told(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    gone, kept = world.make.workflow(tenant), world.make.workflow(tenant)
    archived(world, tenant, gone, 1, 2)
    (id,) = archived(world, tenant, kept, 1)
    world.superuser.execute("DELETE FROM app.workflows WHERE id = %s", (gone,))
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    assert world.hot(tenant) == [id]
    assert restore(world, asked)["error"] == "2 executions were left out, since their workflow is deleted."


def test_a_copy_that_was_changed_stays_and_is_archived_again(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    changed, same = archived(world, tenant, workflow, 1, 2)
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    assert ask(world, tenant, "PUT", f"/{changed}", body={"error_message": "seen"}).status == 200
    let_expire(world, asked)
    world.run(expire)
    assert (world.hot(tenant), marked(world, tenant)) == ([changed], [])
    world.run(archive)
    assert (world.hot(tenant), sorted(world.cold(tenant))) == ([], sorted([changed, changed, same]))


def test_a_copy_that_somebody_deleted_does_not_come_again_and_stays_archived(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    ids = archived(world, tenant, world.make.workflow(tenant), 1, 2)
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    assert ask(world, tenant, "DELETE", f"/{ids[0]}").status == 200
    world.superuser.execute("UPDATE app.restores SET state = 'running' WHERE id = %s", (asked,))
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == (ids[1:], ids)
    let_expire(world, asked)
    world.run(expire)
    assert (world.hot(tenant), world.cold(tenant)) == ([], ids)


def test_a_copy_ends_with_the_last_of_its_restores(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    ids = archived(world, tenant, world.make.workflow(tenant), 1, 2)
    short, long = ask_for_restore(world, tenant, days=1), ask_for_restore(world, tenant, days=9, until=2)
    world.run(lambda_handler)
    assert [restore(world, id)["rows_done"] for id in (short, long)] == [2, 1]
    let_expire(world, short)
    world.run(expire)
    assert world.hot(tenant) == ids[:1]
    let_expire(world, long)
    world.run(expire)
    assert world.hot(tenant) == []


def test_a_copy_under_a_hold_goes_since_what_it_is_a_copy_of_stays(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    ids = archived(world, tenant, world.make.workflow(tenant), 1)
    asked = ask_for_restore(world, tenant)
    world.run(lambda_handler)
    world.hold(tenant)
    let_expire(world, asked)
    world.run(expire)
    assert (world.hot(tenant), world.cold(tenant)) == ([], ids)


def test_a_late_delivery_to_an_archived_execution_and_its_restore_do_not_make_two_of_it(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    (id,) = archived(world, tenant, workflow, 1, n8n_execution_id="4711")
    ask_for_restore(world, tenant)
    world.run(lambda_handler)
    body = {"workflow_id": str(workflow), "n8n_execution_id": "4711", "status": "success", "error_message": "late"}
    ask(world, tenant, "POST", body=body)
    assert world.hot(tenant) == [id]


def test_a_damaged_file_is_told_and_the_restore_waits_for_its_repair(world: World) -> None:
    tenant, sound = (world.make.tenant(hot_ttl_days=7) for _ in range(2))
    ids = archived(world, tenant, world.make.workflow(tenant), 1)
    others = archived(world, sound, world.make.workflow(sound), 1)
    asked = ask_for_restore(world, tenant)
    ask_for_restore(world, sound)
    (key,) = world.files(tenant)
    content = world.object(key)
    overwrite(world, key, content[:99] + bytes([content[99] ^ 1]) + content[100:])
    with pytest.raises(JobFailed, match="Unverified"):
        world.run(lambda_handler)
    assert (world.hot(tenant), world.hot(sound)) == ([], others)
    assert "cannot be read" in restore(world, asked)["error"]
    overwrite(world, key, content)
    world.run(lambda_handler)
    assert (world.hot(tenant), restore(world, asked)["error"]) == (ids, None)


def test_it_goes_on_where_its_time_ended(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    ids = archived(world, tenant, world.make.workflow(tenant), 1, 2, 3)
    asked = ask_for_restore(world, tenant)
    assert world.run(lambda_handler, left_ms=34_000)["state"] == "unfinished"
    assert restore(world, asked)["state"] == "pending"
    world.run(lambda_handler)
    assert world.hot(tenant) == ids


def test_killed_before_any_step_and_run_again_it_brings_each_row_once_and_takes_each_back(world: World) -> None:
    def scene() -> tuple[Tenant, list[UUID], UUID]:
        tenant = world.make.tenant(hot_ttl_days=7)
        workflow = world.make.workflow(tenant)
        ids = archived(world, tenant, workflow, 1, 2) + archived(world, tenant, workflow, 3)
        return tenant, ids, ask_for_restore(world, tenant)

    tenant, ids, asked = scene()
    with patch.object(rehydrate_job, "ROWS", 1):
        for _ in steps(lambda: world.run(lambda_handler)):
            world.run(lambda_handler)
            found = restore(world, asked)
            assert (world.hot(tenant), marked(world, tenant)) == (ids, ids)
            assert (found["state"], found["rows_total"], found["rows_done"]) == ("done", 3, 3)
            tenant, ids, asked = scene()


def test_killed_before_any_step_its_end_leaves_no_copy(world: World) -> None:
    def scene() -> tuple[Tenant, UUID]:
        tenant = world.make.tenant(hot_ttl_days=7)
        archived(world, tenant, world.make.workflow(tenant), 1, 2)
        asked = ask_for_restore(world, tenant)
        world.run(lambda_handler)
        let_expire(world, asked)
        return tenant, asked

    tenant, asked = scene()
    for _ in steps(lambda: world.run(expire)):
        world.run(expire)
        assert (world.hot(tenant), marked(world, tenant)) == ([], [])
        assert restore(world, asked)["state"] == "expired" and len(world.cold(tenant)) == 2
        tenant, asked = scene()
