"""What executions with 1 MB of data each cost hot Postgres and its readers, and what is left of them at their end."""

import os
import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dev.services.postgres import Cluster
from functions.archive.handler import lambda_handler as archive
from functions.erase.handler import lambda_handler as erase
from functions.executions.handler import lambda_handler as executions
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Goal, Report
from tests.support.archive_env import NOW, TODAY, ArchiveEnv, archive_env
from tests.support.archived_tenants import erasure_of
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant
from tests.support.n8n_capture import executed
from tests.support.n8n_capture import report as post
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(3600)

ROWS = int(os.environ.get("LARGE_ROWS", "10000"))
BATCH = 4
PATH = "/routes/workflow-executions"
STARTED = TODAY - timedelta(days=45)
SIZE = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('app.workflow_executions')"


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        yield env


def test_large_data(env: ArchiveEnv, report: Report) -> None:
    group = f"{ROWS:,} executions of 1 MB"
    small, large = (env.make.tenant(hot_ttl_days=7) for _ in range(2))
    with connected(DATABASE_URL=env.app_url):
        fill(env, small, "x")
        before = size(env)
        fill(env, large, "x" * 10 + secrets.token_hex(10), megabytes=1)
        grown = (size(env) - before) / 1e6 * 10_000 / ROWS
        report.add(group, "hot Postgres, of 10,000", {"MB": grown}, Goal("MB", at_most=200))
        one = {tenant.id: first(tenant) for tenant in (small, large)}
        times = in_turn(
            {
                "list, small": lambda: ask(small),
                "list, large": lambda: ask(large),
                "get, small": lambda: ask(small, one[small.id]),
                "get, large": lambda: ask(large, one[large.id]),
            },
            rounds=30,
            unmeasured=2,
        )
    for name, measured in times.items():
        report.add(group, name, {"p50 ms": measured.p50, "p99 ms": measured.p99})
    env.superuser.execute("UPDATE app.workflow_executions SET created_at = started_at")  # as if they had come then
    env.run(archive, NOW)
    env.superuser.execute("UPDATE app.tenants SET deleted_at = now() WHERE id = %s", (large.id,))
    erasure_of(env, large)
    left = {"hot": len(env.hot(large)), "objects": len(objects(env, large))}
    report.add(group, "archived", {name: float(number) for name, number in left.items()}, Goal("hot", at_most=0))
    env.run(erase, NOW)
    report.add(group, "erased", {"objects": len(objects(env, large))}, Goal("objects", at_most=0))
    assert report.missed(group) == []


def fill(env: ArchiveEnv, tenant: Tenant, text: str, megabytes: int = 0) -> None:
    token = env.make.api_key(tenant, scopes=["events:write"]).token()
    for start in range(0, ROWS, BATCH):
        runs = [
            executed(
                str(number),
                startedAt=(STARTED + timedelta(seconds=number)).isoformat(),
                stoppedAt=(STARTED + timedelta(seconds=number + 1)).isoformat(),
                data={"text": text + secrets.token_hex(500_000) * megabytes},
            )
            for number in range(start, min(start + BATCH, ROWS))
        ]
        assert post(token, runs).status == 202


def ask(tenant: Tenant, path: str = "") -> Answer:
    answer = call(executions, "GET", PATH + path, caller=tenant.owner)
    assert answer.status == 200
    return answer


def first(tenant: Tenant) -> str:
    return f"/{ask(tenant).json[0]['id']}"


def size(env: ArchiveEnv) -> float:
    return float(env.superuser.execute(SIZE).fetchall()[0][0])


def objects(env: ArchiveEnv, tenant: Tenant) -> list[str]:
    """With their old versions."""
    pages = env.bucket.client.get_paginator("list_object_versions").paginate(
        Bucket=env.bucket.name, Prefix=f"execution_data/tenant={tenant.id}/"
    )
    return [str(version.get("Key")) for page in pages for version in page.get("Versions", [])]
