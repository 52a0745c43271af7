"""Analytics of one tenant with 200 workflows: folding, what the triggers cost, and dashboards beside raw counts."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, LiteralString
from uuid import UUID

import pytest

from functions.analytics.handler import lambda_handler as analytics
from functions.rollup.handler import lambda_handler as rollup
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.connected import connected
from tests.support.events import call
from tests.support.factories import Tenant
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(3600)

EXECUTIONS, STEP = 2_000_000, 100_000
GROUP = f"Analytics: {EXECUTIONS:,} executions of 200 workflows"
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data,
  error_message
)
SELECT
  30, overlay(app.uuid7_floor(s.at)::text PLACING '7' || left(md5(n::text), 3) || '-8' FROM 15)::uuid, %(tenant)s,
  (%(workflows)s::uuid[])[1 + n %% 200], n::text,
  CASE WHEN n %% 20 = 0 THEN 'error' ELSE 'success' END, s.at, s.at + random() ^ 4 * interval '60 seconds',
  jsonb_build_object('mode', 'trigger', 'text', repeat(md5(n::text), 9)),
  CASE WHEN n %% 20 = 0 THEN format('Order %%s of %%s was refused with status code %%s', n, md5(n::text), n %% 7) END
FROM generate_series(%(first)s::integer, %(first)s::integer + %(step)s - 1) AS n
CROSS JOIN LATERAL (SELECT now() - (1 - n / %(all)s::double precision) * interval '29.9 days' AS at) AS s
"""
RAW = """
SELECT date_trunc('day', started_at), workflow_id, status, count(*),
  percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY finished_at - started_at)
FROM app.workflow_executions WHERE tenant_id = %s AND started_at >= now() - interval '30 days' GROUP BY 1, 2, 3
"""
RECORD = """
SELECT count(*) FROM app.record_executions((
  SELECT jsonb_agg(jsonb_build_object(
    'workflow_id', (%(workflows)s::uuid[])[1 + n %% 20], 'n8n_execution_id', %(batch)s || '-' || n, 'status', 'success',
    'started_at', now(), 'finished_at', now(), 'execution_data', jsonb_build_object('text', repeat('x', 270))
  )) FROM generate_series(1, 1000) AS n
))
"""
RAW_BYTES = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('app.workflow_executions')"
TRIGGERS: dict[str, LiteralString] = {
    "off": """
    ALTER TABLE app.workflow_executions DISABLE TRIGGER note_inserted, DISABLE TRIGGER note_updated,
      DISABLE TRIGGER note_deleted
    """,
    "on": """
    ALTER TABLE app.workflow_executions ENABLE TRIGGER note_inserted, ENABLE TRIGGER note_updated,
      ENABLE TRIGGER note_deleted
    """,
}


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        env.partitions_since(35)
        yield env


@pytest.fixture(scope="module")
def tenant(env: ArchiveEnv) -> tuple[Tenant, list[UUID]]:
    tenant = env.make.tenant()
    return tenant, [env.make.workflow(tenant) for _ in range(200)]


def test_folding_and_dashboards(env: ArchiveEnv, tenant: tuple[Tenant, list[UUID]], report: Report) -> None:
    owner, workflows = tenant
    fill(env, owner, workflows, report)
    env.superuser.execute("UPDATE app.rollup_progress SET reconciled_at = now()")  # comparing is not folding
    began = time.perf_counter()
    assert env.run(rollup)["deltas_folded"] == EXECUTIONS
    folding = {"rows/s": EXECUTIONS / (time.perf_counter() - began)}
    report.add(GROUP, "the job folds", folding, Goal("rows/s", at_least=50_000))
    env.superuser.execute("VACUUM ANALYZE")
    (bytes,) = env.superuser.execute("SELECT pg_total_relation_size('app.execution_rollups')").fetchall()[0]
    (raw,) = env.superuser.execute(RAW_BYTES).fetchall()[0]
    report.add(GROUP, "rollups", {"% of raw bytes": 100 * int(bytes) / int(raw)}, Goal("% of raw bytes", at_most=5))

    began = time.perf_counter()
    env.superuser.execute(RAW, (owner.id,))
    report.add(GROUP, "raw counts by day, workflow and status", {"p50 ms": (time.perf_counter() - began) * 1000})
    with connected(DATABASE_URL=env.app_url):
        for name, times in in_turn(dashboards(owner, workflows[0]), rounds=15, unmeasured=2).items():
            report.add(GROUP, name, {"p50 ms": times.p50}, Goal("p50 ms", at_most=30))


def fill(env: ArchiveEnv, owner: Tenant, workflows: list[UUID], report: Report) -> None:
    """By statements of many rows, in the order of their time, which fire the triggers that note deltas."""
    began = time.perf_counter()
    for first in range(0, EXECUTIONS, STEP):
        values = {"tenant": owner.id, "workflows": workflows, "first": first, "step": STEP, "all": EXECUTIONS}
        env.superuser.execute(FILL, values)
    report.add(GROUP, "set-up", {"rows/s": EXECUTIONS / (time.perf_counter() - began)})
    env.superuser.execute("VACUUM ANALYZE")


def dashboards(owner: Tenant, workflow: UUID) -> dict[str, Callable[[], object]]:
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "executions by day": ("executions", {}),
        "executions by day and status": ("executions", {"group_by": "status"}),
        "executions of a workflow": ("executions", {"workflow_id": workflow}),
        "workflows by failures": ("workflows", {}),
        "workflows by p95": ("workflows", {"sort": "p95"}),
        "errors (not from rollups)": ("errors", {}),
        "nodes (not from rollups)": ("nodes", {"workflow_id": workflow}),
    }

    def asking(what: str, query: dict[str, Any]) -> Callable[[], object]:
        def ask() -> None:
            answer = call(analytics, "GET", f"/routes/analytics/{what}", query=query, caller=owner.owner)
            assert answer.status == 200, answer.body

        return ask

    return {name: asking(*request) for name, request in asked.items()}


def test_what_the_triggers_cost(env: ArchiveEnv, tenant: tuple[Tenant, list[UUID]], report: Report) -> None:
    owner, workflows = tenant
    taken: dict[str, list[float]] = {state: [] for state in TRIGGERS}
    for batch in range(24):
        for state, seconds in taken.items():
            env.superuser.execute(TRIGGERS[state])
            began = time.perf_counter()
            env.make.within(owner.id, RECORD, {"workflows": workflows, "batch": f"{state}-{batch}"})
            seconds.append(time.perf_counter() - began)
    off, on = (statistics.median(seconds) * 1000 for seconds in taken.values())
    figures = {"ms without": off, "ms with": on, "% more": 100 * (on / off - 1)}
    report.add(GROUP, "batches of 1,000", figures, Goal("% more", at_most=10))
