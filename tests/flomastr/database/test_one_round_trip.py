"""One request, one round trip: authorization and commit included, PgBouncer 1.18 in transaction mode between."""

import math
import time
from collections.abc import Callable, Iterator
from itertools import count
from statistics import median
from typing import Any
from uuid import UUID

import pytest

from flomastr.database import pipeline
from functions.documents.handler import lambda_handler as documents
from functions.executions.handler import lambda_handler as executions
from functions.knowledge_search.handler import lambda_handler as knowledge_search
from functions.workflows.handler import lambda_handler as workflows
from tests.support.connected import connected, port_of, through
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import proxy

ROUND_TRIP = 0.020
LIMIT = 1.5  # round trips
WARM, SAMPLES, ROUNDS = 7, 15, 5  # a backend plans a function anew for its first five calls

type Ask = Callable[..., Answer]

pytestmark = needs_pgbouncer


@pytest.fixture
def far(database_url: str) -> Iterator[None]:
    """The pooler is a round trip of 20 ms away."""
    with proxy(port_of(database_url)) as network, connected(DATABASE_URL=through(network.port, database_url)):
        network.latency(ROUND_TRIP)
        yield


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each flight took."""
    seconds: list[float] = []
    execute = pipeline.execute

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return execute(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - start)

    monkeypatch.setattr(pipeline, "execute", timed)
    return seconds


def requests(tenant: Tenant, workflow: UUID, execution: UUID, base: UUID) -> dict[str, Callable[[], Answer]]:
    fresh = count()

    def by(handler: Any, method: str, path: str, **request: Any) -> Callable[[], Answer]:
        return lambda: call(handler, method, path, caller=tenant.owner, **request)

    def key() -> dict[str, str]:
        return {"idempotency-key": f"key-{next(fresh)}"}

    new_workflow = {"name": "A workflow", "tags": ["orders"], "metadata": {"node": "Webhook"}}
    one_workflow, one_execution = f"/routes/workflows/{workflow}", f"/routes/workflow-executions/{execution}"

    def record(headers: Callable[[], dict[str, str]]) -> Callable[[], Answer]:
        return lambda: call(
            executions, "POST", "/routes/workflow-executions", caller=tenant.owner, headers=headers(),
            body={"workflow_id": str(workflow), "n8n_execution_id": str(next(fresh)), "status": "success"},
        )  # fmt: skip

    def create(headers: Callable[[], dict[str, str]]) -> Callable[[], Answer]:
        return lambda: call(
            workflows, "POST", "/routes/workflows", caller=tenant.owner, headers=headers(), body=new_workflow
        )

    def put_document() -> Answer:
        path = f"/routes/knowledge-bases/{base}/documents/refunds.md"
        return call(documents, "PUT", path, caller=tenant.owner, body={"content": f"Refund number {next(fresh)}"})

    asked = {"query": "How long do refunds take?"}
    return {
        "GET one workflow": by(workflows, "GET", one_workflow),
        "GET 50 workflows": by(workflows, "GET", "/routes/workflows"),
        "POST workflow": create(dict),
        "POST workflow with key": create(key),
        "PUT workflow": by(workflows, "PUT", one_workflow, body={"name": "Renamed"}),
        "GET one execution": by(executions, "GET", one_execution),
        "GET 50 executions": by(executions, "GET", "/routes/workflow-executions"),
        "POST execution": record(dict),
        "POST execution with key": record(key),
        "PUT document": put_document,
        "POST search": by(knowledge_search, "POST", f"/routes/knowledge/{tenant.slug}/search", body=asked),
        "POST search of words": by(
            knowledge_search, "POST", f"/routes/knowledge/{tenant.slug}/search", body=asked | {"mode": "text"}
        ),
        "PUT execution": by(executions, "PUT", one_execution, body={"error_message": "late"}),
    }


def test_every_simple_request_takes_one_round_trip(make: Factory, far: None, flights: list[float]) -> None:
    tenant = make.tenant()
    workflow = [make.workflow(tenant) for _ in range(51)][-1]
    execution = [make.execution(tenant, workflow) for _ in range(51)][-1]
    base = make.knowledge_base(tenant)
    for place in range(20):
        make.document(tenant, base, f"d{place}", f"Refunds take {place} days.")
    asked = requests(tenant, workflow, execution, base)
    medians = {name: quietest(ask, flights) for name, ask in asked.items()}
    for name, round_trips in medians.items():
        print(f"{name:26} {round_trips:.2f} round trips")
    assert {name: trips for name, trips in medians.items() if not 1.0 <= trips <= LIMIT} == {}


def quietest(ask: Callable[[], Answer], flights: list[float]) -> float:
    """The median in round trips. A machine that is busy with something else gets a few more chances."""
    assert all(ask().status < 300 for _ in range(WARM))
    best = math.inf
    for _ in range(ROUNDS):
        flights.clear()
        assert all(ask().status < 300 for _ in range(SAMPLES))
        assert len(flights) == SAMPLES
        best = min(best, median(flights) / ROUND_TRIP)
        if best <= LIMIT:
            break
    return best
