"""Nights with many tenants: what each job takes, where there is little to do for each of them and much for all."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.archive.handler import lambda_handler as archive
from functions.compact.handler import lambda_handler as compact
from functions.erase.handler import lambda_handler as erase
from functions.expire.handler import lambda_handler as expire
from functions.partitions.handler import lambda_handler as partitions
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.archive_env import NOW, TODAY, ArchiveEnv, archive_env
from tests.support.archived_tenants import MONTH, wait
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(1200)

TENANTS, FEWER, ERASED = 2000, 500, 50
MAKE = """
WITH tenants AS (
  INSERT INTO app.tenants (slug, name, hot_ttl_days)
  SELECT 'many-' || n, 'Many', 7 FROM generate_series(1, %(tenants)s) AS n RETURNING id
)
INSERT INTO app.workflows (tenant_id, name) SELECT id, 'Order intake' FROM tenants
"""
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at
)
SELECT %(class)s, app.uuid7(started), w.tenant_id, w.id, started::text, 'success', started, started, started
FROM app.workflows AS w, generate_series(1, 5) AS n, LATERAL (SELECT %(at)s + n * interval '1 second' AS started) AS s
"""
PERSONS = """
INSERT INTO app.webchat_sessions (tenant_id, workflow_id, user_id, messages)
SELECT tenant_id, id, 'user_1', '[{"id": 1, "content": "Hello"}]' FROM app.workflows
"""
EXPIRE = "INSERT INTO app.cold_policies (tenant_id, cold_ttl_days) SELECT id, 30 FROM app.tenants"
CHANGE_CLASS = "UPDATE app.tenants SET hot_ttl_days = 14"
ASK_FOR_PERSONS = """
INSERT INTO app.erasures (tenant_id, user_id, requested_by) SELECT id, 'user_1', 'test' FROM app.tenants LIMIT %(most)s
"""
DELETE = "UPDATE app.tenants SET deleted_at = now() WHERE id IN (SELECT id FROM app.tenants LIMIT %(most)s)"
ASK_FOR_TENANTS = """
INSERT INTO app.erasures (tenant_id, requested_by) SELECT id, 'test' FROM app.tenants WHERE deleted_at IS NOT NULL
"""


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        env.partitions_since(1)
        yield env


def test_a_night_of_many_tenants(env: ArchiveEnv, report: Report) -> None:
    env.superuser.execute(MAKE, {"tenants": TENANTS})
    fill(env, 7, TODAY - timedelta(days=7, hours=22))
    began = time.perf_counter()
    answer = env.run(archive, left_ms=900_000)
    seconds = time.perf_counter() - began
    assert answer["rows_archived"] == 5 * TENANTS
    figures = {"s": seconds, "ms a file": seconds / TENANTS * 1000}
    report.add(f"Archive: one partition, {TENANTS:,} tenants", "four writers", figures, Goal("s", at_most=60))


def test_what_a_tenant_costs_each_job(env: ArchiveEnv, report: Report) -> None:
    def measure(name: str, job: Callable[..., Any], of: int, **done: int) -> None:
        began = time.perf_counter()
        answer = env.run(job, NOW, left_ms=900_000)
        seconds = time.perf_counter() - began
        assert answer["state"] == "done" and {key: answer.get(key) for key in done} == done, answer
        figures = {"tenants": of, "s": seconds, "ms a tenant": seconds / of * 1000}
        report.add("What a tenant costs each job", name, figures)

    env.superuser.execute(MAKE, {"tenants": FEWER})
    for day in (1, 2):
        fill(env, 0, MONTH + timedelta(days=day))
        measure(f"archive, of the overflow partition, day {day}", archive, FEWER, rows_archived=5 * FEWER)
    measure("compact, two files", compact, FEWER, files_merged=2 * FEWER)
    wait(env)
    measure("expire, objects that were merged", expire, FEWER, files_removed=2 * FEWER)
    fill(env, 7, TODAY - timedelta(days=2))
    env.superuser.execute(CHANGE_CLASS)
    measure("partitions, a change of the class", partitions, FEWER, rows_moved=5 * FEWER)
    env.superuser.execute(PERSONS)
    env.superuser.execute(ASK_FOR_PERSONS, {"most": ERASED})
    measure("erase, a person", erase, ERASED, erasures_done=ERASED)
    env.superuser.execute(DELETE, {"most": ERASED})
    env.superuser.execute(ASK_FOR_TENANTS)
    measure("erase, a tenant", erase, ERASED, erasures_done=ERASED)
    env.superuser.execute(EXPIRE)
    measure("expire, files past their time", expire, FEWER - ERASED, files_expired=FEWER - ERASED)


def fill(env: ArchiveEnv, retention_class: int, at: datetime) -> None:
    """Five executions of each tenant."""
    env.superuser.execute(FILL, {"class": retention_class, "at": at})
    env.superuser.execute("VACUUM ANALYZE")
