"""How long a warm request takes: in the handler, through the gateway, and in bare psycopg as the floor."""

import os
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from flomastr.http.paging import PageRequest
from flomastr.workflows import executions
from flomastr.workflows.executions import Filter
from functions.executions.handler import lambda_handler
from tests.benchmarks.measure import Call, Times, in_turn
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.benchmarks.serving import Client, RunningPlatform
from tests.support.events import Context, http_event

pytestmark = pytest.mark.timeout(600)

PATH = "/routes/workflow-executions"
PAGE = PageRequest(limit=50, offset=0, after=None, counts=False, path=PATH, list_query="", tenant="")
QUERY = executions.newest(Filter(), PAGE)
TENANT = "SELECT set_config('app.tenant_id', %s, true)"
ROUNDS = 500


def test_warm_latency_in_the_handler(sample: SampleTenant, report: Report) -> None:
    with bare_connection() as conn:
        times = in_turn(handler_calls(sample) | bare_calls(conn, sample), ROUNDS)
    floor = times["list of 50, bare psycopg in one pipeline"].p50
    for name, taken in times.items():
        beyond, goal = ({}, None)
        if name == "list of 50":
            beyond, goal = {"over floor ms": taken.p50 - floor}, Goal("over floor ms", at_most=3)
        report.add("Warm, in the handler's process", name, latency(taken) | cpu(taken) | beyond, goal)


def test_warm_latency_through_the_gateway(sample: SampleTenant, api: RunningPlatform, report: Report) -> None:
    with api.client() as client:
        times = in_turn(gateway_calls(client, sample), ROUNDS)
    for name, taken in times.items():
        report.add("Warm, through the local gateway", name, latency(taken))


def handler_calls(sample: SampleTenant) -> dict[str, Call]:
    return {
        "GET one": lambda: call(sample, "GET", f"{PATH}/{sample.execution}"),
        "list of 50": lambda: call(sample, "GET", PATH),
        "POST": lambda: call(sample, "POST", PATH, new_execution(sample)),
    }


def gateway_calls(client: Client, sample: SampleTenant) -> dict[str, Call]:
    return {
        "GET one": lambda: client.ask("GET", f"{PATH}/{sample.execution}"),
        "list of 50": lambda: client.ask("GET", PATH),
        "POST": lambda: client.post(PATH, new_execution(sample)),
    }


def bare_calls(conn: psycopg.Connection[Any], sample: SampleTenant) -> dict[str, Call]:
    return {
        "list of 50, bare psycopg in one pipeline": lambda: one_pipeline(conn, sample),
        "list of 50, bare psycopg as usual": lambda: usual_way(conn, sample),
    }


def call(sample: SampleTenant, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = lambda_handler(http_event(method, path, body=body, caller=sample.tenant.owner), Context())
    assert answer["statusCode"] < 300, answer
    return answer


def new_execution(sample: SampleTenant) -> dict[str, Any]:
    return {
        "workflow_id": str(sample.workflow),
        "status": "success",
        "started_at": datetime.now(UTC).isoformat(),
        "execution_data": {"mode": "trigger", "text": "x" * 250},
    }


def bare_connection() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=None)


def one_pipeline(conn: psycopg.Connection[Any], sample: SampleTenant) -> list[Any]:
    with conn.pipeline():
        conn.execute("BEGIN READ ONLY")
        conn.execute(TENANT, [str(sample.tenant.id)])
        cursor = conn.execute(QUERY.sql, QUERY.params)
        conn.execute("COMMIT")
    return cursor.fetchall()


def usual_way(conn: psycopg.Connection[Any], sample: SampleTenant) -> list[Any]:
    with conn.transaction():
        conn.execute(TENANT, [str(sample.tenant.id)])
        return conn.execute(QUERY.sql, QUERY.params).fetchall()


def latency(times: Times) -> dict[str, float]:
    return {"p50 ms": times.p50, "p99 ms": times.p99}


def cpu(times: Times) -> dict[str, float]:
    return {"CPU ms": sum(times.cpu) / len(times.cpu)}
