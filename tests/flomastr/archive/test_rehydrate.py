"""The restore job and its end: archived executions come back for some days, and leave no second copy."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from flomastr.archive import rehydrate_job
from flomastr.jobs import JobFailedError
from functions.archive.handler import lambda_handler as archive
from functions.executions.handler import lambda_handler as executions
from functions.expire.handler import lambda_handler as expire
from functions.history.handler import lambda_handler as history
from functions.restore.handler import lambda_handler
from tests.support.archive_env import ArchiveEnv
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


def ask(env: ArchiveEnv, tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    with connected(DATABASE_URL=env.app_url):
        return call(executions, method, f"/routes/workflow-executions{path}", caller=tenant.owner, **request)


def marked(env: ArchiveEnv, tenant: Tenant) -> list[UUID]:
    found = env.superuser.execute("SELECT id FROM app.rehydrated_rows WHERE tenant_id = %s ORDER BY id", (tenant.id,))
    return [id for (id,) in found]


def test_what_was_archived_comes_back_as_it_was_and_goes_again_without_a_second_copy(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    data = {"mode": "webhook", "n": 1.50, "text": 'grüße "x"', "deep": [{"a": None}]}
    ids = archived(env, tenant, workflow, 1, 2, execution_data=data, error_message="went wrong | twice")
    rows = env.rows(tenant)
    asked = ask_for_restore(env, tenant)
    assert env.run(lambda_handler)["rows_restored"] == 2
    found = restore(env, asked)
    assert (found["state"], found["rows_total"], found["rows_done"], found["error"]) == ("done", 2, 2, None)
    assert timedelta(0) <= found["expires_at"] - found["finished_at"] - timedelta(days=3) < timedelta(seconds=5)
    assert env.hot(tenant) == ids
    assert env.rows(tenant) == sorted(rows + rows)  # hot and cold are the same to the byte
    env.run(archive)
    assert env.hot(tenant) == ids  # a copy is not archived
    assert "copies_deleted" not in env.run(expire)  # its time is not over
    let_expire(env, asked)
    assert env.run(expire)["copies_deleted"] == 2
    assert (env.hot(tenant), env.rows(tenant), marked(env, tenant)) == ([], rows, [])
    assert restore(env, asked)["state"] == "expired"


def test_it_brings_what_lies_in_the_range_and_belongs_to_the_workflow(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    one, other = env.make.workflow(tenant), env.make.workflow(tenant)
    first, second, _ = archived(env, tenant, one, 1, 2, 3)
    archived(env, tenant, other, 1)
    until = MONTH + timedelta(days=3)
    env.superuser.execute(
        "INSERT INTO app.rehydrations (tenant_id, first_at, last_at, workflow_id, days, created_by)"
        " VALUES (%s, %s, %s, %s, 1, 'test')",
        (tenant.id, MONTH + timedelta(days=1), until, one),
    )
    env.run(lambda_handler)
    assert env.hot(tenant) == [first, second]  # from the first moment up to the last, which is not in it


@pytest.mark.parametrize("by", ["file_id", "dates"])
def test_a_file_comes_back_whole_by_its_id_and_by_its_own_dates(env: ArchiveEnv, by: str) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    ids = archived(env, tenant, workflow, 1, 2, 2)  # the last two within one millisecond
    with connected(DATABASE_URL=env.app_url):
        (file,) = call(history, "GET", "/routes/history/files", caller=tenant.owner).json
        named = {"file_id": file["id"]} if by == "file_id" else {name: file[name] for name in ("first_at", "last_at")}
        answer = call(history, "POST", "/routes/history/restores", caller=tenant.owner, body=named | {"days": 1})
    assert (answer.status, answer.json["first_at"], answer.json["last_at"]) == (202, file["first_at"], file["last_at"])
    env.run(lambda_handler)
    assert env.hot(tenant) == sorted(ids)


def test_a_range_may_end_within_a_millisecond(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1, 2)
    ends = MONTH + timedelta(days=2, microseconds=1)
    env.superuser.execute(
        "INSERT INTO app.rehydrations (tenant_id, first_at, last_at, days, created_by) VALUES (%s, %s, %s, 1, 'test')",
        (tenant.id, MONTH, ends),
    )
    env.run(lambda_handler)
    assert env.hot(tenant) == ids


def test_of_several_versions_the_one_that_was_stored_last_comes_back(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    first, second = archived(env, tenant, workflow, 1, 2)
    archived_again(env, tenant, workflow, first, "later")
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    assert ask(env, tenant, "GET", f"/{first}").json["error_message"] == "later"
    assert (env.hot(tenant), restore(env, asked)["rows_total"]) == ([first, second], 2)


def test_what_is_hot_already_is_left_alone(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    (by_id,) = archived(env, tenant, workflow, 1)
    archived(env, tenant, workflow, 2, n8n_execution_id="4711")
    env.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status)"
        " VALUES (0, %s, %s, %s, 'error')",
        (by_id, tenant.id, workflow),
    )
    late = env.execution(tenant, workflow, 1, n8n_execution_id="4711")  # delivered again, and so recorded anew
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    assert (env.hot(tenant), marked(env, tenant)) == ([by_id, late], [])
    assert restore(env, asked)["rows_done"] == 0


def test_what_has_no_workflow_any_more_is_left_out_and_reported(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    gone, kept = env.make.workflow(tenant), env.make.workflow(tenant)
    archived(env, tenant, gone, 1, 2)
    (id,) = archived(env, tenant, kept, 1)
    env.superuser.execute("DELETE FROM app.workflows WHERE id = %s", (gone,))
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    assert env.hot(tenant) == [id]
    assert restore(env, asked)["error"] == "2 executions were left out, since their workflow is deleted."


def test_a_copy_that_was_changed_stays_and_is_archived_again(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    changed, same = archived(env, tenant, workflow, 1, 2)
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    assert ask(env, tenant, "PUT", f"/{changed}", body={"error_message": "seen"}).status == 200
    let_expire(env, asked)
    env.run(expire)
    assert (env.hot(tenant), marked(env, tenant)) == ([changed], [])
    env.run(archive)
    assert (env.hot(tenant), sorted(env.cold(tenant))) == ([], sorted([changed, changed, same]))


def test_a_copy_that_somebody_deleted_does_not_come_again_and_stays_archived(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1, 2)
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    assert ask(env, tenant, "DELETE", f"/{ids[0]}").status == 200
    env.superuser.execute("UPDATE app.rehydrations SET state = 'running' WHERE id = %s", (asked,))
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == (ids[1:], ids)
    let_expire(env, asked)
    env.run(expire)
    assert (env.hot(tenant), env.cold(tenant)) == ([], ids)


def test_a_copy_ends_with_the_last_of_its_restores(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1, 2)
    short, long = ask_for_restore(env, tenant, days=1), ask_for_restore(env, tenant, days=9, until=2)
    env.run(lambda_handler)
    assert [restore(env, id)["rows_done"] for id in (short, long)] == [2, 1]
    let_expire(env, short)
    env.run(expire)
    assert env.hot(tenant) == ids[:1]
    let_expire(env, long)
    env.run(expire)
    assert env.hot(tenant) == []


def test_a_copy_under_a_hold_goes_since_what_it_is_a_copy_of_stays(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1)
    asked = ask_for_restore(env, tenant)
    env.run(lambda_handler)
    env.hold(tenant)
    let_expire(env, asked)
    env.run(expire)
    assert (env.hot(tenant), env.cold(tenant)) == ([], ids)


def test_a_late_delivery_to_an_archived_execution_and_its_restore_do_not_make_two_of_it(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    (id,) = archived(env, tenant, workflow, 1, n8n_execution_id="4711")
    ask_for_restore(env, tenant)
    env.run(lambda_handler)
    body = {"workflow_id": str(workflow), "n8n_execution_id": "4711", "status": "success", "error_message": "late"}
    ask(env, tenant, "POST", body=body)
    assert env.hot(tenant) == [id]


def test_a_damaged_file_is_reported_and_the_restore_waits_for_its_repair(env: ArchiveEnv) -> None:
    tenant, sound = (env.make.tenant(hot_ttl_days=7) for _ in range(2))
    ids = archived(env, tenant, env.make.workflow(tenant), 1)
    others = archived(env, sound, env.make.workflow(sound), 1)
    asked = ask_for_restore(env, tenant)
    ask_for_restore(env, sound)
    (key,) = env.files(tenant)
    content = env.object(key)
    overwrite(env, key, content[:99] + bytes([content[99] ^ 1]) + content[100:])
    with pytest.raises(JobFailedError, match="Unverified"):
        env.run(lambda_handler)
    assert (env.hot(tenant), env.hot(sound)) == ([], others)
    assert "cannot be read" in restore(env, asked)["error"]
    overwrite(env, key, content)
    env.run(lambda_handler)
    assert (env.hot(tenant), restore(env, asked)["error"]) == (ids, None)


def test_it_goes_on_where_its_time_ended(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1, 2, 3)
    asked = ask_for_restore(env, tenant)
    assert env.run(lambda_handler, left_ms=34_000)["state"] == "unfinished"
    assert restore(env, asked)["state"] == "pending"
    env.run(lambda_handler)
    assert env.hot(tenant) == ids


def test_killed_before_any_step_and_run_again_it_brings_each_row_once_and_takes_each_back(env: ArchiveEnv) -> None:
    def prepared() -> tuple[Tenant, list[UUID], UUID]:
        tenant = env.make.tenant(hot_ttl_days=7)
        workflow = env.make.workflow(tenant)
        ids = archived(env, tenant, workflow, 1, 2) + archived(env, tenant, workflow, 3)
        return tenant, ids, ask_for_restore(env, tenant)

    tenant, ids, asked = prepared()
    with patch.object(rehydrate_job, "ROWS", 1):
        for _ in steps(lambda: env.run(lambda_handler)):
            env.run(lambda_handler)
            found = restore(env, asked)
            assert (env.hot(tenant), marked(env, tenant)) == (ids, ids)
            assert (found["state"], found["rows_total"], found["rows_done"]) == ("done", 3, 3)
            tenant, ids, asked = prepared()


def test_killed_before_any_step_its_end_leaves_no_copy(env: ArchiveEnv) -> None:
    def prepared() -> tuple[Tenant, UUID]:
        tenant = env.make.tenant(hot_ttl_days=7)
        archived(env, tenant, env.make.workflow(tenant), 1, 2)
        asked = ask_for_restore(env, tenant)
        env.run(lambda_handler)
        let_expire(env, asked)
        return tenant, asked

    tenant, asked = prepared()
    for _ in steps(lambda: env.run(expire)):
        env.run(expire)
        assert (env.hot(tenant), marked(env, tenant)) == ([], [])
        assert restore(env, asked)["state"] == "expired" and len(env.cold(tenant)) == 2
        tenant, asked = prepared()
