"""The summary of executions."""

from datetime import UTC, datetime, timedelta
from typing import Any

from functions.executions.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant


def ask(tenant: Tenant, **query: Any) -> Answer:
    return call(lambda_handler, "GET", "/routes/workflow-executions/stats/summary", query=query, caller=tenant.owner)


def run(status: str, hours_ago: float, seconds: float | None, mode: str | None = "trigger") -> dict[str, Any]:
    start = datetime.now(UTC) - timedelta(hours=hours_ago)
    return {
        "status": status,
        "started_at": start.isoformat(),
        "finished_at": None if seconds is None else (start + timedelta(seconds=seconds)).isoformat(),
        "execution_data": mode and {"mode": mode},
    }


def test_a_tenant_without_executions_has_zeros(make: Factory) -> None:
    assert ask(make.tenant()).json == {
        "total_executions": 0,
        "successful": 0,
        "failed": 0,
        "running": 0,
        "success_rate": 0,
        "avg_duration_seconds": 0,
        "period_days": 30,
        "by_status_and_mode": [],
    }


def test_it_counts_by_outcome_and_by_status_and_mode(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    workflow = make.workflow(tenant)
    make.execution(other, make.workflow(other), **run("success", 1, 999))
    for execution in (
        run("success", 1, 10),
        run("success", 1, 20),
        run("success", 2, 30, "webhook"),
        run("error", 1, 0),
        run("crashed", 1, 40, None),
        run("canceled", 1, 50),
        run("waiting", 1, 60),
        run("running", 1, None),
    ):
        make.execution(tenant, workflow, **execution)
    assert ask(tenant, days=1).json == {
        "total_executions": 8,
        "successful": 3,
        "failed": 2,
        "running": 2,
        "success_rate": 60.0,
        "avg_duration_seconds": 25.0,
        "period_days": 1,
        "by_status_and_mode": [
            {"status": "success", "mode": "trigger", "executions": 2},
            {"status": "canceled", "mode": "trigger", "executions": 1},
            {"status": "crashed", "mode": None, "executions": 1},
            {"status": "error", "mode": "trigger", "executions": 1},
            {"status": "running", "mode": "trigger", "executions": 1},
            {"status": "success", "mode": "webhook", "executions": 1},
            {"status": "waiting", "mode": "trigger", "executions": 1},
        ],
    }


def test_the_period_and_the_workflow_bound_it(make: Factory) -> None:
    tenant = make.tenant()
    first, second = make.workflow(tenant), make.workflow(tenant)
    make.execution(tenant, first, **run("success", 23.9, 1))
    make.execution(tenant, first, **run("success", 24.1, 1))
    make.execution(tenant, second, **run("error", 1, 1))
    assert ask(tenant, days=1).json["total_executions"] == 2
    assert ask(tenant, days=2).json["total_executions"] == 3
    assert ask(tenant, days=2, workflow_id=str(first)).json["total_executions"] == 2
    assert ask(tenant, workflow_id=str(make.workflow(make.tenant()))).json["total_executions"] == 0
