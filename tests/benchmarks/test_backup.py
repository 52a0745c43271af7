"""How fast tables become a backup, and a backup tables: in processes of their own, as a function has one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from dev.paths import ROOT
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.backup_env import BackupEnv, backup_env
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(1800)

ROWS = int(os.environ.get("BACKUP_ROWS", "2000000"))
PAGES = ROOT / "dev" / "samples" / "executions_pages.json"  # of a real n8n: 2.2 kB of data on average
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data
)
SELECT 30, app.uuid7(now() - n * interval '1 second'), %(tenant)s, %(workflow)s, n::text, 'success', now(), now(),
  t.texts[1 + n %% cardinality(t.texts)] || jsonb_build_object('number', n, 'digest', md5(n::text))
FROM generate_series(1, %(rows)s) AS n, (
  SELECT array_agg(value -> 'data') AS texts FROM jsonb_array_elements(%(executions)s)
) AS t
"""
MEASURE = """
import json, resource, sys, time
from flomastr.recovery import backup_manifest, restore
from functions.backup.handler import lambda_handler
from tests.support.events import Context

began, cpu = time.perf_counter(), time.process_time()
if sys.argv[1] == "backup":
    answer = lambda_handler({}, Context(left_ms=900_000))
    answer = {"rows": answer["rows"], "bytes": answer["text_bytes"], "objects": answer["bytes"]}
else:
    answer = restore.restore(sys.argv[1], backup_manifest.find("latest"), workers=int(sys.argv[2]))
taken = {"s": time.perf_counter() - began, "cpu s": time.process_time() - cpu}
print(json.dumps(answer | taken | {"peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@pytest.fixture(scope="module")
def full(server: Cluster, bucket: Bucket) -> Iterator[BackupEnv]:
    with backup_env(server, bucket) as env:
        tenant = env.make.tenant(hot_ttl_days=30)
        row = {"tenant": tenant.id, "workflow": env.make.workflow(tenant), "rows": ROWS}
        executions = [found for page in json.loads(PAGES.read_text()) for found in page["data"]]
        env.superuser.execute(FILL, row | {"executions": Jsonb(executions)})
        env.superuser.execute("TRUNCATE app.execution_deltas")  # as if they had been folded
        env.superuser.execute("VACUUM ANALYZE")
        yield env


def test_backup_and_restore(full: BackupEnv, report: Report) -> None:
    group = f"Backup of {ROWS:,} executions of 2 kB"
    for name, goal in (("first", Goal("rows/s", at_least=90_000)), ("again, unchanged", None)):
        taken = measured(full, "backup")
        figures = {"rows/s": taken["rows"] / taken["s"], "MB/s": taken["bytes"] / taken["s"] / 1e6}
        report.add(group, name, figures | {"s": taken["s"], "cpu s": taken["cpu s"]}, goal)
        report.add(group, f"{name}: memory", {"peak MB": taken["peak MB"]}, Goal("peak MB", at_most=300))
    for workers in (1, 2):
        with full.empty() as url:
            taken = measured(full, url, str(workers))
        figures = {"rows/s of a worker": taken["rows"] / taken["s"] / workers, "s": taken["s"], "cpu s": taken["cpu s"]}
        report.add(group, f"restore, {workers} workers", figures, Goal("rows/s of a worker", at_least=24_000))
        report.add(group, f"restore, {workers} workers: memory", {"peak MB": taken["peak MB"]})


def measured(env: BackupEnv, *arguments: str) -> dict[str, float]:
    environment = os.environ | {
        "DATABASE_URL": env.job_url,
        "PYTHONPATH": os.pathsep.join([".", "layers/flomastr"]),
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    command = [sys.executable, "-c", MEASURE, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
