"""What an answer or a file does not carry of large executions is not read: of 20 MB a half at most."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import batched
from random import Random
from string import ascii_letters
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

from flomastr.http.paging import PageRequest
from flomastr.tenant_recovery import audit
from flomastr.tenant_recovery.audit import AuditFilter
from flomastr.workflows import executions
from flomastr.workflows.executions import Filter
from tests.support.factories import Factory, Tenant

type Session = psycopg.Connection[Any]
type Statement = LiteralString | Composed

SIZE, RUNS = 500_000, 40  # bytes that no compression makes smaller
STORED_BLOCKS = RUNS * SIZE / 8192
PAGE = PageRequest(limit=250, offset=0, after=None, counts=False, path="/", list_query="", tenant="")
DELETE: LiteralString = "DELETE FROM app.workflow_executions WHERE tenant_id = app.tenant()"
PREVIEW: LiteralString = """
SELECT * FROM app.preview_recovery(
  (SELECT max(taken_at) FROM app.restore_points WHERE reason = 'a test'), NULL, NULL, NULL, NULL, 'a test'
)
"""
DUE: LiteralString = """
SELECT app.plan_overflow(
  now() + interval '1 year', 10000, 'overflow', ARRAY(SELECT id FROM app.tenants WHERE id <> app.tenant())
)
"""
SMALL_FILES = SQL("CREATE OR REPLACE FUNCTION {}() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 5000000").format(
    Identifier("app", "text_bytes_of_file")
)


@pytest.fixture(scope="module")
def tenants(make: Factory, superuser: Session) -> dict[str, Tenant]:
    """One with executions of one letter, and one with as many large ones."""
    chosen, tenants = Random(7), {size: make.tenant(hot_ttl_days=7) for size in ("small", "large")}
    superuser.execute("INSERT INTO app.restore_points (reason) VALUES ('a test')")
    for size, tenant in tenants.items():
        workflow = make.workflow(tenant)
        for run in range(RUNS):
            text = "x" if size == "small" else "".join(chosen.choices(ascii_letters, k=SIZE))
            moment = f"2019-01-01T00:00:{run:02}Z"
            make.execution(
                tenant, workflow, n8n_execution_id=str(run), started_at=moment, finished_at=moment,
                execution_data={"text": text},
            )  # fmt: skip
    return tenants


@contextmanager
def within(conn: Session, tenant: Tenant) -> Generator[None]:
    with conn.transaction(force_rollback=True):
        settings = "SELECT set_config('app.tenant_id', %s, true), set_config('app.actor', 'test', true)"
        conn.execute(settings, (str(tenant.id),))
        yield


def more_blocks(
    conn: Session,
    tenants: dict[str, Tenant],
    sql: LiteralString,
    params: dict[str, Any],
    *before: LiteralString | Composed,
) -> int:
    """That are looked at for large executions, by a session that knows the catalogue.

    The least of three times: statistics that come meanwhile make Postgres plan once more.
    """
    found: list[int] = []
    for tenant in 4 * (tenants["small"], tenants["large"]):
        with within(conn, tenant):
            for statement in before:
                conn.execute(statement)
            explained = conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, SERIALIZE, FORMAT JSON) {sql}", params).fetchall()
            plan = explained[0][0][0]["Plan"]
            found.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return min(large - small for small, large in batched(found[2:], 2, strict=True))


@pytest.fixture
def session(direct_url: str) -> Iterator[Session]:
    with psycopg.connect(direct_url, autocommit=True) as conn:
        yield conn


def test_a_page_reads_the_data_that_it_carries(session: Session, tenants: dict[str, Tenant]) -> None:
    query = executions.newest_with_data(Filter(), PAGE)
    with within(session, tenants["large"]):
        assert len(session.execute(query.sql, query.params).fetchall()) == 13
    assert more_blocks(session, tenants, query.sql, query.params) < STORED_BLOCKS


def test_the_audit_trail_reads_no_data_that_was_inserted(session: Session, tenants: dict[str, Tenant]) -> None:
    query = audit.newest(AuditFilter(actor=None), PAGE)
    assert more_blocks(session, tenants, query.sql, query.params) < STORED_BLOCKS / 10


def test_the_audit_trail_reads_4_mb_of_what_was_deleted(session: Session, tenants: dict[str, Tenant]) -> None:
    query = audit.newest(AuditFilter(actor=None, action="delete"), PAGE)
    with within(session, tenants["large"]):
        session.execute(DELETE)
        found = session.execute(query.sql, query.params).fetchall()
    assert [set(row[8]) == {"omitted_bytes"} for row in found] == [False] * 7 + [True] * 33
    assert more_blocks(session, tenants, query.sql, query.params, DELETE) < STORED_BLOCKS / 2


def test_a_preview_reads_no_data_of_what_it_would_delete(session: Session, tenants: dict[str, Tenant]) -> None:
    assert more_blocks(session, tenants, PREVIEW, {}) < STORED_BLOCKS / 2  # a plan may look each row up in each table


def test_a_plan_reads_the_rows_of_its_file(superuser: Session, tenants: dict[str, Tenant]) -> None:
    assert more_blocks(superuser, tenants, DUE, {}, SMALL_FILES) < STORED_BLOCKS
    with within(superuser, tenants["large"]):
        superuser.execute(SMALL_FILES)
        superuser.execute(DUE)
        planned = "SELECT rows FROM app.archive_files WHERE tenant_id = app.tenant()"
        assert superuser.execute(planned).fetchall() == [(10,)]
