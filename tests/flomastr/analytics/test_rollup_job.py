"""What one tenant reports or asks for keeps the rollups of no other waiting."""

from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest

from flomastr.analytics import rebuild
from flomastr.jobs import JobFailedError
from functions.analytics.handler import lambda_handler as analytics
from functions.rollup.handler import lambda_handler as rollup
from functions.tenants.handler import lambda_handler as tenants
from tests.support.archive_env import NOW, ArchiveEnv
from tests.support.connected import connected
from tests.support.events import call
from tests.support.factories import Tenant

HOUR_AGO = (NOW - timedelta(days=1, hours=1)).isoformat()
DELTA = """
INSERT INTO app.execution_deltas (tenant_id, workflow_id, quarter, status, mode_class, microseconds, runs)
VALUES (%s, app.uuid7(), date_bin('15 minutes', now(), 'epoch'), 'success', 'production', %s, %s)
"""


def total(env: ArchiveEnv, tenant: Tenant) -> int:
    with connected(DATABASE_URL=env.app_url):
        return call(analytics, "GET", "/routes/analytics/executions", caller=tenant.owner).json["totals"]["total"]


def reported(env: ArchiveEnv, **execution: Any) -> Tenant:
    tenant = env.make.tenant()
    env.make.execution(tenant, env.make.workflow(tenant), **{"status": "success", "started_at": HOUR_AGO} | execution)
    return tenant


def delta(env: ArchiveEnv, tenant: Tenant, microseconds: int, runs: int) -> None:
    """Of executions that are not there, so nothing is compared."""
    env.superuser.execute("UPDATE app.rollup_progress SET reconciled_at = now()")
    env.superuser.execute(DELTA, (tenant.id, microseconds, runs))


def test_a_retry_of_what_is_no_id_repeats_nothing(env: ArchiveEnv) -> None:
    odd = reported(env, execution_data={"mode": "retry", "retryOf": token_hex(4_500)})
    other = reported(env)
    assert env.run(rollup)["deltas_folded"] == 2
    assert (total(env, odd), total(env, other)) == (1, 1)
    assert env.superuser.execute("SELECT count(*) FROM app.retried_runs").fetchone() == (0,)


def test_durations_may_add_up_to_more_than_64_bits(env: ArchiveEnv) -> None:
    tenant, other = env.make.tenant(), reported(env)
    for _ in range(2):
        delta(env, tenant, 1_800_000_000_000_000, 5_200)
        env.run(rollup)
    assert (total(env, tenant), total(env, other)) == (10_400, 1)
    with connected(DATABASE_URL=env.app_url):
        answer = call(analytics, "GET", "/routes/analytics/executions", caller=tenant.owner).json
    assert answer["totals"]["mean_seconds"] == 1_800_000_000.0


def test_what_cannot_be_counted_keeps_no_other_tenant_waiting(env: ArchiveEnv) -> None:
    bad, other = reported(env), reported(env)
    delta(env, bad, 1, 2_000_000_000)
    delta(env, bad, 2, 2_000_000_000)
    before = env.superuser.execute("SELECT folded_at FROM app.rollup_progress").fetchone()
    with pytest.raises(
        JobFailedError, match=f"Executions of tenant {bad.id} cannot be counted: NumericValueOutOfRange"
    ):
        env.run(rollup)
    assert (total(env, bad), total(env, other)) == (0, 1)
    assert env.superuser.execute("SELECT folded_at FROM app.rollup_progress").fetchone() != before
    env.superuser.execute("DELETE FROM app.execution_deltas WHERE microseconds = 2")
    env.run(rollup)
    assert total(env, bad) == 2_000_000_001


def test_a_rebuild_that_does_not_fit_into_a_run_waits_for_a_day(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, other = reported(env), reported(env)

    def ask_for_zone(zone: str) -> None:
        with connected(DATABASE_URL=env.app_url):
            path = f"/routes/tenants/{large.slug}/policies"
            assert call(tenants, "PUT", path, body={"time_zone": zone}, caller=large.owner).status == 200

    ask_for_zone("Asia/Tokyo")
    monkeypatch.setattr(rebuild, "SECONDS", 0)
    with pytest.raises(JobFailedError, match=f"tenant {large.id} cannot be built anew in 0 seconds"):
        env.run(rollup)
    assert (total(env, large), total(env, other)) == (1, 1)
    ask_for_zone("Asia/Seoul")  # is no way to be tried before the day is over
    assert env.run(rollup)["state"] == "done"
    monkeypatch.undo()
    assert "rollups_rebuilt" not in env.run(rollup)
    env.superuser.execute("UPDATE app.rollup_settings SET rebuild_asked_at = rebuild_asked_at - interval '1 day'")
    assert env.run(rollup)["rollups_rebuilt"] == 1
    built = "SELECT built_in FROM app.rollup_settings WHERE tenant_id = %s"
    assert env.superuser.execute(built, (large.id,)).fetchone() == ("Asia/Seoul",)
