"""Beside what a user would write instead: the same requests, rows and PgBouncer, in blocks that take turns."""

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import batched, count
from statistics import median
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from dev.samples.fill_knowledge import documents_of
from functions.documents.handler import lambda_handler as documents
from functions.executions.handler import lambda_handler as executions
from functions.knowledge_search.handler import lambda_handler as knowledge
from tests.benchmarks.measure import Call, Times
from tests.benchmarks.peer import handler as peer
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import fill
from tests.conftest import Cluster
from tests.support.connected import connected, port_of, through
from tests.support.events import Context, call, http_event
from tests.support.factories import Factory, Tenant
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import Proxy, proxy

pytestmark = [pytest.mark.timeout(1800), needs_pgbouncer]

OF_TENANT, ALL = 100_000, 1_000_000
PASSAGES, TENANTS_WITH_PASSAGES = 5_000, 4
PATH = peer.PATH
BLOCKS, CALLS, CALLS_FAR = 15, 20, 5
RATIO = "ours : peer"
QUESTION = "legal hold"
NAMES = ("GET one", "list of 50", "POST", "batch of 1,000", "summary of 90 days", "search")
NEAR_GOALS = dict.fromkeys(NAMES, 0.8)
FAR_GOALS = dict.fromkeys(NAMES, 0.25) | {"batch of 1,000": 0.4}
ids = count(1)

SAME_ROWS: tuple[LiteralString, ...] = (
    "INSERT INTO peer_members SELECT user_id, tenant_id FROM app.tenant_memberships",
    "INSERT INTO peer_workflows SELECT id, tenant_id, n8n_workflow_id FROM app.workflows WHERE n8n_workflow_id <> ''",
    """
    INSERT INTO peer_executions (id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at,
      execution_data, error_message, created_at)
    SELECT id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data,
      error_message, created_at
    FROM app.workflow_executions WHERE workflow_id IN (SELECT id FROM peer_workflows)
    """,
    """
    INSERT INTO peer_passages (id, tenant_id, document_name, chunk_index, chunk_text)
    SELECT id, tenant_id, document_name, chunk_index, chunk_text FROM app.embeddings
    """,
    "GRANT SELECT, INSERT, UPDATE ON peer_members, peer_workflows, peer_executions, peer_passages TO flo_app",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True)
class Rows:
    tenant: Tenant
    execution: UUID


@pytest.fixture(scope="module")
def rows(make: Factory, server: Cluster, database: str) -> Rows:
    """A tenant's 100,000 executions among a million, 5,000 passages among 20,000, and the same in the peer's tables."""
    tenants = [make.tenant() for _ in range(ALL // OF_TENANT)]
    for tenant in tenants:
        fill(make, tenant, make.workflow(tenant, n8n_workflow_id="peer"), OF_TENANT)
    for tenant in tenants[:TENANTS_WITH_PASSAGES]:
        teach(make, tenant)
    workflow = make.workflow(tenants[0], n8n_workflow_id="one")
    execution = make.execution(tenants[0], workflow, n8n_execution_id="one")
    url = server.url("postgres", database)
    with psycopg.connect(url, autocommit=True) as conn:
        made = peer.engine_of(url)
        peer.Base.metadata.create_all(made)
        made.dispose()
        for statement in SAME_ROWS:
            conn.execute(statement)
    return Rows(tenants[0], execution)


def teach(make: Factory, tenant: Tenant) -> None:
    path = f"/routes/knowledge-bases/{make.knowledge_base(tenant)}/documents/batch"
    for sent in batched(documents_of(PASSAGES), 10, strict=False):
        answer = call(documents, "POST", path, body={"documents": sent}, caller=tenant.owner)
        assert answer.status < 300, answer


@contextmanager
def at_distance(database_url: str, seconds: float) -> Generator[Proxy | None]:
    """Both reach the same PgBouncer, so far away. The network between, if there is any."""
    with ExitStack() as stack:
        network, url = None, database_url
        if seconds:
            network = stack.enter_context(proxy(port_of(url)))
            network.latency(seconds)
            url = through(network.port, url)
        stack.enter_context(connected(DATABASE_URL=url))
        peer.engine.cache_clear()
        yield network
        peer.engine().dispose()


@pytest.mark.parametrize(
    ("milliseconds", "calls", "goals"), [(0, CALLS, NEAR_GOALS), (20, CALLS_FAR, FAR_GOALS)], ids=["near", "far"]
)
def test_beside_the_peer(
    milliseconds: int, calls: int, goals: Mapping[str, float], rows: Rows, database_url: str, report: Report
) -> None:
    group = f"Beside FastAPI, Mangum and SQLAlchemy, {milliseconds} ms from PgBouncer"
    with at_distance(database_url, milliseconds / 1000) as network:
        for name, goal in goals.items():
            ours = knowledge if name == "search" else executions
            mine, theirs = (partial(ask, handler, rows, name) for handler in (ours, peer.lambda_handler))
            figures = in_blocks(mine, theirs, 2 if name.startswith("batch") else calls)
            if network:
                figures |= {"our trips": trips(network, mine), "its trips": trips(network, theirs)}
            report.add(group, name, figures, Goal(RATIO, at_most=goal))


def trips(network: Proxy, asked: Call) -> float:
    """How often it waits for the network."""
    with network.counting_turns():
        asked()
    return network.turns


def in_blocks(mine: Call, theirs: Call, calls: int) -> dict[str, float]:
    """Ratios of the medians of two blocks that follow each other: what else the machine does falls on both."""
    for warmed in (mine, theirs):
        block(warmed, 10)
    pairs = [(block(mine, calls), block(theirs, calls)) for _ in range(BLOCKS)]
    ratios = [a.p50 / b.p50 for a, b in pairs]
    return {
        "ours ms": median(a.p50 for a, _ in pairs),
        "peer ms": median(b.p50 for _, b in pairs),
        RATIO: median(ratios),
        "least": min(ratios),
        "most": max(ratios),
    }


def block(call: Call, calls: int) -> Times:
    times = Times()
    for _ in range(calls):
        times.measure(call)
    return times


def ask(handler: Any, rows: Rows, name: str) -> None:
    answer = handler(request(rows, name), Context())
    assert answer["statusCode"] < 300, answer


def request(rows: Rows, name: str) -> dict[str, Any]:
    caller = rows.tenant.owner
    match name:
        case "GET one":
            return http_event("GET", f"{PATH}/{rows.execution}", caller=caller)
        case "list of 50":
            return http_event("GET", PATH, caller=caller)
        case "summary of 90 days":
            return http_event("GET", f"{PATH}/stats/summary", {"days": 90}, caller=caller)
        case "search":
            path = peer.SEARCH_PATH.format(slug=rows.tenant.slug)
            return http_event("POST", path, body={"query": QUESTION, "mode": "text"}, caller=caller)
        case "POST":
            return http_event("POST", PATH, body=delivery(), caller=caller)
        case _:
            return http_event(
                "POST", f"{PATH}/batch", body={"executions": [delivery() for _ in range(1000)]}, caller=caller
            )


def delivery() -> dict[str, Any]:
    moment = datetime.now(UTC).isoformat()
    return {
        "n8n_workflow_id": "peer",
        "n8n_execution_id": f"{os.getpid()}-{next(ids)}",
        "status": "success",
        "started_at": moment,
        "finished_at": moment,
        "execution_data": {"mode": "trigger", "text": "x" * 250},
    }
