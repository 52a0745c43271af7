"""The archive job: what is past its retention class moves from the hot tier to files, whole partitions at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from flomastr.archive import file_lifecycle, manifest
from flomastr.jobs import Job
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant

MILLISECOND, MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
WEEK_AGO = TODAY - timedelta(days=7)
UNFINISHED = {"status": "running", "finished_at": None}


def test_partitions_whose_every_row_is_past_its_class_go_to_files_and_no_other_row_does(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    by_age = {age: env.execution(tenant, workflow, age) for age in (1, 6, 7, 8, 9, 30)}
    answer = env.run(lambda_handler)
    assert env.hot(tenant) == sorted(by_age[age] for age in (1, 6, 7))  # seven days ago the day had not ended
    assert env.cold(tenant) == sorted(by_age[age] for age in (8, 9, 30))
    assert (answer["rows_archived"], answer["state"]) == (3, "done")


@pytest.mark.parametrize("days", [7, 14, 30, 60, 90, 365])
def test_a_partition_goes_in_the_millisecond_that_its_last_row_is_past_its_class(env: ArchiveEnv, days: int) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=days)
    workflow = env.make.workflow(tenant)
    ends = env.partitions(days)[0][2]
    last = env.execution_at(tenant, workflow, ends - MILLISECOND)
    first_of_next = env.execution_at(tenant, workflow, ends)
    due = ends + timedelta(days=days)
    env.run(lambda_handler, due - MILLISECOND)
    assert (env.hot(tenant), env.cold(tenant)) == ([last, first_of_next], [])
    env.run(lambda_handler, due)
    assert (env.hot(tenant), env.cold(tenant)) == ([first_of_next], [last])


def test_rows_of_tenants_that_keep_them_for_longer_stay(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenants = {days: env.make.tenant(hot_ttl_days=days) for days in (7, 8, 30, 365)}
    ids = {days: env.execution(tenant, env.make.workflow(tenant), 10) for days, tenant in tenants.items()}
    env.run(lambda_handler)
    assert {days: env.hot(tenant) for days, tenant in tenants.items()} == {
        days: [] if days == 7 else [id] for days, id in ids.items()
    }
    assert env.cold(tenants[7]) == [ids[7]]


def test_what_has_not_ended_stays_in_the_overflow_partition_when_its_partition_goes(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    over = [env.execution(tenant, workflow, 10, status=status) for status in ("success", "error", "crashed")]
    going_on = [
        env.execution(tenant, workflow, 10, **UNFINISHED | {"status": status})
        for status in ("new", "running", "waiting", "unknown")
    ]
    before = env.rows(tenant)
    answer = env.run(lambda_handler)
    assert env.hot(tenant) == env.overflow(tenant) == sorted(going_on)
    assert env.cold(tenant) == sorted(over)
    assert (answer["rows_archived"], answer["rows_kept"]) == (3, 4)
    assert env.rows(tenant) == before


@pytest.mark.parametrize("scope", ["tenant", "workflow_id", "execution_id"])
def test_what_is_held_stays_in_the_overflow_partition_until_it_is_let_go(env: ArchiveEnv, scope: str) -> None:
    env.partitions_since(12)
    tenant, other = env.make.tenant(hot_ttl_days=7), env.make.tenant(hot_ttl_days=7)
    workflow, free = env.make.workflow(tenant), env.make.workflow(tenant)
    theirs = env.execution(other, env.make.workflow(other), 10)
    held = env.execution(tenant, workflow, 10)
    beside = {"workflow_id": env.execution(tenant, free, 10), "execution_id": env.execution(tenant, workflow, 10)}
    hold = env.hold(
        tenant, **{"workflow_id": {"workflow_id": workflow}, "execution_id": {"execution_id": held}}.get(scope, {})
    )
    let_go = {"tenant": [], "workflow_id": [beside["workflow_id"]], "execution_id": sorted(beside.values())}[scope]
    kept = sorted({held, *beside.values()} - set(let_go))
    before = env.rows(tenant)
    for _ in range(2):
        env.run(lambda_handler)
        assert (env.overflow(tenant), env.cold(tenant)) == (kept, let_go)
    assert env.cold(other) == [theirs]
    env.release(hold)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([], sorted([held, *beside.values()]))
    assert env.rows(tenant) == before


def test_a_hold_that_comes_while_its_partition_is_archived_keeps_its_rows(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    held, other = env.execution(tenant, workflow, 10), env.execution(tenant, workflow, 10.1)
    write = file_lifecycle.write

    def write_and_hold(job: Job, file: manifest.File) -> None:
        write(job, file)
        if not env.superuser.execute("SELECT FROM app.legal_holds").fetchall():
            env.hold(tenant, execution_id=held)

    monkeypatch.setattr(file_lifecycle, "write", write_and_hold)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([held], [other])
    assert env.is_in_order()


def test_a_hold_that_comes_between_two_runs_keeps_its_rows(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=7)
    held = env.execution(tenant, env.make.workflow(tenant), 10)

    store = file_lifecycle.store

    def broken_off(job: Job, origin: str) -> int:
        if file_lifecycle.planned(job, origin):
            raise KeyboardInterrupt
        return store(job, origin)

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(file_lifecycle, "store", broken_off)
        env.run(lambda_handler)
    env.hold(tenant, execution_id=held)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([held], [])
    assert env.is_in_order()


def test_partitions_without_rows_are_dropped(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    answer = env.run(lambda_handler)
    for days in (7, 14, 30, 60, 90, 365):
        assert min(ends for _, _, ends in env.partitions(days)) > TODAY - timedelta(days=days)
    assert answer["leaves_dropped"] >= 24
    assert answer.get("rows_archived", 0) == 0


@pytest.mark.parametrize("heard_of", ["created_at", "finished_at"])
def test_the_overflow_partition_counts_from_when_an_execution_was_last_heard_of(env: ArchiveEnv, heard_of: str) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    old: dict[str, Any] = dict.fromkeys(("created_at", "finished_at"), TODAY - timedelta(days=30)) | {
        "retention_class": 0
    }
    goes = env.execution(tenant, workflow, 30, **old | {heard_of: WEEK_AGO - MICROSECOND})
    stays = env.execution(tenant, workflow, 30, **old | {heard_of: WEEK_AGO})
    before = env.rows(tenant)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([stays], [goes])
    assert env.rows(tenant) == before


def test_chats_go_when_nobody_has_used_them_for_as_long_as_the_tenant_keeps_them(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=8)  # of class 14, which counts for executions alone
    workflow, held = env.make.workflow(tenant), env.make.workflow(tenant)
    due = TODAY - timedelta(days=8)
    goes = env.session(tenant, workflow, due - MICROSECOND)
    stays = env.session(tenant, workflow, due, user_id="user_2")
    kept = env.session(tenant, held, due - MICROSECOND)
    hold = env.hold(tenant, workflow_id=held)
    execution = env.execution(tenant, workflow, 1)
    answer = env.run(lambda_handler)
    assert env.sessions(tenant) == sorted([stays, kept])
    assert env.cold(tenant, "webchat_sessions") == [goes]
    assert (answer["sessions_archived"], env.hot(tenant)) == (1, [execution])
    env.release(hold)
    env.run(lambda_handler)
    assert env.cold(tenant, "webchat_sessions") == sorted([goes, kept])


def test_months_and_tenants_do_not_share_files(env: ArchiveEnv) -> None:
    env.partitions_since(70)
    border = next(
        datetime(ends.year, ends.month, 1, tzinfo=UTC)
        for _, starts, ends in env.partitions(365)
        if starts.month != (ends - MICROSECOND).month and ends + timedelta(days=365) <= TODAY
    )
    recorded: dict[Tenant, list[UUID]] = {}
    for _ in range(2):
        tenant = env.make.tenant(hot_ttl_days=365)
        workflow = env.make.workflow(tenant)
        before = env.execution_at(tenant, workflow, border - MILLISECOND)
        after = env.execution_at(tenant, workflow, border)
        late = env.execution_at(tenant, workflow, border - 2 * MILLISECOND, retention_class=0)
        recorded[tenant] = [late, before, after]
    env.run(lambda_handler)
    for tenant, ids in recorded.items():
        found = {id: key for key in env.files(tenant) for (id,) in env.read([key], "id")}
        for id, moment in zip(ids, [border - MILLISECOND] * 2 + [border], strict=True):
            assert found[str(id)].startswith(f"workflow_executions/month={moment:%Y-%m}/tenant={tenant.id}/")
        assert env.cold(tenant) == sorted(ids)
