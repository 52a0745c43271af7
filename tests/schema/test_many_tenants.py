"""What a request reads depends neither on how many other tenants there are, nor on all that the own one has.

A plan serves every tenant. It is made for one with a hundredth of a table, since the average one among thousands has so
few rows that a plan made for it reads all of a large one.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.errors import Diagnostic

from dev.services.postgres import Cluster
from flomastr.database import connection
from functions.alerts.handler import lambda_handler as alerts
from functions.analytics.handler import lambda_handler as analytics
from functions.api_keys.handler import lambda_handler as api_keys
from functions.chunks.handler import lambda_handler as chunks
from functions.documents.handler import lambda_handler as documents
from functions.executions.handler import lambda_handler as executions
from functions.history.handler import lambda_handler as history
from functions.holds.handler import lambda_handler as holds
from functions.knowledge_bases.handler import lambda_handler as knowledge_bases
from functions.members.handler import lambda_handler as members
from functions.n8n.handler import lambda_handler as n8n
from functions.recovery.handler import lambda_handler as recoveries
from functions.tenants.handler import lambda_handler as tenants
from functions.webchat.handler import lambda_handler as webchat
from functions.workflows.handler import lambda_handler as workflows
from tests.flomastr.knowledge.test_search_plans import PASSAGES
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.full_tenant import full_tenant
from tests.support.many_tenants import copy_rows, copy_tenant
from tests.support.simple_requests import requests

OTHERS = 1000
BLOCKS = 400  # of the cache, read by the statements of one request
MORE = {"POST search": 3000}  # most of them vectors, which are compared
EXPLAINED = (
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_timing = off",
)
EMBEDDED = """
INSERT INTO app.embedding_tasks (tenant_id, knowledge_base_id, document_id, embedding_model, status)
SELECT tenant_id, knowledge_base_id, id, 'model-a', 'embedded' FROM app.documents WHERE knowledge_base_id = %s
"""
OWN_ROWS = {"workflows": 1000, "workflow_executions": 20_000, "row_history": 1000, "legal_holds": 200}


@dataclass(frozen=True)
class Some:
    """A tenant, and something of it."""

    tenant: Tenant
    workflow: Any
    execution: Any
    base: Any


@pytest.fixture(scope="module")
def superuser(server: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with copy(server) as name, psycopg.connect(server.url("postgres", name), autocommit=True) as conn:
        for setting in EXPLAINED:
            conn.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        yield conn


@pytest.fixture(scope="module")
def make(server: Cluster, superuser: psycopg.Connection[Any]) -> Iterator[Factory]:
    with ExitStack() as stack:
        url = server.url("flo_app", superuser.info.dbname)
        stack.enter_context(connected(DATABASE_URL=url))
        yield Factory(stack.enter_context(psycopg.connect(url, autocommit=True)))


@pytest.fixture(scope="module")
def small_and_large(make: Factory, superuser: psycopg.Connection[Any]) -> dict[str, Some]:
    small, large = full_tenant(make), full_tenant(make)
    copy_tenant(superuser, small, OTHERS)
    for table, times in OWN_ROWS.items():
        copy_rows(superuser, table, large, times, {"id"})
    base = make.knowledge_base(large)
    superuser.execute(PASSAGES, {"tenant": large.id, "base": base, "passages": 15_000})
    superuser.execute("UPDATE app.knowledge_bases SET languages = '{english}' WHERE id = %s", (base,))
    superuser.execute(EMBEDDED, (base,))
    superuser.execute("ANALYZE")
    return {"small": some(superuser, small), "large": some(superuser, large, base)}


def some(superuser: psycopg.Connection[Any], tenant: Tenant, base: Any = None) -> Some:
    def one(table: str) -> Any:
        found = superuser.execute(f"SELECT id FROM app.{table} WHERE tenant_id = %s".encode(), (tenant.id,))
        return found.fetchall()[0][0]

    return Some(tenant, one("workflows"), one("workflow_executions"), base or one("knowledge_bases"))


def lists(of: Some) -> dict[str, Callable[[], Answer]]:
    def get(handler: Any, path: str, **query: Any) -> Callable[[], Answer]:
        return lambda: call(handler, "GET", path, caller=of.tenant.owner, query=query)

    base, slug = f"/routes/knowledge-bases/{of.base}", of.tenant.slug
    return {
        "tenants": get(tenants, "/routes/tenants"),
        "members": get(members, f"/routes/tenants/{slug}/members"),
        "legal holds": get(holds, "/routes/legal-holds"),
        "recoveries": get(recoveries, f"/routes/recovery/tenants/{slug}/recoveries"),
        "executions of a workflow": get(workflows, f"/routes/workflows/{of.workflow}/executions"),
        "bases": get(knowledge_bases, "/routes/knowledge-bases"),
        "chunks": get(chunks, f"{base}/chunks"),
        "chunks of a document": get(chunks, f"{base}/chunks", document_name="refunds.md"),
        "documents": get(documents, f"{base}/documents"),
        "alerts": get(alerts, "/routes/alerts"),
        "storage": get(analytics, "/routes/analytics/storage"),
        "keys": get(api_keys, "/routes/api-keys"),
        "archived files": get(history, "/routes/history/files"),
        "instances": get(n8n, "/routes/n8n/instances"),
        "chats": get(webchat, "/routes/webchat/sessions"),
        "executions with a status": get(executions, "/routes/workflow-executions", status="success"),
    }


def test_every_table_is_planned_for_large_tenants(superuser: psycopg.Connection[Any]) -> None:
    others = superuser.execute(
        "SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid"
        " WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND attname = 'tenant_id'"
        " AND attoptions IS DISTINCT FROM '{n_distinct=100,n_distinct_inherited=100}'"
    )
    assert others.fetchall() == []


def blocks(ask: Callable[[], Answer]) -> int:
    """Of the cache, that the statements of a request read once its plans are made."""
    for _ in range(8):  # after five of a session the server makes one plan for all tenants
        assert ask().status < 300
    heard = list[str]()

    def hear(notice: Diagnostic) -> None:
        heard.append(str(notice.message_primary))

    conn = connection.current
    assert conn
    conn.add_notice_handler(hear)
    conn.execute("SET client_min_messages = log")
    assert ask().status < 300
    conn.execute("RESET client_min_messages")
    conn.remove_notice_handler(hear)
    read = sum(max(map(int, re.findall(r"Buffers: shared hit=(\d+)", plan)), default=0) for plan in heard)
    assert read > 0
    return read


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_request_reads_little_among_many_tenants_and_of_a_large_one(
    small_and_large: dict[str, Some], size: str
) -> None:
    of = small_and_large[size]
    asked = requests(of.tenant, of.workflow, of.execution, of.base) | lists(of)
    read = {name: blocks(ask) for name, ask in asked.items()}
    assert {name: found for name, found in read.items() if found > MORE.get(name, BLOCKS)} == {}, read
