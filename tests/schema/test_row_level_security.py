"""What row-level security alone refuses, on every tenant table, to SQL that flo_app sends as it likes."""

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import DivisionByZero, InsufficientPrivilege, InvalidTextRepresentation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.identity import Caller
from functions.workflows.handler import lambda_handler
from tests.events import call
from tests.factories import Factory, Tenant

type Connection = psycopg.Connection[Any]

# Every tenant table, whoever adds it, with its key and the columns that can be written.
TABLES = """
SELECT c.relname AS name, CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant_column,
  (SELECT array_agg(attname) FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')::text[] AS columns,
  (SELECT array_agg(attname) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
   WHERE indexrelid = (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid AND indisunique AND indpred IS NULL
     ORDER BY indisprimary DESC LIMIT 1))::text[] AS key
FROM pg_class AS c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id'))
"""
INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %(row)s)"
ENTER = """
SELECT
  set_config('app.tenant_id', %(tenant)s, true), set_config('app.role', %(role)s, true),
  set_config('app.person', %(person)s, true), set_config('app.email', %(email)s, true),
  set_config('app.actor', 'user:' || %(person)s, true)
"""
OVER_A_ROW = INSERT + " ON CONFLICT ({key}) DO UPDATE SET {tenant} = excluded.{tenant}"
REFUSED = [  # would write what is the other tenant's
    INSERT,
    INSERT + " ON CONFLICT DO NOTHING",
    OVER_A_ROW,
    "UPDATE {table} SET {tenant} = %(theirs)s WHERE {tenant} = %(ours)s",
    "MERGE INTO {table} AS t USING jsonb_populate_record(NULL::{table}, %(row)s) AS new ON t.{tenant} = %(theirs)s"
    " WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({new_columns})",
    "TRUNCATE {table} CASCADE",
]
BLIND = [  # find nothing to work on
    "SELECT FROM {table} WHERE {tenant} <> %(ours)s",
    "SELECT FROM {table} WHERE {tenant} = %(theirs)s FOR UPDATE",
    "UPDATE {table} SET {tenant} = {tenant} WHERE {tenant} = %(theirs)s",
    "UPDATE {table} SET {tenant} = %(ours)s WHERE {tenant} = %(theirs)s",
    "DELETE FROM {table} WHERE {tenant} = %(theirs)s",
    "MERGE INTO {table} AS t USING (SELECT 1) AS one ON t.{tenant} = %(theirs)s WHEN MATCHED THEN DELETE",
]


@dataclass(frozen=True)
class Table:
    name: str
    tenant_column: str
    columns: list[str]
    key: list[str]

    def sql(self, text: str) -> sql.Composed:
        listed = {"columns": self.columns, "key": self.key}
        names = {name: sql.SQL(", ").join(map(sql.Identifier, columns)) for name, columns in listed.items()}
        new = sql.SQL(", ").join(sql.Identifier("new", column) for column in self.columns)
        return sql.SQL(text).format(  # pyright: ignore[reportArgumentType]
            table=sql.Identifier("app", self.name), tenant=sql.Identifier(self.tenant_column), new_columns=new, **names
        )

    def row(self, superuser: Connection, tenant: Tenant) -> dict[str, Any]:
        row = superuser.execute(
            self.sql("SELECT to_jsonb(t) FROM {table} AS t WHERE {tenant} = %s"), (tenant.id,)
        ).fetchone()
        assert row, f"furnished() makes no row in app.{self.name}: add one."
        return row[0]


@pytest.fixture
def tables(superuser: Connection) -> list[Table]:
    return superuser.cursor(row_factory=class_row(Table)).execute(TABLES).fetchall()


def furnished(make: Factory) -> Tenant:
    """A tenant with a row in every table."""
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    workflow = make.workflow(tenant, n8n_workflow_id="1")
    make.execution(tenant, workflow, n8n_execution_id="1")
    make.api_key(tenant)
    make.preferences(tenant, colleague, colour="red")
    make.session(tenant, workflow, colleague.user_id)
    make.tenant_action(tenant)
    asked: dict[str, Any] = {"headers": {"idempotency-key": "1"}, "body": {"name": "Two"}}
    assert call(lambda_handler, "POST", "/routes/workflows", caller=tenant.owner, **asked).status == 201
    return tenant


def enter(conn: Connection, tenant: object, role: str = "key", person: Caller | None = None) -> None:
    caller = {
        "tenant": str(tenant),
        "role": role,
        "person": person and person.user_id,
        "email": person and person.email,
    }
    conn.execute(ENTER, caller)


@pytest.mark.parametrize("role", ["key", "owner", "super_admin"])
def test_nothing_of_another_tenant_is_read_changed_or_made(
    make: Factory, superuser: Connection, tables: list[Table], role: str
) -> None:
    """Not even by the other tenant's owner, while in ours."""
    ours, theirs = furnished(make), furnished(make)
    for table in tables:
        row = table.row(superuser, theirs)
        params = {"row": Jsonb(row), "ours": ours.id, "theirs": theirs.id}
        for statement in REFUSED:
            with pytest.raises(InsufficientPrivilege), make.conn.transaction():
                enter(make.conn, ours.id, role, theirs.owner)
                make.conn.execute(table.sql(statement), params)
        for statement in BLIND:
            with make.conn.transaction():
                enter(make.conn, ours.id, role, theirs.owner)
                assert make.conn.execute(table.sql(statement), params).rowcount == 0, (table.name, statement)
        assert table.row(superuser, theirs) == row
        assert table.row(superuser, ours)


def test_no_row_is_taken_over_by_inserting_its_id_under_the_own_tenant(
    make: Factory, superuser: Connection, tables: list[Table]
) -> None:
    ours, theirs = furnished(make), furnished(make)
    keyed_by_id = [table for table in tables if table.tenant_column not in table.key]
    assert len(keyed_by_id) >= 4
    for table in keyed_by_id:
        row = table.row(superuser, theirs)
        with pytest.raises(InsufficientPrivilege), make.conn.transaction():
            enter(make.conn, ours.id)
            make.conn.execute(table.sql(OVER_A_ROW), {"row": Jsonb(row | {"tenant_id": str(ours.id)})})
        assert table.row(superuser, theirs) == row


def test_the_own_rows_are_all_there(make: Factory, tables: list[Table]) -> None:
    tenant = furnished(make)
    for table in tables:
        with make.conn.transaction():
            enter(make.conn, tenant.id)
            assert make.conn.execute(table.sql("SELECT FROM {table}")).rowcount >= 1


@pytest.mark.parametrize("role", ["user", "admin"])
def test_outside_tenants_people_change_nothing_and_see_only_where_they_belong(
    make: Factory, superuser: Connection, tables: list[Table], role: str
) -> None:
    theirs = furnished(make)
    for table in tables:
        row = table.row(superuser, theirs)
        params = {"row": Jsonb(row), "theirs": theirs.id}
        with make.conn.transaction():
            enter(make.conn, "", role, theirs.owner)
            assert make.conn.execute(table.sql("DELETE FROM {table}")).rowcount == 0
            assert make.conn.execute(table.sql("UPDATE {table} SET {tenant} = {tenant}")).rowcount == 0
            seen = make.conn.execute(table.sql("SELECT FROM {table} WHERE {tenant} = %(theirs)s"), params).rowcount
            assert seen == (table.name in ("tenants", "tenant_memberships"))
        with pytest.raises(InsufficientPrivilege), make.conn.transaction():
            enter(make.conn, "", role, theirs.owner)
            make.conn.execute(table.sql(INSERT), params)
        assert table.row(superuser, theirs) == row


@pytest.mark.parametrize("nobody", [None, "", "00000000-0000-0000-0000-000000000000"])
def test_without_a_tenant_there_are_no_rows(make: Factory, tables: list[Table], nobody: str | None) -> None:
    furnished(make)
    for table in tables:
        with make.conn.transaction():
            if nobody is not None:
                enter(make.conn, nobody)
            for statement in ("SELECT FROM {table}", "DELETE FROM {table}", "UPDATE {table} SET {tenant} = {tenant}"):
                assert make.conn.execute(table.sql(statement)).rowcount == 0


@pytest.mark.parametrize("malformed", [" ", "x", "' OR true --", "%", "{}", "00000000-0000-0000-0000-00000000000"])
def test_a_malformed_tenant_is_an_error_and_never_rows(make: Factory, tables: list[Table], malformed: str) -> None:
    furnished(make)
    for table in tables:
        with pytest.raises(InvalidTextRepresentation), make.conn.transaction():
            enter(make.conn, malformed)
            make.conn.execute(table.sql("SELECT FROM {table}"))


def test_executions_are_reached_through_their_table_and_not_through_its_leaves(
    make: Factory, superuser: Connection
) -> None:
    tenant = furnished(make)
    (leaf,) = superuser.execute(
        "SELECT tableoid::regclass::text FROM app.workflow_executions WHERE tenant_id = %s", (tenant.id,)
    ).fetchall()[0]
    for name in (leaf, "app.workflow_executions_c30", "app.workflow_executions_c30_backlog"):
        for statement in ("SELECT FROM {}", "DELETE FROM {}", "TRUNCATE {}", "INSERT INTO {} DEFAULT VALUES"):
            with pytest.raises(InsufficientPrivilege), make.conn.transaction():
                enter(make.conn, tenant.id)
                make.conn.execute(sql.SQL(statement).format(sql.SQL(name)))


SETTINGS = """
SELECT
  coalesce(current_setting('app.tenant_id', true), ''), coalesce(current_setting('app.actor', true), ''),
  current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('transaction_read_only'),
  app.tenant(), (SELECT count(*) FROM app.workflows)
"""
UNSET = ("", "", "0", "0", "off", None, 0)


def probed(*, clients: int = 2) -> list[Any]:
    """What new clients find, at once, so that each has a backend of its own: all that the pool has."""
    with ExitStack() as stack:
        conns = [stack.enter_context(psycopg.connect(os.environ["DATABASE_URL"])) for _ in range(clients)]
        return [conn.execute(SETTINGS).fetchone() for conn in conns]


def test_no_tenant_is_left_behind_for_the_next_client_of_the_pool(make: Factory) -> None:
    tenants = [furnished(make) for _ in range(2)]
    for ending in ("COMMIT", "ROLLBACK", "SELECT 1 / 0", ""):
        for tenant in tenants:
            with suppress(DivisionByZero), psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
                conn.execute("BEGIN READ ONLY")
                enter(conn, tenant.id)
                conn.execute("SELECT set_config('app.actor', 'user:x', true), set_config('lock_timeout', '9', true)")
                conn.execute(ending)  # the empty one leaves in the middle of its transaction
            assert probed() == [UNSET, UNSET], ending


def test_no_tenant_is_left_behind_by_requests_that_fail(make: Factory) -> None:
    tenants = [furnished(make) for _ in range(2)]
    for tenant, other in zip(tenants, reversed(tenants), strict=True):
        asked: list[tuple[str, str, dict[str, Any], int]] = [
            ("GET", "", {}, 200),
            ("GET", f"/{other.id}", {}, 404),  # after app.enter
            ("GET", "", {"query": {"tenant_id": other.slug}}, 404),  # in app.enter
            ("POST", "", {"body": {"name": "Again", "n8n_workflow_id": "1"}}, 409),
            ("PUT", f"/{make.workflow(tenant)}", {"body": {"name": "x"}, "headers": {"if-match": '"old"'}}, 412),
        ]
        for method, path, request, status in asked:
            assert (
                call(lambda_handler, method, f"/routes/workflows{path}", caller=tenant.owner, **request).status
                == status
            )
            assert probed() == [UNSET, UNSET]
