"""Deliveries of executions that are archived already: a later version, which is archived beside the first."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from flomastr.archive import late_deliveries
from flomastr.jobs import Job, JobFailedError
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import overwrite
from tests.support.factories import Tenant

EIGHT_DAYS_AGO = TODAY - timedelta(days=8)


def report(env: ArchiveEnv, tenant: Tenant, workflow: UUID, status: str, n8n_execution_id: str = "1") -> UUID:
    """Of one execution of eight days ago, as n8n does, and as if it did so eight days ago."""
    moment = EIGHT_DAYS_AGO.isoformat()
    row = {"n8n_execution_id": n8n_execution_id, "status": status, "started_at": moment, "finished_at": moment}
    return env.make.execution(tenant, workflow, **row)


def age(env: ArchiveEnv, tenant: Tenant) -> None:
    """Eight days pass for what is hot."""
    env.superuser.execute(
        "UPDATE app.workflow_executions SET created_at = %s WHERE tenant_id = %s", (EIGHT_DAYS_AGO, tenant.id)
    )


def statuses(env: ArchiveEnv, tenant: Tenant) -> list[str]:
    """Of the versions in files, by when they were stored."""
    found = env.superuser.execute("SELECT id FROM app.archive_files WHERE state = 'stored' ORDER BY stored_at")
    keys = {key.rsplit("/")[-1].removesuffix(".parquet"): key for key in env.files(tenant)}
    return [row[0] for (id,) in found for row in env.read([keys[str(id)]], "status")]


def test_a_late_delivery_of_an_archived_execution_is_a_later_version_of_it(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    id = report(env, tenant, workflow, "crashed")
    age(env, tenant)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([], [id])

    assert report(env, tenant, workflow, "success") == id
    assert report(env, tenant, workflow, "success") == id
    env.run(lambda_handler)  # it was heard of just now, so it stays
    assert (env.overflow(tenant), env.cold(tenant)) == ([id], [id])
    assert statuses(env, tenant) == ["crashed"]

    age(env, tenant)
    before = env.rows(tenant)
    env.run(lambda_handler)
    assert (env.hot(tenant), env.cold(tenant)) == ([], [id, id])
    assert (statuses(env, tenant), env.rows(tenant)) == (["crashed", "success"], before)
    assert env.is_in_order()


def test_repeats_of_an_archived_execution_leave_one_row_hot(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    id = report(env, tenant, workflow, "success")
    age(env, tenant)
    env.run(lambda_handler)
    for _ in range(3):
        report(env, tenant, workflow, "success")
    assert (env.hot(tenant), env.cold(tenant)) == ([id], [id])


def test_a_late_delivery_takes_nothing_away_from_what_is_archived(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    moment = EIGHT_DAYS_AGO.isoformat()
    whole = {"status": "success", "finished_at": moment, "execution_data": {"mode": "webhook", "evidence": 1.0}}
    id = env.make.execution(tenant, workflow, n8n_execution_id="1", started_at=moment, **whole)
    age(env, tenant)
    before = env.rows(tenant)
    env.run(lambda_handler)
    for status in ("running", "error", "success"):
        assert env.make.execution(tenant, workflow, n8n_execution_id="1", started_at=moment, status=status) == id
        assert env.run(lambda_handler)["rows_rejoined"] == 1
        assert (env.hot(tenant), env.cold(tenant), env.rows(tenant)) == ([], [id], before)


def test_a_late_delivery_goes_to_the_overflow_partition_even_where_its_tenant_has_a_partition_for_it_again(
    env: ArchiveEnv,
) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    id = report(env, tenant, workflow, "crashed")
    age(env, tenant)
    env.run(lambda_handler)
    env.superuser.execute("UPDATE app.tenants SET hot_ttl_days = 30 WHERE id = %s", (tenant.id,))
    assert report(env, tenant, workflow, "success") == id
    assert env.overflow(tenant) == [id]


@pytest.mark.parametrize("of_tenant", [True, False], ids=["of its tenant", "of itself"])
def test_a_late_delivery_waits_beside_its_archived_execution_for_the_end_of_a_hold(
    env: ArchiveEnv, of_tenant: bool
) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    moment = EIGHT_DAYS_AGO.isoformat()
    run = {"n8n_execution_id": "1", "started_at": moment, "finished_at": moment, "status": "error"}
    id = env.make.execution(tenant, workflow, **run, error_message="All of it", execution_data={"all": "of it"})
    age(env, tenant)
    env.run(lambda_handler)
    assert env.make.execution(tenant, workflow, **run, error_message="Less", execution_data={"b": 1}) == id
    hold = env.hold(tenant) if of_tenant else env.hold(tenant, execution_id=id)
    age(env, tenant)
    held = env.rows(tenant)
    env.run(lambda_handler)
    assert env.rows(tenant) == held
    assert (env.hot(tenant), env.cold(tenant)) == ([id], [id])
    env.release(hold)
    assert env.run(lambda_handler)["rows_rejoined"] == 1
    assert (env.hot(tenant), env.cold(tenant)) == ([], [id])


def test_between_late_deliveries_a_run_looks_at_its_time(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for id in "12":
        report(env, tenant, workflow, "success", id)
    age(env, tenant)
    env.run(lambda_handler)
    for id in "12":
        report(env, tenant, workflow, "success", id)
    merged: list[UUID] = []
    deliver_again = late_deliveries.deliver_again

    def one(job: Job, of_tenant: UUID, rows: Sequence[dict[str, str]]) -> None:
        merged.append(of_tenant)
        deliver_again(job, of_tenant, rows)

    def has_time(job: Job, _: float = 0) -> bool:
        job.unfinished = bool(merged)
        return not merged

    with monkeypatch.context() as patched:
        patched.setattr(late_deliveries, "BATCH", 1)
        patched.setattr(late_deliveries, "deliver_again", one)
        patched.setattr(Job, "has_time", has_time)
        assert env.run(lambda_handler)["state"] == "unfinished"
    assert (merged, len(env.hot(tenant))) == ([tenant.id], 1)
    env.run(lambda_handler)
    assert env.hot(tenant) == []


def tenants_with_late_deliveries(env: ArchiveEnv, *wanted: str) -> list[Tenant]:
    """Each with executions of these ids, of one letter each, that are archived already, and due again."""
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in wanted]
    workflows = [env.make.workflow(tenant) for tenant in tenants]
    for delivery in range(2):
        for tenant, workflow, ids in zip(tenants, workflows, wanted, strict=True):
            for id in ids:
                report(env, tenant, workflow, "success", id)
            age(env, tenant)
        if delivery == 0:
            env.run(lambda_handler)
    return tenants


def test_a_run_merges_so_many_of_a_tenant_and_goes_on_with_the_others(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_deliveries, "BATCH", 1)
    monkeypatch.setattr(late_deliveries, "MOST_LATE", 2)
    many, few = tenants_with_late_deliveries(env, "123", "1")
    due = report(env, few, env.make.workflow(few), "success", "4")  # of a partition that is gone
    age(env, few)
    assert env.run(lambda_handler)["rows_rejoined"] == 3
    assert (len(env.hot(many)), env.hot(few), due in env.cold(few)) == (1, [], True)
    env.run(lambda_handler)
    assert env.hot(many) == []


def test_a_damaged_file_keeps_the_overflow_partition_of_no_other_tenant(env: ArchiveEnv) -> None:
    damaged, other = tenants_with_late_deliveries(env, "1", "1")
    (key,) = env.files(damaged)
    overwrite(env, key, b"PAR1")
    with pytest.raises(JobFailedError, match="cannot be read"):
        env.run(lambda_handler)
    assert (len(env.hot(damaged)), env.hot(other)) == (1, [])
