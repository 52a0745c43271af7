"""The expire job: what ends by itself, at its time and not before, and never what is held."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from flomastr import object_storage
from flomastr.jobs import JobFailedError
from functions.archive.handler import lambda_handler as archive
from functions.expire.handler import lambda_handler
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import NOW, TODAY, ArchiveEnv
from tests.support.archived_tenants import MONTH, archived, ask_for_restore, old_chat, remember, wait
from tests.support.crash_points import steps
from tests.support.factories import Tenant


def keep_for(env: ArchiveEnv, tenant: Tenant, days: int) -> None:
    env.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, %s)", (tenant.id, days))


def run(env: ArchiveEnv, moment: datetime = NOW) -> dict[str, Any]:
    return env.run(lambda_handler, moment)


def last_moment(env: ArchiveEnv, tenant: Tenant) -> datetime:
    return env.superuser.execute(
        "SELECT app.uuid7_moment(max(last_id::text)::uuid) FROM app.archive_files WHERE tenant_id = %s", (tenant.id,)
    ).fetchall()[0][0]


def test_a_file_expires_when_its_newest_row_is_older_than_the_tenant_keeps_any(env: ArchiveEnv) -> None:
    tenant, other = (env.make.tenant(hot_ttl_days=7) for _ in range(2))
    for each in (tenant, other):
        archived(env, each, env.make.workflow(each), 0, 2)
    keep_for(env, tenant, 30)
    past = last_moment(env, tenant) + timedelta(days=30)
    run(env, past)
    assert len(env.files(tenant)) == 1
    answer = run(env, past + timedelta(milliseconds=1))
    assert (answer["files_expired"], answer["rows_expired"]) == (1, 2)
    assert (env.files(tenant), len(env.files(tenant, "replaced")), len(env.files(other))) == ([], 1, 1)


def test_who_has_said_nothing_keeps_files_for_ever(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    archived(env, tenant, env.make.workflow(tenant), 1)
    run(env)
    assert len(env.files(tenant)) == 1


def test_a_chat_counts_from_when_it_left_the_hot_tier(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    old_chat(env, tenant, env.make.workflow(tenant), "user_1", "Hello")
    env.run(archive)
    keep_for(env, tenant, 30)
    env.superuser.execute(
        "UPDATE app.archive_files SET last_id = app.uuid7_floor(%s), first_id = app.uuid7_floor(%s)", (MONTH, MONTH)
    )
    run(env)
    assert len(env.files(tenant)) == 1
    env.superuser.execute("UPDATE app.archive_files SET stored_at = now() - interval '31 days'")
    run(env)
    assert env.files(tenant) == []


@pytest.mark.parametrize("subject", ["tenant", "workflow", "execution"])
def test_nothing_of_a_tenant_with_a_hold_expires(env: ArchiveEnv, subject: str) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    (id,) = archived(env, tenant, workflow, 1)
    keep_for(env, tenant, 30)
    subjects = {"tenant": {}, "workflow": {"workflow_id": workflow}, "execution": {"execution_id": id}}
    hold = env.hold(tenant, **subjects[subject])
    run(env)
    assert len(env.files(tenant)) == 1
    env.release(hold)
    run(env)
    assert env.files(tenant) == []


def test_what_a_restored_copy_is_a_copy_of_stays_as_long_as_the_copy(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    ids = archived(env, tenant, env.make.workflow(tenant), 1)
    keep_for(env, tenant, 30)
    ask_for_restore(env, tenant)
    env.run(restore)
    run(env)
    assert env.cold(tenant) == ids


def test_objects_are_removed_an_hour_after_nobody_asks_for_them_any_more(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    archived(env, tenant, env.make.workflow(tenant), 1)
    (key,) = env.files(tenant)
    keep_for(env, tenant, 30)
    run(env)
    run(env)
    assert key in env.objects()
    wait(env, 0.9)
    run(env)
    assert key in env.objects()
    wait(env, 1.1)
    assert run(env)["files_removed"] == 1
    assert (env.objects(), env.files(tenant, "replaced")) == ([], [])


def test_when_the_storage_does_not_answer_the_manifest_goes_on_knowing_the_object(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    archived(env, tenant, env.make.workflow(tenant), 1)
    keep_for(env, tenant, 30)
    run(env)
    wait(env)
    remember(env, tenant, "user:x", "old", timedelta(days=3))

    def down(_: object) -> None:
        raise object_storage.StorageUnavailableError

    with monkeypatch.context() as patched, pytest.raises(JobFailedError):
        patched.setattr(object_storage, "remove", down)
        run(env)
    assert len(env.files(tenant, "replaced")) == 1
    assert count(env.superuser, "app.idempotency_keys") == 0  # what needs no storage is done
    run(env)
    assert env.objects() == []


def erasures(env: ArchiveEnv) -> list[Any]:
    return env.superuser.execute("SELECT tenant_id, user_id, state, requested_by FROM app.erasures").fetchall()


def test_tenants_that_were_deleted_thirty_days_ago_are_erased_once(env: ArchiveEnv) -> None:
    moment = TODAY - timedelta(days=30)
    due, _, _ = (env.make.tenant(deleted_at=deleted_at) for deleted_at in (moment - timedelta(seconds=1), moment, None))
    held = env.make.tenant()
    env.hold(held)
    env.superuser.execute("UPDATE app.tenants SET deleted_at = '2020-01-01' WHERE id = %s", (held.id,))
    assert env.run(lambda_handler)["erasures_asked_for"] == 1
    assert env.run(lambda_handler)["erasures_asked_for"] == 0
    assert erasures(env) == [(due.id, None, "pending", "job:expire")]


def test_a_tenant_that_is_restored_at_this_moment_is_not_erased(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(deleted_at="2020-01-01")
    with env.superuser.transaction():
        env.superuser.execute("UPDATE app.tenants SET deleted_at = NULL WHERE id = %s", (tenant.id,))
        env.run(lambda_handler)
    env.run(lambda_handler)
    assert erasures(env) == []


def count(superuser: psycopg.Connection[Any], table: Any) -> int:
    return superuser.execute("SELECT count(*) FROM " + table).fetchall()[0][0]


def test_what_is_remembered_for_a_while_is_forgotten_and_nothing_else(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    day = timedelta(hours=24)
    for key, age in (("old", day + timedelta(seconds=1)), ("new", day)):
        remember(env, tenant, "user:x", key, age)
        env.superuser.execute(
            "INSERT INTO app.rate_buckets VALUES (%s, %s)", (key, TODAY + day - age + timedelta(milliseconds=1))
        )
        started = TODAY - timedelta(days=89) - age
        env.superuser.execute(
            "INSERT INTO app.job_runs (job, state, started_at) VALUES (%s, 'done', %s)", (key, started)
        )
    answer = env.run(lambda_handler)
    for table in ("idempotency_keys", "rate_buckets", "job_runs"):
        assert answer[f"{table}_forgotten"] == 1, table
    assert env.superuser.execute("SELECT key FROM app.idempotency_keys").fetchall() == [("new",)]
    assert env.superuser.execute("SELECT name FROM app.rate_buckets").fetchall() == [("new",)]
    assert env.superuser.execute("SELECT job FROM app.job_runs ORDER BY id").fetchall() == [("new",), ("expire",)]


def test_previews_go_after_a_week_and_records_of_recoveries_after_a_year(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    ages = {"previewed": (6, 8), "pending": (8, 400), "done": (8, 364, 366), "failed": (364, 366)}
    for state, age in ((state, age) for state, days in ages.items() for age in days):
        env.superuser.execute(
            "UPDATE app.recoveries SET state = %s, created_at = %s WHERE id = %s",
            (state, TODAY - timedelta(days=age), env.make.recovery(tenant)),
        )
    assert env.run(lambda_handler)["recoveries_forgotten"] == 3
    kept = env.superuser.execute(
        "SELECT state, extract(DAY FROM %s - created_at)::integer FROM app.recoveries ORDER BY 1, 2", (TODAY,)
    ).fetchall()
    assert kept == [("done", 8), ("done", 364), ("failed", 364), ("pending", 8), ("pending", 400), ("previewed", 6)]


def test_killed_before_any_step_and_run_again_nothing_is_left_and_no_object_is_lost_sight_of(env: ArchiveEnv) -> None:
    def prepared() -> Tenant:
        tenant = env.make.tenant(hot_ttl_days=7)
        archived(env, tenant, env.make.workflow(tenant), 1)
        keep_for(env, tenant, 30)
        run(env)
        wait(env)
        remember(env, tenant, "user:x", "old", timedelta(days=3))
        return tenant

    tenant = prepared()
    for _ in steps(lambda: run(env)):
        run(env)
        assert (env.files(tenant, "replaced"), count(env.superuser, "app.idempotency_keys")) == ([], 0)
        assert env.is_in_order()
        tenant = prepared()


def test_uploads_are_told_of_for_thirty_days_after_which_none_waits_for_its_file_to_be_removed(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    base = env.make.knowledge_base(tenant)
    ages = {"old": 31, "young": 29, "left": 31}
    for name, days in ages.items():
        begun = NOW - timedelta(days=days)
        moved = "UPDATE app.uploads SET id = app.uuid7(%s), name = %s, due_at = %s WHERE id = %s"
        due = begun if name == "left" else None
        env.superuser.execute(moved, (begun, name, due, env.make.upload(tenant, base)))
    assert run(env)["uploads_forgotten"] == 1
    assert env.superuser.execute("SELECT name FROM app.uploads ORDER BY name").fetchall() == [("left",), ("young",)]
