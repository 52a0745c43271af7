"""How fast rows become files, and how much memory it takes: in processes of their own, as a function has one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dev.paths import ROOT
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.archive_env import TODAY, ArchiveEnv, archive_env
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(1200)

ROWS = 1_000_000
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at,
  execution_data,
  error_message
)
SELECT
  30, app.uuid7(started), %(tenant)s, %(workflow)s, n::text, CASE WHEN n %% 10 = 0 THEN 'error' ELSE 'success' END,
  started, started + '2 seconds', started, jsonb_build_object('mode', 'trigger', 'text', repeat(md5(n::text), 8)),
  CASE WHEN n %% 10 = 0 THEN 'The service refused the connection' END
FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT %(start)s + n * interval '0.5 seconds' AS started) AS s
"""
# Prints the seconds that each part took, and the most memory that the process ever had.
EXPORT = """
import json, resource, sys, tempfile, time
from collections import Counter
from pathlib import Path
from psycopg import sql
from flomastr import object_storage
from flomastr.archive import export_job, parquet
from functions.archive.handler import lambda_handler
from tests.support.events import Context

seconds = Counter()

def timed(owner, name):
    call = getattr(owner, name)
    def timing(*args, **kwargs):
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - began
    setattr(owner, name, timing)

timed(parquet, "export")
if sys.argv[2] == "export alone":
    query = f"SELECT {parquet.EXECUTIONS.columns} FROM app.workflow_executions AS e ORDER BY e.tenant_id, e.id DESC"
    with tempfile.TemporaryDirectory() as folder:
        parquet.export(query, Path(folder) / "rows.parquet")
        seconds["bytes"] = (Path(folder) / "rows.parquet").stat().st_size
else:
    parts = (
        (export_job, "prepare"), (object_storage, "put"), (object_storage, "fetch"),
        (parquet, "tally"), (export_job, "drop_partition"),
    )
    for owner, name in parts:
        timed(owner, name)
    began = time.perf_counter()
    answer = lambda_handler({"time": sys.argv[1]}, Context(left_ms=900_000))
    seconds["all"] = time.perf_counter() - began
    assert answer["rows_archived"] == int(sys.argv[3]), answer
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(seconds | {"peak MB": peak}))
"""


@pytest.fixture(scope="module")
def full(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    """A database with a million executions of one tenant in one partition."""
    with archive_env(server, bucket) as env:
        env.partitions_since(14)
        tenant = env.make.tenant(hot_ttl_days=30)
        start = next(starts for _, starts, ends in env.partitions(30) if ends <= TODAY - timedelta(days=30))
        row = {"tenant": tenant.id, "workflow": env.make.workflow(tenant), "rows": ROWS, "start": start}
        env.superuser.execute(FILL, row)
        env.superuser.execute("VACUUM ANALYZE")
        yield env


def test_export_of_a_million_rows(full: ArchiveEnv, report: Report) -> None:
    for part in ("export alone", "the whole run"):
        taken = export(full, part)
        figures = {
            "rows/s": ROWS / taken["export"],
            "rows/s all in all": ROWS / taken.get("all", taken["export"]),
            "peak MB": taken.pop("peak MB"),
        }
        report.add("Export of 1,000,000 executions", part, figures, Goal("rows/s", at_least=200_000))
        report.add("Export of 1,000,000 executions", f"{part}: memory", figures, Goal("peak MB", at_most=512))
        for step, seconds in taken.items():
            report.add("Export of 1,000,000 executions", f"{part}: {step}", {"s": seconds})


def export(env: ArchiveEnv, part: str) -> dict[str, float]:
    environment = os.environ | {
        "DATABASE_URL": env.job_url,
        "PYTHONPATH": os.pathsep.join([".", "layers/flomastr"]),
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    command = [sys.executable, "-c", EXPORT, TODAY.isoformat(), part, str(ROWS)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
