"""Every test has a database of its own: jobs act on all tenants, at moments that only these tests know."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dev.samples import load_demo
from dev.services.postgres import Cluster
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.factories import Factory, Tenant
from tests.support.s3 import Bucket


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        yield env


@pytest.fixture
def loaded(make: Factory) -> Tenant:
    """With what a real n8n ran."""
    tenant = make.tenant()
    workflows: dict[str, UUID] = {}
    runs: list[Any] = [
        run for page in json.loads((load_demo.SAMPLE / "executions_pages.json").read_text()) for run in page["data"]
    ]
    for run in runs:
        if run["workflowId"] not in workflows:
            workflows[run["workflowId"]] = make.workflow(tenant)
        error: dict[str, Any] = run["data"]["resultData"].get("error") or {}
        make.execution(
            tenant,
            workflows[run["workflowId"]],
            n8n_execution_id=run["id"],
            status=run["status"],
            started_at=(datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=int(run["id"]))).isoformat(),
            execution_data={"mode": run["mode"]} | run["data"],
            error_message=error.get("message"),
        )
    return tenant
