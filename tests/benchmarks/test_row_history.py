"""What the history of rows costs those who write, and how long a recovery of 10,000 rows among a million takes."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psycopg
import pytest

from dev.services.postgres import Cluster
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.benchmarks.serving import Client, RunningPlatform
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(1800)

BATCH = 1000
TRIGGERS = ("record_inserted", "record_updated", "record_deleted")
TABLES = ("workflows", "workflow_executions", "knowledge_bases", "documents")
ROUNDS = 16
MOST = {
    "a batch of new executions": 15,
    "a batch of changed executions": 15,
    "one execution": 25,
    "one workflow": 25,
    "one new document": 25,
    "one changed document": 25,
}
TEXT = "".join(
    f"## Part {part}\n\n{'A refund is paid within fourteen days of a complaint. ' * 12}\n\n" for part in range(4)
)
ids = count(50_000_000)

type Calls = dict[str, Callable[[], object]]


def test_what_writers_pay(
    sample: SampleTenant, api: RunningPlatform, superuser: psycopg.Connection[Any], report: Report
) -> None:
    times: dict[tuple[str, bool], list[float]] = {}
    wal: dict[tuple[str, bool], list[float]] = {}
    with api.client() as client:
        for number in range(ROUNDS):
            for is_kept in (True, False) if number % 2 else (False, True):
                keep_history(superuser, is_kept)
                for name, call in calls(client, sample).items():
                    call()  # plans anew, since the tables have changed
                    for _ in range(1 if name.startswith("a batch") else 10):
                        before, began = lsn(superuser), time.perf_counter()
                        call()
                        times.setdefault((name, is_kept), []).append((time.perf_counter() - began) * 1000)
                        wal.setdefault((name, is_kept), []).append(lsn(superuser) - before)
    keep_history(superuser, True)
    for name, most in MOST.items():
        with_it, without = (statistics.median(times[name, is_kept]) for is_kept in (True, False))
        figures = {"ms": with_it, "ms without": without, "% more": (with_it / without - 1) * 100}
        report.add("History of rows, over HTTP", name, figures, Goal("% more", at_most=most))
        with_it, without = (statistics.median(wal[name, is_kept]) for is_kept in (True, False))
        figures = {"kB": with_it / 1000, "kB without": without / 1000, "% more": (with_it / without - 1) * 100}
        goal = Goal("% more", at_most=35) if name == "a batch of changed executions" else None
        report.add("History of rows, WAL", name, figures, goal)


def keep_history(superuser: psycopg.Connection[Any], is_kept: bool) -> None:
    for table in TABLES:
        for trigger in TRIGGERS:
            verb = "ENABLE" if is_kept else "DISABLE"
            superuser.execute(f"ALTER TABLE app.{table} {verb} TRIGGER {trigger}".encode())


def lsn(superuser: psycopg.Connection[Any]) -> float:
    return float(superuser.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()[0][0])


def calls(client: Client, sample: SampleTenant) -> Calls:
    def send(executions: list[dict[str, object]]) -> None:
        body = json.dumps({"tenant_id": sample.tenant.slug, "executions": executions}).encode()
        results = json.loads(client.ask("POST", "/routes/workflow-executions/batch", body))["results"]
        assert {result["outcome"] for result in results} <= {"created", "updated"}

    delivered = [[execution("running") for _ in range(BATCH)] for _ in range(2)]
    for executions in delivered:
        send(executions)
    ended = iter([[execution("success", of["n8n_execution_id"]) for of in executions] for executions in delivered])
    tenant = {"tenant_id": sample.tenant.slug}
    workflow = json.loads(client.post("/routes/workflows", tenant | {"name": "Changed"}))["id"]
    path = f"/routes/workflows/{workflow}?tenant_id={sample.tenant.slug}"
    base = json.loads(client.post("/routes/knowledge-bases", tenant | {"name": f"Base {next(ids)}"}))["id"]
    document = f"/routes/knowledge-bases/{base}/document?tenant_id={sample.tenant.slug}&name="

    def put(name: object) -> None:
        content = f"# Number {next(ids)}\n\n{TEXT}"
        client.ask("PUT", f"{document}{name}", json.dumps({"content": content}).encode())

    return {
        "a batch of new executions": lambda: send([execution("success") for _ in range(BATCH)]),
        "a batch of changed executions": lambda: send(next(ended)),
        "one execution": lambda: client.post("/routes/workflow-executions", tenant | execution("success")),
        "one workflow": lambda: client.ask("PUT", path, json.dumps({"name": f"Changed {next(ids)}"}).encode()),
        "one new document": lambda: put(next(ids)),
        "one changed document": lambda: put("changed"),
    }


def execution(status: str, n8n_id: object = None) -> dict[str, object]:
    moment = datetime.now(UTC).isoformat()
    return {
        "n8n_workflow_id": "bench",
        "n8n_execution_id": n8n_id or str(next(ids)),
        "status": status,
        "started_at": moment,
        "execution_data": {"mode": "trigger", "text": "x" * 270},
    }


ROWS, CHANGED = 1_000_000, 10_000
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data
)
SELECT 7, app.uuid7(s.at), %(tenant)s, %(workflow)s, n::text, 'success', s.at, s.at, '{"mode": "trigger"}'
FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT now() - n * interval '0.4 seconds' AS at) AS s
"""
OVERWRITE = """
UPDATE app.workflow_executions SET status = 'error', error_message = 'Overwritten', execution_data = '{"mode": "cli"}'
WHERE tenant_id = app.tenant() AND n8n_execution_id::integer %% %(step)s = 0
"""


@pytest.fixture
def recovered(server: Cluster, bucket: Bucket) -> Iterator[tuple[RecoveryEnv, Tenant]]:
    with recovery_env(server, bucket) as env:
        tenant = env.platform.make.tenant(hot_ttl_days=7)
        workflow = env.platform.make.workflow(tenant)
        with env.platform.superuser.transaction():
            env.platform.superuser.execute("SET LOCAL session_replication_role = replica")
            env.platform.superuser.execute(FILL, {"tenant": tenant.id, "workflow": workflow, "rows": ROWS})
        env.platform.superuser.execute("VACUUM ANALYZE")
        yield env, tenant


def test_ten_thousand_rows_among_a_million_are_recovered(recovered: tuple[RecoveryEnv, Tenant], report: Report) -> None:
    env, tenant = recovered
    at = env.restore_point()
    context = "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', 'key', true)"
    with psycopg.connect(env.platform.superuser.info.dsn, user="flo_app", options="-c statement_timeout=0") as conn:
        conn.execute(context, (str(tenant.id),))
        conn.execute(OVERWRITE, {"step": ROWS // CHANGED})
    began = time.perf_counter()
    preview = env.preview(tenant, at=at)
    previewed = time.perf_counter()
    assert preview["counts"] == {"workflow_executions": {"update": CHANGED}}
    assert env.apply(tenant, preview).json["state"] == "pending"
    applying = time.perf_counter()
    assert env.run()["recoveries_done"] == 1
    applied = time.perf_counter()
    assert env.preview(tenant, at=at)["counts"] == {}
    group = f"Recovery: {CHANGED:,} executions of a tenant's {ROWS:,}"
    report.add(group, "preview", {"s": previewed - began}, Goal("s", at_most=10))
    report.add(group, "apply, by the job", {"s": applied - applying}, Goal("s", at_most=60))
