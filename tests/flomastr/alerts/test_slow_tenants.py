"""Who has many alerts or workflows keeps nobody's alerts waiting."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from flomastr.alerts import evaluation
from flomastr.database import connection
from flomastr.jobs import Job
from flomastr.settings import database_url
from tests.flomastr.alerts.conftest import AlertEnv
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.factories import Tenant

MEASURED = "measured_alerts_v2"
RETURNED = """
TABLE (
  alert app.alerts, workflow_name text, is_watched boolean, runs bigint, failures bigint, successes bigint,
  duration_keys smallint[], duration_counts bigint[]
)
"""
# That of some tenants takes a minute.
SLOW = f"""
CREATE TABLE app.slow_ones (id uuid);
GRANT SELECT ON app.slow_ones TO PUBLIC;
ALTER FUNCTION app.{MEASURED} RENAME TO measured_at_once;
CREATE FUNCTION app.{MEASURED}(as_of timestamptz, tenants uuid[]) RETURNS {RETURNED} LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(60) FROM app.slow_ones AS s WHERE s.id = ANY (tenants);
  RETURN QUERY SELECT * FROM app.measured_at_once(as_of, tenants);
END
$$;
"""
QUICK = f"""
DROP FUNCTION app.{MEASURED}; ALTER FUNCTION app.measured_at_once RENAME TO {MEASURED}; DROP TABLE app.slow_ones;
UPDATE app.rollup_settings SET alerts_slow_at = NULL;
"""
READ = """
SELECT sum(coalesce(idx_scan, 0) + coalesce(idx_tup_fetch, 0) + seq_tup_read)
FROM pg_stat_user_tables WHERE relname IN ('execution_rollups', 'workflows')
"""


@pytest.fixture
def slow(env: AlertEnv, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests say whose alerts take long."""
    monkeypatch.setattr(evaluation, "SECONDS", 1.5)
    monkeypatch.setattr(evaluation, "LONGER", 1.5)
    env.platform.superuser.execute(SLOW)
    yield
    env.platform.superuser.execute(QUICK)


def become_slow(env: AlertEnv, *tenants: Tenant) -> None:
    """And no others."""
    env.platform.superuser.execute("DELETE FROM app.slow_ones")
    for tenant in tenants:
        env.platform.superuser.execute("INSERT INTO app.slow_ones VALUES (%s)", (tenant.id,))


def failing(env: AlertEnv, alerts: int = 1) -> Tenant:
    """A tenant whose alerts are due to fire."""
    tenant = env.platform.make.tenant()
    env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
    for _ in range(alerts):
        env.set(tenant, threshold=0)
    return tenant


def firing(env: AlertEnv, *tenants: Tenant) -> list[int]:
    """How many alerts of each."""
    return [sum(bool(alert["firing_since"]) for alert in env.ask(tenant, "GET").json) for tenant in tenants]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """Whose alerts were compared together, in this order."""
    found, compare = list[set[UUID]](), evaluation.compare

    def heard(job: Job, as_of: datetime, tenants: list[UUID], seconds: float) -> None:
        found.append({*tenants})
        compare(job, as_of, tenants, seconds)

    monkeypatch.setattr(evaluation, "compare", heard)
    return found


def rows_read(env: AlertEnv) -> int:
    """Of rollups and workflows, with looks into their indexes, while alerts are compared."""
    env.fold()
    with (
        connected(DATABASE_URL=env.platform.job_url),
        connection.connect(time.monotonic() + 60, database_url) as conn,
    ):
        (before,) = conn.execute(READ).fetchall()[0]
        evaluation.run(Job(conn, datetime.now(UTC), uuid4(), time.monotonic() + 60))
        conn.execute("SELECT pg_stat_force_next_flush()")
        return conn.execute(READ).fetchall()[0][0] - before


def test_many_alerts_on_an_instance_read_its_workflows_as_often_as_one(env: AlertEnv) -> None:
    make, tenant = env.platform.make, env.platform.make.tenant()
    for _ in range(100):
        env.execution(tenant, make.workflow(tenant), 1)
    for kind in ("failure_rate", "slow"):
        env.set(tenant, kind=kind, instance="default", threshold=99)
    with_two = rows_read(env)
    for number in range(60):
        env.set(
            tenant, kind=("failure_rate", "slow")[number % 2], instance="default", minutes=60 + number, threshold=99
        )
    with_more = rows_read(env)
    assert (with_two >= 200, with_more <= 2 * with_two) == (True, True), (with_two, with_more)


@pytest.mark.usefixtures("slow")
def test_others_are_told_in_the_run_in_which_one_takes_too_long(env: AlertEnv, compared: list[set[UUID]]) -> None:
    tenants = [failing(env) for _ in range(5)]
    slow_one, *others = tenants
    become_slow(env, slow_one)
    answer = env.evaluated()
    assert (firing(env, *others), firing(env, slow_one)) == ([1] * 4, [0])
    assert (answer["alerts_fired"], answer["tenants_cut_off"], answer["state"]) == (4, 1, "unfinished")
    assert [len(page) for page in compared] == [5, 1, 1, 1, 1, 1, 1]  # all together, each alone, the slow one once more
    assert compared[-1] == {slow_one.id}
    assert env.run()["state"] == "done"  # it is tried again when more was counted


@pytest.mark.usefixtures("slow")
def test_who_was_slow_comes_last_and_alone_until_it_is_quick(env: AlertEnv, compared: list[set[UUID]]) -> None:
    slow_one, *others = (failing(env) for _ in range(4))
    become_slow(env, slow_one)
    env.evaluated()
    compared.clear()
    assert env.evaluated()["tenants_cut_off"] == 1
    assert compared == [{other.id for other in others}, {slow_one.id}]
    become_slow(env)
    compared.clear()
    answer = env.evaluated()
    assert (answer["alerts_fired"], answer["state"]) == (1, "done")
    assert (firing(env, slow_one), compared) == ([1], [{other.id for other in others}, {slow_one.id}])
    compared.clear()
    env.evaluated()
    assert compared == [{slow_one.id, *(other.id for other in others)}]


@pytest.mark.usefixtures("slow")
def test_slow_tenants_take_turns_where_time_is_short(
    env: AlertEnv, compared: list[set[UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants, other = [failing(env) for _ in range(3)], failing(env)
    become_slow(env, *tenants)
    env.evaluated()
    become_slow(env)
    monkeypatch.setattr(evaluation, "SECONDS", 0)  # so who was slow stays so

    def for_one(job: Job, seconds: float = 5) -> bool:
        is_second = seconds == evaluation.LONGER and compared[-1] != {other.id}
        job.unfinished |= is_second
        return not is_second

    monkeypatch.setattr(Job, "has_time", for_one)
    turns = list[set[UUID]]()
    for _ in range(4):
        compared.clear()
        assert env.evaluated()["state"] == "unfinished"
        assert len(compared) == 2
        turns.append(compared[-1])
    assert (len(set(map(frozenset, turns[:3]))), turns[3]) == (3, turns[0])
    assert firing(env, *tenants, other) == [1, 1, 1, 1]


def test_a_job_that_is_killed_anywhere_fires_alerts_of_slow_tenants_once(env: AlertEnv) -> None:
    tenants = [failing(env, alerts=2) for _ in range(2)]
    put_last = "INSERT INTO app.rollup_settings (tenant_id, alerts_slow_at) VALUES (%s, now())"
    env.platform.superuser.execute(put_last, (tenants[0].id,))
    env.fold()
    assert list(steps(env.run))
    env.evaluated()
    assert firing(env, *tenants) == [2, 2]
    for tenant in tenants:
        for alert in env.ask(tenant, "GET").json:
            assert [event["type"] for event in env.history(tenant, alert)] == ["fired"]
