"""A full sweep of the archive over 90 days of executions: what it retires, what that costs, and who waits."""

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import pytest
from psycopg import sql

from flomastr.archive import export_job
from flomastr.archive.export_job import Partition
from flomastr.jobs import Job
from functions.archive.handler import lambda_handler
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.archive_env import TODAY, ArchiveEnv, archive_env
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(3000)

GROUP = "Retirement: a sweep over 2,000,000 executions of 90 days, 50 tenants"
ROWS, TENANTS, DAYS = 2_000_000, 50, 90
TTLS = {7: 1, 14: 1, 30: 7, 60: 7, 90: 7}  # days kept: days in a partition
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at,
  execution_data,
  error_message
)
SELECT
  %(days)s, app.uuid7(started), %(tenant)s, %(workflow)s, n::text,
  CASE WHEN n %% 1000 = 0 THEN 'running' WHEN n %% 10 = 0 THEN 'error' ELSE 'success' END,
  started, started + '2 seconds', started, jsonb_build_object('mode', 'trigger', 'text', md5(n::text)),
  CASE WHEN n %% 10 = 0 THEN 'The service refused the connection' END
FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT %(until)s - n * (interval '90 days' / %(rows)s) AS started) AS s
"""
# Computed from the moment in each id and the days of its retention class, with nothing of the schema: rows that are to
# go, rows that are past their class but whose partition has not ended, and a hash of those that are to stay.
EXPECTED = """
SELECT count(*) FILTER (WHERE goes), count(*) FILTER (WHERE NOT goes AND day < %(today)s - days),
  coalesce(sum(hashtextextended(id::text, 0)) FILTER (WHERE NOT goes), 0)
FROM (
  SELECT id, day, days, status <> 'running' AND (floor(day / step) + 1) * step + days <= %(today)s AS goes
  FROM (
    SELECT id, status, ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 86400000.0 AS day,
      %(days)s::integer AS days, %(step)s::integer AS step
    FROM app.workflow_executions WHERE tenant_id = %(tenant)s
  ) AS given
) AS judged
"""
FOUND = """
SELECT
  (SELECT coalesce(sum(rows), 0) FROM app.archive_files WHERE tenant_id = %(tenant)s AND state = 'stored'),
  (SELECT coalesce(sum(hashtextextended(id::text, 0)), 0) FROM app.workflow_executions WHERE tenant_id = %(tenant)s)
"""
# Records an execution every 10 ms, and says how long each took. One that waits for a lock for more than 50 ms fails.
PROBE = """
import json, select, sys, time
import psycopg
from psycopg.errors import LockNotAvailable

url, tenant, workflow = sys.argv[1:]
record = '''
SELECT app.record_executions(jsonb_build_array(
  jsonb_build_object('workflow_id', %s::text, 'status', 'success', 'started_at', now())
))
'''
taken, waited = [], 0
with psycopg.connect(url, autocommit=True, options="-c lock_timeout=50ms") as conn:
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        began = time.perf_counter()
        try:
            with conn.pipeline(), conn.transaction():
                conn.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))
                conn.execute(record, (workflow,))
        except LockNotAvailable:
            waited += 1
        taken.append((time.perf_counter() - began) * 1000)
taken.sort()
print(json.dumps({"p50 ms": taken[len(taken) // 2], "p99 ms": taken[len(taken) * 99 // 100], "max ms": taken[-1],
    "inserts": len(taken), "waits > 50 ms": waited}))
"""


@dataclass
class Wal:
    """What the job's own session wrote, in all and while it archived partitions."""

    all: int = 0
    retirement: int = 0
    rows: int = 0
    partitions: int = 0


@pytest.fixture(scope="module")
def full(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        env.partitions_since(DAYS + 1)
        yield env


def test_a_sweep(full: ArchiveEnv, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = fill(full)
    with probing(full) as quiet:
        full.superuser.execute("SELECT pg_sleep(10)")
    expected = {tenant: full.superuser.execute(EXPECTED, row).fetchall()[0] for tenant, row in tenants.items()}
    wal = watched(monkeypatch)
    with probing(full) as busy:
        answer = full.run(lambda_handler, left_ms=2_400_000)
    assert answer["state"] == "done"
    for tenant, row in tenants.items():
        stored, kept = full.superuser.execute(FOUND, row).fetchall()[0]
        assert (stored, kept) == (expected[tenant][0], expected[tenant][2]), row
    retired = sum(int(goes) for goes, _, _ in expected.values())
    waiting = sum(int(waits) for _, waits, _ in expected.values())
    assert retired == answer["rows_archived"] == wal.rows
    counts: dict[str, float] = {
        "retired": retired,
        "past class, partition not ended": waiting,
        "partitions": wal.partitions,
    }
    report.add(GROUP, "rows", counts)
    figures = {"WAL bytes a row": wal.retirement / retired, "WAL bytes a partition": wal.retirement / wal.partitions}
    report.add(GROUP, "the retirement itself", figures, Goal("WAL bytes a row", at_most=20))
    report.add(GROUP, "the whole run", {"WAL bytes a row": wal.all / retired})
    report.add(GROUP, "a batched DELETE and VACUUM", {"WAL bytes a row": batched_delete(full)})
    report.add(GROUP, "inserts without the job", quiet)
    report.add(GROUP, "inserts during the job", busy, Goal("waits > 50 ms", at_most=0.5))
    figures = {"x a fresh load": hot_bytes(full) / fresh_bytes(full)}
    report.add(GROUP, "hot size afterwards", figures, Goal("x a fresh load", at_most=1.05))


def fill(env: ArchiveEnv) -> dict[str, dict[str, Any]]:
    """Zipf: the n-th tenant has a n-th of the first one's rows."""
    weights = [1 / (number + 1) for number in range(TENANTS)]
    tenants: dict[str, dict[str, Any]] = {}
    for number, weight in enumerate(weights):
        days = list(TTLS)[number % len(TTLS)]
        tenant = env.make.tenant(hot_ttl_days=days)
        row = {
            "tenant": tenant.id,
            "workflow": env.make.workflow(tenant),
            "days": days,
            "step": TTLS[days],
            "rows": round(ROWS * weight / sum(weights)),
            "until": TODAY,
            "today": TODAY.timestamp() / 86400,
        }
        env.superuser.execute(FILL, row)
        tenants[tenant.slug] = row
    env.superuser.execute("VACUUM ANALYZE")
    return tenants


def watched(monkeypatch: pytest.MonkeyPatch) -> Wal:
    wal, drop_partition, run = Wal(), export_job.drop_partition, export_job.run

    def drop_watched(job: Job, partition: Partition) -> None:
        before, rows = written(job), job.counts["rows_archived"]
        drop_partition(job, partition)
        wal.retirement += written(job) - before
        wal.rows += job.counts["rows_archived"] - rows
        wal.partitions += 1

    def run_watched(job: Job) -> None:
        run(job)
        wal.all = written(job)

    monkeypatch.setattr(export_job, "drop_partition", drop_watched)
    monkeypatch.setattr(export_job, "run", run_watched)
    return wal


def written(job: Job) -> int:
    """Bytes of WAL that this session has written so far, by the server's own count."""
    job.conn.execute("SELECT pg_stat_force_next_flush()")
    return int(job.conn.execute("SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())").fetchall()[0][0])


@contextmanager
def probing(env: ArchiveEnv) -> Generator[dict[str, float]]:
    tenant = env.make.tenant(hot_ttl_days=365)
    command = [sys.executable, "-c", PROBE, env.app_url, str(tenant.id), str(env.make.workflow(tenant))]
    figures: dict[str, float] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin and process.stdout.readline() == "ready\n"
        yield figures
        process.stdin.write("\n")
        process.stdin.flush()
        figures |= json.loads(process.stdout.readline())


COLUMNS: LiteralString = """
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data,
  error_message, created_at
"""


def copied(env: ArchiveEnv, name: LiteralString, rows: int) -> None:
    env.superuser.execute("CREATE TABLE public." + name + " (LIKE app.workflow_executions INCLUDING ALL)")
    env.superuser.execute("CREATE UNIQUE INDEX ON public." + name + " (tenant_id, n8n_execution_id)")
    env.superuser.execute(
        "INSERT INTO public." + name + " (" + COLUMNS + ") SELECT " + COLUMNS + " FROM app.workflow_executions"
        " WHERE retention_class <> 365 ORDER BY tenant_id, id DESC LIMIT %s",
        (rows,),
    )


def batched_delete(env: ArchiveEnv, rows: int = 200_000) -> float:
    """Bytes of WAL a row, on a copy of some of the rows."""
    copied(env, "deleted_from", rows)
    env.superuser.execute("CHECKPOINT")
    before = env.superuser.execute("SELECT pg_current_wal_insert_lsn()").fetchall()[0][0]
    batch = "DELETE FROM public.deleted_from WHERE ctid = ANY (ARRAY(SELECT ctid FROM public.deleted_from LIMIT 10000))"
    while env.superuser.execute(batch).rowcount:
        pass
    env.superuser.execute("VACUUM public.deleted_from")
    diff = env.superuser.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", (before,))
    return float(diff.fetchall()[0][0]) / rows


def hot_bytes(env: ArchiveEnv) -> int:
    """Of everything that holds executions but the probe's."""
    return env.superuser.execute(
        "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('app.workflow_executions')"
        " WHERE isleaf AND relid::text NOT LIKE '%c365%'"
    ).fetchall()[0][0]


def fresh_bytes(env: ArchiveEnv) -> int:
    """Of the same rows in partitions that are loaded anew, in the same order."""
    columns = sql.SQL(COLUMNS)
    for (partition,) in env.superuser.execute(
        "SELECT relid::regclass::text FROM pg_partition_tree('app.workflow_executions')"
        " WHERE isleaf AND relid::text NOT LIKE '%c365%'"
    ).fetchall():
        names = {"partition": sql.SQL(partition), "fresh": sql.Identifier("fresh", partition), "columns": columns}
        env.superuser.execute("CREATE SCHEMA IF NOT EXISTS fresh")
        env.superuser.execute(sql.SQL("CREATE TABLE {fresh} (LIKE {partition} INCLUDING ALL)").format(**names))
        env.superuser.execute(
            sql.SQL("INSERT INTO {fresh} ({columns}) SELECT {columns} FROM {partition} ORDER BY ctid").format(**names)
        )
    env.superuser.execute("VACUUM")  # which makes the maps of free and visible pages, as the partitions have them
    return env.superuser.execute(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
        " WHERE relnamespace = 'fresh'::regnamespace AND relkind = 'r'"
    ).fetchall()[0][0]
