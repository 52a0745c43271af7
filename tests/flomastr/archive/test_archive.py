"""The archive job: what is past its class leaves the hot tier for verified files, whole leaves at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from flomastr.archive import file_lifecycle, manifest
from flomastr.jobs import Job
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, World
from tests.support.factories import Tenant

MILLISECOND, MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
WEEK_AGO = TODAY - timedelta(days=7)
UNFINISHED = {"status": "running", "finished_at": None}


def test_leaves_whose_every_row_is_past_its_class_go_to_files_and_no_other_row_does(world: World) -> None:
    world.leaves_since(40)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    by_age = {age: world.execution(tenant, workflow, age) for age in (1, 6, 7, 8, 9, 30)}
    answer = world.run(lambda_handler)
    assert world.hot(tenant) == sorted(by_age[age] for age in (1, 6, 7))  # seven days ago the day had not ended
    assert world.cold(tenant) == sorted(by_age[age] for age in (8, 9, 30))
    assert (answer["rows_archived"], answer["state"]) == (3, "done")


@pytest.mark.parametrize("days", [7, 14, 30, 60, 90, 365])
def test_a_leaf_goes_in_the_millisecond_that_its_last_row_is_past_its_class(world: World, days: int) -> None:
    world.leaves_since(40)
    tenant = world.make.tenant(hot_ttl_days=days)
    workflow = world.make.workflow(tenant)
    ends = world.leaves(days)[0][2]
    last = world.execution_at(tenant, workflow, ends - MILLISECOND)
    first_of_next = world.execution_at(tenant, workflow, ends)
    due = ends + timedelta(days=days)
    world.run(lambda_handler, due - MILLISECOND)
    assert (world.hot(tenant), world.cold(tenant)) == ([last, first_of_next], [])
    world.run(lambda_handler, due)
    assert (world.hot(tenant), world.cold(tenant)) == ([first_of_next], [last])


def test_rows_of_tenants_that_keep_them_for_longer_stay(world: World) -> None:
    world.leaves_since(12)
    tenants = {days: world.make.tenant(hot_ttl_days=days) for days in (7, 8, 30, 365)}
    ids = {days: world.execution(tenant, world.make.workflow(tenant), 10) for days, tenant in tenants.items()}
    world.run(lambda_handler)
    assert {days: world.hot(tenant) for days, tenant in tenants.items()} == {
        days: [] if days == 7 else [id] for days, id in ids.items()
    }
    assert world.cold(tenants[7]) == [ids[7]]


def test_what_has_not_ended_stays_in_the_backlog_when_its_leaf_goes(world: World) -> None:
    world.leaves_since(12)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    over = [world.execution(tenant, workflow, 10, status=status) for status in ("success", "error", "crashed")]
    going_on = [
        world.execution(tenant, workflow, 10, **UNFINISHED | {"status": status})
        for status in ("new", "running", "waiting", "unknown")
    ]
    before = world.rows(tenant)
    answer = world.run(lambda_handler)
    assert world.hot(tenant) == world.backlog(tenant) == sorted(going_on)
    assert world.cold(tenant) == sorted(over)
    assert (answer["rows_archived"], answer["rows_kept"]) == (3, 4)
    assert world.rows(tenant) == before


@pytest.mark.parametrize("scope", ["tenant", "workflow_id", "execution_id"])
def test_what_is_held_stays_in_the_backlog_until_it_is_let_go(world: World, scope: str) -> None:
    world.leaves_since(12)
    tenant, other = world.make.tenant(hot_ttl_days=7), world.make.tenant(hot_ttl_days=7)
    workflow, free = world.make.workflow(tenant), world.make.workflow(tenant)
    theirs = world.execution(other, world.make.workflow(other), 10)
    held = world.execution(tenant, workflow, 10)
    beside = {"workflow_id": world.execution(tenant, free, 10), "execution_id": world.execution(tenant, workflow, 10)}
    hold = world.hold(
        tenant, **{"workflow_id": {"workflow_id": workflow}, "execution_id": {"execution_id": held}}.get(scope, {})
    )
    let_go = {"tenant": [], "workflow_id": [beside["workflow_id"]], "execution_id": sorted(beside.values())}[scope]
    kept = sorted({held, *beside.values()} - set(let_go))
    before = world.rows(tenant)
    for _ in range(2):
        world.run(lambda_handler)
        assert (world.backlog(tenant), world.cold(tenant)) == (kept, let_go)
    assert world.cold(other) == [theirs]
    world.release(hold)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([], sorted([held, *beside.values()]))
    assert world.rows(tenant) == before


def test_a_hold_that_comes_while_its_leaf_is_archived_keeps_its_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.leaves_since(12)
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    held, other = world.execution(tenant, workflow, 10), world.execution(tenant, workflow, 10.1)
    write = file_lifecycle.write

    def write_and_hold(job: Job, file: manifest.File) -> None:
        write(job, file)
        if not world.superuser.execute("SELECT FROM app.legal_holds").fetchall():
            world.hold(tenant, execution_id=held)

    monkeypatch.setattr(file_lifecycle, "write", write_and_hold)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([held], [other])
    assert world.is_in_order()


def test_a_hold_that_comes_between_two_runs_keeps_its_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.leaves_since(12)
    tenant = world.make.tenant(hot_ttl_days=7)
    held = world.execution(tenant, world.make.workflow(tenant), 10)

    store = file_lifecycle.store

    def broken_off(job: Job, origin: str) -> int:
        if file_lifecycle.planned(job, origin):
            raise KeyboardInterrupt
        return store(job, origin)

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(file_lifecycle, "store", broken_off)
        world.run(lambda_handler)
    world.hold(tenant, execution_id=held)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([held], [])
    assert world.is_in_order()


def test_leaves_without_rows_are_dropped(world: World) -> None:
    world.leaves_since(12)
    answer = world.run(lambda_handler)
    for days in (7, 14, 30, 60, 90, 365):
        assert min(ends for _, _, ends in world.leaves(days)) > TODAY - timedelta(days=days)
    assert answer["leaves_dropped"] >= 24
    assert answer.get("rows_archived", 0) == 0


@pytest.mark.parametrize("heard_of", ["created_at", "finished_at"])
def test_the_backlog_counts_from_when_an_execution_was_last_heard_of(world: World, heard_of: str) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    workflow = world.make.workflow(tenant)
    old: dict[str, Any] = dict.fromkeys(("created_at", "finished_at"), TODAY - timedelta(days=30)) | {"ttl_class": 0}
    goes = world.execution(tenant, workflow, 30, **old | {heard_of: WEEK_AGO - MICROSECOND})
    stays = world.execution(tenant, workflow, 30, **old | {heard_of: WEEK_AGO})
    before = world.rows(tenant)
    world.run(lambda_handler)
    assert (world.hot(tenant), world.cold(tenant)) == ([stays], [goes])
    assert world.rows(tenant) == before


def test_chats_go_when_nobody_has_used_them_for_as_long_as_the_tenant_keeps_them(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=8)  # of class 14, which counts for executions alone
    workflow, held = world.make.workflow(tenant), world.make.workflow(tenant)
    due = TODAY - timedelta(days=8)
    goes = world.session(tenant, workflow, due - MICROSECOND)
    stays = world.session(tenant, workflow, due, user_id="user_2")
    kept = world.session(tenant, held, due - MICROSECOND)
    hold = world.hold(tenant, workflow_id=held)
    execution = world.execution(tenant, workflow, 1)
    answer = world.run(lambda_handler)
    assert world.sessions(tenant) == sorted([stays, kept])
    assert world.cold(tenant, "webchat_sessions") == [goes]
    assert (answer["sessions_archived"], world.hot(tenant)) == (1, [execution])
    world.release(hold)
    world.run(lambda_handler)
    assert world.cold(tenant, "webchat_sessions") == sorted([goes, kept])


def test_months_and_tenants_do_not_share_files(world: World) -> None:
    world.leaves_since(70)
    border = next(
        datetime(ends.year, ends.month, 1, tzinfo=UTC)
        for _, starts, ends in world.leaves(365)
        if starts.month != (ends - MICROSECOND).month and ends + timedelta(days=365) <= TODAY
    )
    placed: dict[Tenant, list[UUID]] = {}
    for _ in range(2):
        tenant = world.make.tenant(hot_ttl_days=365)
        workflow = world.make.workflow(tenant)
        before = world.execution_at(tenant, workflow, border - MILLISECOND)
        after = world.execution_at(tenant, workflow, border)
        late = world.execution_at(tenant, workflow, border - 2 * MILLISECOND, ttl_class=0)
        placed[tenant] = [late, before, after]
    world.run(lambda_handler)
    for tenant, ids in placed.items():
        found = {id: key for key in world.files(tenant) for (id,) in world.read([key], "id")}
        for id, moment in zip(ids, [border - MILLISECOND] * 2 + [border], strict=True):
            assert found[str(id)].startswith(f"workflow_executions/month={moment:%Y-%m}/tenant={tenant.id}/")
        assert world.cold(tenant) == sorted(ids)
