"""What a tenant keeps of its executions for how long: some are archived early, and none is dropped."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from flomastr.archive import late_deliveries
from flomastr.jobs import Job
from flomastr.workflows import partition_job
from functions.analytics.handler import lambda_handler as analytics
from functions.archive.handler import lambda_handler as archive
from functions.partitions.handler import lambda_handler as partitions
from functions.restore.handler import lambda_handler as restore
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import keep
from tests.support.connected import connected
from tests.support.events import call
from tests.support.factories import Tenant
from tests.support.listing import HISTORY, ask, pages, tiers

OPEN = {"status": "running", "finished_at": None}
FAILED = {"status": "error", "error_message": "No answer"}


def preview(env: ArchiveEnv, tenant: Tenant) -> dict[str, Any]:
    return ask(env, tenant, "/routes/history/preview", query={"at": TODAY.isoformat()}).json


def delivered(env: ArchiveEnv, tenant: Tenant, workflow: UUID, n8n_id: str, age: float, status: str) -> UUID:
    """Reported when it ended."""
    return env.execution(tenant, workflow, age, n8n_execution_id=n8n_id, status=status)


def test_successes_are_archived_early_and_failures_stay(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=90)
    keep(env, tenant, success_days=7, error_days=90)
    workflow = env.make.workflow(tenant)
    successes = [env.execution(tenant, workflow, age) for age in (8, 9, 10)]
    failures = [env.execution(tenant, workflow, 8, status=status) for status in ("error", "crashed", "canceled")]
    young = env.execution(tenant, workflow, 6)
    before, said = env.rows(tenant), preview(env, tenant)
    assert (said["workflow_executions"]["rows"], said["early"]["rows"], said["kept"]["by_policy"]) == (3, 3, 3)
    answer = env.run(archive)
    assert (answer["rows_archived"], answer["rows_kept"], answer["state"]) == (3, 3, "done")
    assert env.cold(tenant) == sorted(successes)
    assert (env.hot(tenant), env.overflow(tenant)) == (sorted([*failures, young]), sorted(failures))
    assert env.rows(tenant) == before
    assert preview(env, tenant)["kept"] == said["kept"]
    assert env.is_in_order()


def test_failures_follow_when_their_days_are_over_and_nothing_outlasts_hot_ttl_days(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    short, long = env.make.tenant(hot_ttl_days=14), env.make.tenant(hot_ttl_days=60)
    keep(env, short, success_days=7, error_days=90, last_per_workflow=9)
    keep(env, long, success_days=7, error_days=30, last_per_workflow=1)
    ids: dict[UUID, dict[float, UUID]] = {}
    for tenant in (short, long):
        workflow = env.make.workflow(tenant)
        ids[tenant.id] = {age: env.execution(tenant, workflow, age, **FAILED) for age in (13, 15, 29, 31)}
    env.run(archive)
    assert env.hot(short) == [ids[short.id][13]]
    assert env.hot(long) == sorted(ids[long.id][age] for age in (13, 15, 29))
    assert env.cold(long) == [ids[long.id][31]]


def test_the_newest_of_each_workflow_stay_until_newer_ones_come(env: ArchiveEnv) -> None:
    env.partitions_since(20)
    tenant = env.make.tenant(hot_ttl_days=90)
    keep(env, tenant, success_days=7, error_days=14, last_per_workflow=2)
    busy, rare = env.make.workflow(tenant), env.make.workflow(tenant)
    old = [env.execution(tenant, busy, age) for age in (10, 9, 8)]
    rarely = [env.execution(tenant, rare, age, **FAILED) for age in (19, 18)]
    env.run(archive)
    assert (env.hot(tenant), env.cold(tenant)) == (sorted([*old[1:], *rarely]), old[:1])
    newer = env.execution(tenant, busy, 0.5, **OPEN)
    assert preview(env, tenant)["early"]["rows"] == 1
    env.run(archive)
    assert (env.hot(tenant), env.cold(tenant)) == (sorted([old[2], newer, *rarely]), sorted(old[:2]))


def test_what_has_not_ended_and_what_is_held_stay(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=30)
    keep(env, tenant, success_days=7, error_days=7)
    workflow, held = env.make.workflow(tenant), env.make.workflow(tenant)
    stay = [env.execution(tenant, workflow, 9, **OPEN), env.execution(tenant, held, 9)]
    env.hold(tenant, workflow_id=held)
    gone = env.execution(tenant, workflow, 9)
    env.run(archive)
    assert (env.hot(tenant), env.cold(tenant)) == (sorted(stay), [gone])


NEWEST = "first_ids"
COUNTED = f"""
CREATE SEQUENCE app.looks MINVALUE 0 START 0;
GRANT USAGE ON SEQUENCE app.looks TO PUBLIC;
SELECT nextval('app.looks');
ALTER FUNCTION app.{NEWEST} RENAME TO first_found;
CREATE FUNCTION app.{NEWEST}(tenant uuid, workflows uuid[], most integer)
RETURNS TABLE (workflow_id uuid, first_id uuid) LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM nextval('app.looks') FROM unnest(workflows);
  RETURN QUERY SELECT * FROM app.first_found(tenant, workflows, most);
END
$$;
"""
LOOKS = "SELECT last_value FROM app.looks"


def test_a_tenant_is_looked_at_as_often_with_many_others_as_alone(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenants = [env.make.tenant(hot_ttl_days=90) for _ in range(25)]
    for tenant in tenants:
        keep(env, tenant, success_days=7, error_days=90, last_per_workflow=1)
        workflow = env.make.workflow(tenant)
        for age, status in ((8, "success"), (8.1, "error"), (8.2, "success")):
            env.execution(tenant, workflow, age, status=status)
    env.superuser.execute(COUNTED)
    assert env.run(archive)["rows_kept"] == 2 * 25
    (looks,) = env.superuser.execute(LOOKS).fetchall()[0]
    assert 25 <= looks <= 10 * 25
    assert [len(env.cold(tenant)) for tenant in tenants] == [1] * 25


def test_the_newest_are_looked_for_of_workflows_with_something_to_archive_alone(env: ArchiveEnv) -> None:
    env.partitions_since(20)
    idle, busy = (env.make.tenant(hot_ttl_days=90) for _ in range(2))
    for tenant in (idle, busy):
        keep(env, tenant, success_days=7, error_days=14, last_per_workflow=1)
    for number in range(40):
        env.execution(idle, env.make.workflow(idle), 1 + number / 100)
        env.execution(busy, env.make.workflow(busy), 1 + number / 100)
    workflow = env.make.workflow(busy)
    due = [env.execution(busy, workflow, age, **FAILED, retention_class=0) for age in (19, 18, 17)]
    env.superuser.execute(COUNTED)
    assert env.run(archive)["rows_archived"] == 2
    assert (env.cold(busy), env.superuser.execute(LOOKS).fetchall()) == (due[:2], [(2,)])  # for two plans of a run


def test_rows_that_are_kept_move_while_there_is_time(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(12)
    tenants = [env.make.tenant(hot_ttl_days=90) for _ in range(3)]
    for tenant in tenants:
        keep(env, tenant, success_days=7, error_days=90)
        workflow = env.make.workflow(tenant)
        for status in ("success", "error", "error", "error"):
            env.execution(tenant, workflow, 8, status=status)
    before = [env.rows(tenant) for tenant in tenants]
    monkeypatch.setattr(partition_job, "KEPT", 1)
    states = ["unfinished"]
    while states[-1] == "unfinished":
        steps = iter(range(2 * len(states)))

        def has_time(job: Job, _: float = 5, steps: Iterator[int] = steps) -> bool:
            job.unfinished = job.unfinished or next(steps, None) is None
            return not job.unfinished

        monkeypatch.setattr(Job, "has_time", has_time)
        states.append(env.run(archive)["state"])
        assert [env.rows(tenant) for tenant in tenants] == before
    assert len(states) > 3
    assert [(len(env.cold(tenant)), len(env.overflow(tenant))) for tenant in tenants] == [(1, 3)] * 3
    assert env.is_in_order()


def test_tenants_without_it_keep_all_as_long_as_ever(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    keeping, other = (env.make.tenant(hot_ttl_days=30) for _ in range(2))
    keep(env, keeping, success_days=7, error_days=30)
    ids = {tenant.id: env.execution(tenant, env.make.workflow(tenant), 12) for tenant in (keeping, other)}
    env.run(archive)
    assert (env.hot(keeping), env.hot(other)) == ([], [ids[other.id]])


def test_both_tiers_are_one_list_and_an_archived_execution_comes_back(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=30)
    keep(env, tenant, success_days=7, error_days=30)
    workflow = env.make.workflow(tenant)
    ids = [env.execution(tenant, workflow, 8 + n / 100, **(FAILED if n % 2 else {})) for n in range(8)]
    before = "".join(pages(env, tenant, f"{HISTORY}?limit=3"))
    env.run(archive)
    assert list(tiers(env, tenant).items()) == [(str(id), "hot" if n % 2 else "cold") for n, id in enumerate(ids)]
    assert "".join(pages(env, tenant, f"{HISTORY}?limit=3")) == before
    days = {"first_at": (TODAY - timedelta(days=9)).isoformat(), "last_at": TODAY.isoformat(), "days": 3}
    assert ask(env, tenant, "/routes/history/restores", "POST", body=days).status == 202
    env.run(restore)
    env.run(archive)
    assert set(tiers(env, tenant).values()) == {"hot"}


@pytest.mark.parametrize("then", [None, {"success_days": 14, "error_days": 30}])
def test_setting_it_moves_executions_and_loses_none(env: ArchiveEnv, then: dict[str, int] | None) -> None:
    env.partitions_since(60)
    tenant = env.make.tenant(hot_ttl_days=60)
    workflow = env.make.workflow(tenant)
    ages = (0.5, 5, 9, 20, 40)
    for age in ages:
        env.execution(tenant, workflow, age)
        env.execution(tenant, workflow, age, **FAILED)
    before = env.rows(tenant)
    keep(env, tenant, success_days=7, error_days=30)
    assert preview(env, tenant)["changing_class"] == 10
    env.run(archive)
    assert (env.rows(tenant), len(env.cold(tenant)), len(env.hot(tenant))) == (before, 4, 6)
    if then:
        keep(env, tenant, **then)
    else:
        env.make.within(tenant.id, """SELECT FROM app.change_policies_v3('{"keep": null}', NULL)""", {})
    env.superuser.execute("UPDATE app.retention_class_changes SET moved_at = moved_at - interval '1 day'")
    env.run(partitions)
    env.run(archive)
    assert (env.rows(tenant), len(env.cold(tenant)), len(env.hot(tenant))) == (before, 4, 6)
    assert preview(env, tenant)["changing_class"] == 0


def test_analytics_count_the_same_before_and_after(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=30)
    keep(env, tenant, success_days=7, error_days=30, last_per_workflow=1)
    workflow = env.make.workflow(tenant)
    for n in range(6):
        env.execution(tenant, workflow, 8 + n, **(FAILED if n % 3 else {}))
    env.run(rollup)
    asked = {"from": (TODAY - timedelta(days=20)).isoformat(), "group_by": "status"}

    def counted() -> Any:
        with connected(DATABASE_URL=env.app_url):
            answer = call(analytics, "GET", "/routes/analytics/executions", caller=tenant.owner, query=asked)
        assert answer.status == 200, answer.body
        return answer.json | {"as_of": None}

    before = counted()
    env.run(archive)
    env.run(rollup)
    assert len(env.cold(tenant)) == 1
    assert counted() == before


def test_a_late_delivery_of_what_was_archived_early_is_merged(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=30)
    keep(env, tenant, success_days=7, error_days=30)
    workflow = env.make.workflow(tenant)
    moment = TODAY - timedelta(days=8)
    row = {"n8n_execution_id": "1", "status": "success", "started_at": moment.isoformat()}
    row["finished_at"] = row["started_at"]
    id = env.make.execution(tenant, workflow, execution_data={"mode": "webhook", "said": "all of it"}, **row)
    env.superuser.execute("UPDATE app.workflow_executions SET created_at = %s", (moment,))
    before = env.rows(tenant)
    env.run(archive)
    assert (env.hot(tenant), env.cold(tenant)) == ([], [id])
    assert env.make.execution(tenant, workflow, execution_data={"mode": "webhook"}, **row) == id
    assert env.hot(tenant) == [id]
    assert env.run(archive)["rows_rejoined"] == 1
    assert (env.hot(tenant), env.rows(tenant)) == ([], before)


def test_what_is_kept_is_not_looked_up_in_files(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=30)
    keep(env, tenant, success_days=7, error_days=30)
    workflow = env.make.workflow(tenant)
    for number, status in enumerate(("success", "error", "success")):
        delivered(env, tenant, workflow, str(number), 8 + number / 100, status)
    env.run(archive)
    assert (len(env.cold(tenant)), len(env.overflow(tenant))) == (2, 1)

    def refused(_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(late_deliveries, "versions", refused)
    assert env.run(archive)["state"] == "done"


def test_a_shorter_hot_ttl_beside_it_moves_executions_as_well(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=90)
    keep(env, tenant, success_days=60, error_days=60)
    env.execution(tenant, env.make.workflow(tenant), 20)
    env.make.within(tenant.id, "UPDATE app.tenants SET hot_ttl_days = 14", {})
    assert preview(env, tenant)["changing_class"] == 1
    env.run(archive)
    assert (env.hot(tenant), len(env.cold(tenant))) == ([], 1)
