"""What a preview says, the run then does: row for row and byte for byte, whatever the tenant has."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from flomastr.archive import preview as previews
from functions.archive.handler import lambda_handler as archive_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import keep
from tests.support.events import Answer
from tests.support.factories import Tenant
from tests.support.listing import ask

STATUSES = ["success", "success", "success", "error", "crashed", "canceled", "running", "waiting", "new"]
TTLS = [1, 7, 8, 14, 30, 45, 60, 90, 200]
CLASSES = {7: 1, 14: 1, 30: 7, 60: 7, 90: 7}  # as far as the environment has partitions
DAY = 86_400
MOMENT = TODAY.isoformat()


def at_an_edge(random: Random) -> datetime:
    """Around the moment at which a retention class, or one of its partitions, is past."""
    days, width_days = random.choice(list(CLASSES.items()))
    epoch = TODAY.timestamp() / DAY
    partition = (epoch - days) // width_days * width_days + random.choice((-width_days, 0, width_days))
    edge = random.choice((epoch - days, partition))
    moment = datetime.fromtimestamp(edge * DAY, TODAY.tzinfo) + timedelta(milliseconds=random.choice((-1, 0, 1)))
    return min(moment, TODAY)


def anywhere(random: Random) -> datetime:
    return TODAY - timedelta(days=random.choice((random.uniform(0, 20), random.uniform(0, 120))))


def fill(env: ArchiveEnv, random: Random) -> list[Tenant]:
    tenants = [env.make.tenant(hot_ttl_days=random.choice(TTLS)) for _ in range(5)]
    for tenant in tenants:
        change_keep(env, random, tenant)
        workflows = [env.make.workflow(tenant) for _ in range(2)]
        ids = [execution(env, random, tenant, random.choice(workflows)) for _ in range(40)]
        for _ in range(6):
            late(env, random, tenant, random.choice(workflows))
        for number in range(4):
            session(env, random, tenant, workflows[number % 2], f"visitor-{number}")
        restored(env, tenant, random.sample(ids, 3))
        hold(env, random, tenant, random.choice(workflows), random.sample(ids, 2))
        change_class(env, random, tenant)
        change_keep(env, random, tenant)
    return tenants


def execution(env: ArchiveEnv, random: Random, tenant: Tenant, workflow: UUID) -> UUID:
    started = random.choice((at_an_edge, anywhere))(random)
    status = random.choice(STATUSES)
    heard = random.choice((started, min(started + timedelta(days=random.uniform(0, 50)), TODAY)))
    return env.execution(
        tenant,
        workflow,
        0,
        started_at=started,
        created_at=random.choice((started, heard)),
        status=status,
        finished_at=heard if status in STATUSES[:6] else None,
        execution_data={"mode": "webhook", "text": random.choice("xyz") * random.choice((1, 100, 3_000, 40_000))},
        error_message="failed" * random.choice((1, 700)) if status == "error" else None,
    )


def late(env: ArchiveEnv, random: Random, tenant: Tenant, workflow: UUID) -> None:
    """Recorded now, as a delivery is that comes late: it goes to the overflow partition where its partition is gone."""
    started = anywhere(random)
    status = random.choice(STATUSES)
    id = env.make.execution(tenant, workflow, started_at=started.isoformat(), status=status)
    env.superuser.execute(
        "UPDATE app.workflow_executions SET created_at = %s, finished_at = CASE WHEN app.is_final(status) THEN %s END"
        " WHERE id = %s",
        (anywhere(random), started + timedelta(seconds=3), id),
    )


def session(env: ArchiveEnv, random: Random, tenant: Tenant, workflow: UUID, user_id: str) -> None:
    key = env.make.session(tenant, workflow, user_id, said="Hello" * random.choice((1, 1000)))
    (days,) = env.superuser.execute("SELECT hot_ttl_days FROM app.tenants WHERE id = %s", (tenant.id,)).fetchall()[0]
    edge = TODAY - timedelta(days=days) + timedelta(milliseconds=random.choice((-1, 0, 1)))
    env.superuser.execute(
        "UPDATE app.webchat_sessions SET updated_at = %s WHERE session_key = %s",
        (random.choice((edge, anywhere(random))), key),
    )


def restored(env: ArchiveEnv, tenant: Tenant, ids: list[UUID]) -> None:
    """Copies, as a rehydration makes them: they are not archived again."""
    (restore,) = env.superuser.execute(
        "INSERT INTO app.rehydrations (tenant_id, first_at, last_at, days, state, created_by)"
        " VALUES (%s, %s, %s, 30, 'done', 'test') RETURNING id",
        (tenant.id, TODAY - timedelta(days=100), TODAY),
    ).fetchall()[0]
    env.superuser.execute("UPDATE app.workflow_executions SET retention_class = 0 WHERE id = ANY (%s)", (ids,))
    env.superuser.execute(
        "INSERT INTO app.rehydrated_rows (tenant_id, id, rehydration_id, checksum)"
        " SELECT e.tenant_id, e.id, %s, app.execution_checksum(e)"
        " FROM app.workflow_executions AS e WHERE e.id = ANY (%s)",
        (restore, ids),
    )


def hold(env: ArchiveEnv, random: Random, tenant: Tenant, workflow: UUID, ids: list[UUID]) -> None:
    match random.choice(("none", "tenant", "workflow", "execution")):
        case "tenant" if random.random() < 0.5:
            env.make.hold(tenant)
        case "workflow":
            env.make.hold(tenant, workflow_id=workflow)
        case "execution":
            for id in ids:
                env.make.hold(tenant, execution_id=id)
        case _:
            pass


def change_class(env: ArchiveEnv, random: Random, tenant: Tenant) -> None:
    if random.random() < 0.6:
        days = random.choice(TTLS)
        env.superuser.execute("UPDATE app.tenants SET hot_ttl_days = %s WHERE id = %s", (days, tenant.id))


def change_keep(env: ArchiveEnv, random: Random, tenant: Tenant) -> None:
    if random.random() < 0.6:
        success_days, error_days = sorted((random.choice(TTLS), random.choice(TTLS)))
        keep(env, tenant, success_days, error_days, last_per_workflow=random.choice((0, 1, 5)))


def preview(env: ArchiveEnv, tenant: Tenant, at: str = MOMENT) -> Answer:
    return ask(env, tenant, "/routes/history/preview", query={"at": at})


def stored(env: ArchiveEnv, tenant: Tenant) -> dict[str, dict[str, int]]:
    done = {source: {"rows": 0, "bytes": 0} for source in ("workflow_executions", "webchat_sessions")}
    found = env.superuser.execute(
        "SELECT source, sum(rows)::bigint, sum(bytes)::bigint FROM app.archive_files"
        " WHERE tenant_id = %s AND state = 'stored' GROUP BY source",
        (tenant.id,),
    )
    return done | {source: {"rows": rows, "bytes": size} for source, rows, size in found}


def test_a_preview_equals_what_the_run_then_does(env: ArchiveEnv) -> None:
    env.partitions_since(130)
    tenants = [tenant for seed in range(3) for tenant in fill(env, Random(seed))]
    previews = [preview(env, tenant).json for tenant in tenants]
    env.run(archive_handler)
    done = [stored(env, tenant) for tenant in tenants]
    assert [
        {source: said[source] for source in ("workflow_executions", "webchat_sessions")} for said in previews
    ] == done
    assert sum(row["workflow_executions"]["rows"] for row in done) > 20
    assert sum(row["webchat_sessions"]["rows"] for row in done) > 0
    left = [preview(env, tenant).json for tenant in tenants]
    assert all(said["workflow_executions"]["rows"] == said["changing_class"] == 0 for said in left)
    assert [said["kept"] for said in left] == [said["kept"] for said in previews]


def test_it_says_what_stays_and_why(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=30)
    held, free = env.make.workflow(tenant), env.make.workflow(tenant)
    for age in (1, 20, 38):
        env.execution(tenant, held, age)
        env.execution(tenant, free, age, status="running", finished_at=None)
    env.make.hold(tenant, workflow_id=held)
    assert preview(env, tenant).json["kept"] == {"unfinished": 1, "held": 1, "by_policy": 0}
    env.superuser.execute("UPDATE app.tenants SET hot_ttl_days = 7 WHERE id = %s", (tenant.id,))
    answer = preview(env, tenant).json
    assert answer["kept"] == {"unfinished": 2, "held": 2, "by_policy": 0}
    assert answer["changing_class"] == 6


def test_it_looks_as_far_ahead_as_a_month(env: ArchiveEnv) -> None:
    env.partitions_since(20)
    tenant = env.make.tenant(hot_ttl_days=7)
    env.execution(tenant, env.make.workflow(tenant), 1)

    def in_days(days: float) -> str:
        return (datetime.now(TODAY.tzinfo) + timedelta(days=days)).isoformat()

    rows = [preview(env, tenant, in_days(days)).json["workflow_executions"]["rows"] for days in (0, 5, 9, 30.9)]
    assert rows == [0, 0, 1, 1]
    refused = preview(env, tenant, in_days(31.1))
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "query.at")


def test_another_tenants_rows_are_not_in_it(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant, other = env.make.tenant(hot_ttl_days=7), env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(other)
    env.execution(other, workflow, 20)
    env.make.hold(other, workflow_id=workflow)
    answer: dict[str, Any] = preview(env, tenant).json
    nothing = {"rows": 0, "bytes": 0}
    assert (answer["workflow_executions"], answer["webchat_sessions"]) == (nothing, nothing)
    assert answer["kept"] == {"unfinished": 0, "held": 0, "by_policy": 0}


READ = """
SELECT sum(seq_tup_read + idx_tup_fetch)::integer FROM pg_stat_xact_user_tables
WHERE relname LIKE 'workflow_executions_%'
"""  # rows, in this transaction


def test_executions_that_are_not_old_are_read_once_at_most(env: ArchiveEnv) -> None:
    env.partitions_since(20)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for _ in range(100):
        env.execution(tenant, workflow, 1)
    asked = previews.preview(TODAY)
    with psycopg.connect(env.app_url) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        session.execute(asked.sql, asked.params)
        ((read,),) = session.execute(READ).fetchall()
        assert read <= 100
