"""A night with many tenants: a partition with few executions of each, so that its files are many and small."""

import time
from collections.abc import Iterator

import pytest

from functions.archive.handler import lambda_handler
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.archive_env import TODAY, ArchiveEnv, archive_env
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(1200)

TENANTS = 2000
FILL = """
WITH tenants AS (
  INSERT INTO app.tenants (slug, name, hot_ttl_days)
  SELECT 'many-' || n, 'Many', 7 FROM generate_series(1, %(tenants)s) AS n RETURNING id
), workflows AS (
  INSERT INTO app.workflows (tenant_id, name) SELECT id, 'Order intake' FROM tenants RETURNING id, tenant_id
)
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at
)
SELECT 7, app.uuid7(started), w.tenant_id, w.id, n::text, 'success', started, started, started
FROM workflows AS w, generate_series(1, 5) AS n,
  LATERAL (SELECT %(today)s - interval '7 days 22 hours' + n * interval '1 second' AS started) AS s
"""


@pytest.fixture
def full(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        env.partitions_since(1)
        env.superuser.execute(FILL, {"tenants": TENANTS, "today": TODAY})
        env.superuser.execute("VACUUM ANALYZE")
        yield env


def test_a_night_of_many_tenants(full: ArchiveEnv, report: Report) -> None:
    began = time.perf_counter()
    answer = full.run(lambda_handler, left_ms=900_000)
    seconds = time.perf_counter() - began
    assert answer["rows_archived"] == 5 * TENANTS
    figures = {"s": seconds, "ms a file": seconds / TENANTS * 1000}
    report.add(f"Archive: one partition, {TENANTS:,} tenants", "four writers", figures, Goal("s", at_most=60))
