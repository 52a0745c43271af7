"""What row-level security alone refuses, on every tenant table, to SQL that flo_app sends as it likes."""

from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, InvalidTextRepresentation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tests.support.factories import Factory, Tenant
from tests.support.full_tenant import Connection, full_tenant, set_context

# Every tenant table, whoever adds it, with its key and the columns that can be written.
TABLES = """
SELECT c.relname AS name, CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant_column,
  has_table_privilege('flo_app', c.oid, 'SELECT') AS is_open,
  (SELECT array_agg(attname) FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')::text[] AS columns,
  coalesce((SELECT array_agg(attname) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
   WHERE indexrelid = (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid AND indisunique AND indpred IS NULL
     ORDER BY indisprimary DESC LIMIT 1)), '{}')::text[] AS key
FROM pg_class AS c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id'))
"""
INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %(row)s)"
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
    is_open: bool  # to flo_app
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
            self.sql("SELECT to_jsonb(t) FROM {table} AS t WHERE {tenant} = %s ORDER BY 1 LIMIT 1"), (tenant.id,)
        ).fetchone()
        assert row, f"full_tenant() makes no row in app.{self.name}: add one."
        return row[0]


@pytest.fixture
def tables(superuser: Connection) -> list[Table]:
    return superuser.cursor(row_factory=class_row(Table)).execute(TABLES).fetchall()


@pytest.fixture
def open_tables(tables: list[Table]) -> list[Table]:
    return [table for table in tables if table.is_open]


@pytest.mark.parametrize("role", ["key", "owner", "super_admin"])
def test_nothing_of_another_tenant_is_read_changed_or_made(
    make: Factory, superuser: Connection, tables: list[Table], role: str
) -> None:
    """Not even by the other tenant's owner, while in ours."""
    ours, theirs = full_tenant(make), full_tenant(make)
    for table in tables:
        row = table.row(superuser, theirs)
        params = {"row": Jsonb(row), "ours": ours.id, "theirs": theirs.id}
        for statement in REFUSED if table.key else [each for each in REFUSED if each != OVER_A_ROW]:
            with pytest.raises(InsufficientPrivilege), make.conn.transaction():
                set_context(make.conn, ours.id, role, theirs.owner)
                make.conn.execute(table.sql(statement), params)
        for statement in BLIND:
            with make.conn.transaction():
                set_context(make.conn, ours.id, role, theirs.owner)
                assert touched(make.conn, table.sql(statement), params) == 0, (table.name, statement)
        assert table.row(superuser, theirs) == row
        assert table.row(superuser, ours)


@pytest.mark.parametrize("role", ["key", "member", "admin", "owner", "super_admin"])
def test_what_was_done_to_a_tenant_is_not_rewritten(make: Factory, role: str) -> None:
    tenant = make.tenant()
    make.tenant_action(tenant)
    for context in (str(tenant.id), ""):
        for statement in ("UPDATE app.tenant_actions SET action = 'restore'", "DELETE FROM app.tenant_actions"):
            with pytest.raises(InsufficientPrivilege), make.conn.transaction():
                set_context(make.conn, context, role, tenant.owner)
                make.conn.execute(statement)


def touched(conn: Connection, statement: sql.Composed, params: Any = None) -> int:
    """How many rows it works on: none as well where flo_app has no right to try."""
    try:
        with conn.transaction():
            return conn.execute(statement, params).rowcount
    except InsufficientPrivilege:
        return 0


def test_no_row_is_taken_over_by_inserting_its_id_under_the_own_tenant(
    make: Factory, superuser: Connection, tables: list[Table]
) -> None:
    ours, theirs = full_tenant(make), full_tenant(make)
    keyed_by_id = [table for table in tables if table.key and table.tenant_column not in table.key]
    assert len(keyed_by_id) >= 4
    for table in keyed_by_id:
        row = table.row(superuser, theirs)
        with pytest.raises(InsufficientPrivilege), make.conn.transaction():
            set_context(make.conn, ours.id)
            make.conn.execute(table.sql(OVER_A_ROW), {"row": Jsonb(row | {"tenant_id": str(ours.id)})})
        assert table.row(superuser, theirs) == row


def test_the_own_rows_are_all_there(make: Factory, tables: list[Table], open_tables: list[Table]) -> None:
    tenant = full_tenant(make)
    of_jobs = {"leaving_rows", "execution_deltas", "superseded_versions", "failed_runs", "retried_runs"}
    assert {table.name for table in tables} - {table.name for table in open_tables} == of_jobs
    for table in open_tables:
        with make.conn.transaction():
            set_context(make.conn, tenant.id)
            assert make.conn.execute(table.sql("SELECT FROM {table}")).rowcount >= 1


@pytest.mark.parametrize("role", ["user", "admin"])
def test_outside_tenants_people_change_nothing_and_see_only_where_they_belong(
    make: Factory, superuser: Connection, tables: list[Table], role: str
) -> None:
    theirs = full_tenant(make)
    for table in tables:
        row = table.row(superuser, theirs)
        params = {"row": Jsonb(row), "theirs": theirs.id}
        with make.conn.transaction():
            set_context(make.conn, "", role, theirs.owner)
            assert touched(make.conn, table.sql("DELETE FROM {table}")) == 0
            assert touched(make.conn, table.sql("UPDATE {table} SET {tenant} = {tenant}")) == 0
            seen = touched(make.conn, table.sql("SELECT FROM {table} WHERE {tenant} = %(theirs)s"), params)
            assert seen == (table.name in ("tenants", "tenant_memberships"))
        with pytest.raises(InsufficientPrivilege), make.conn.transaction():
            set_context(make.conn, "", role, theirs.owner)
            make.conn.execute(table.sql(INSERT), params)
        assert table.row(superuser, theirs) == row


@pytest.mark.parametrize("nobody", [None, "", "00000000-0000-0000-0000-000000000000"])
def test_without_a_tenant_there_are_no_rows(make: Factory, tables: list[Table], nobody: str | None) -> None:
    full_tenant(make)
    for table in tables:
        with make.conn.transaction():
            if nobody is not None:
                set_context(make.conn, nobody)
            for statement in ("SELECT FROM {table}", "DELETE FROM {table}", "UPDATE {table} SET {tenant} = {tenant}"):
                assert touched(make.conn, table.sql(statement)) == 0


@pytest.mark.parametrize("malformed", [" ", "x", "' OR true --", "%", "{}", "00000000-0000-0000-0000-00000000000"])
def test_a_malformed_tenant_is_an_error_and_never_rows(make: Factory, open_tables: list[Table], malformed: str) -> None:
    full_tenant(make)
    for table in open_tables:
        with pytest.raises(InvalidTextRepresentation), make.conn.transaction():
            set_context(make.conn, malformed)
            make.conn.execute(table.sql("SELECT FROM {table}"))


def test_executions_are_reached_through_their_table_and_not_through_its_partitions(
    make: Factory, superuser: Connection
) -> None:
    tenant = full_tenant(make)
    (partition,) = superuser.execute(
        "SELECT tableoid::regclass::text FROM app.workflow_executions WHERE tenant_id = %s", (tenant.id,)
    ).fetchall()[0]
    for name in (partition, "app.workflow_executions_c30", "app.workflow_executions_overflow"):
        for statement in ("SELECT FROM {}", "DELETE FROM {}", "TRUNCATE {}", "INSERT INTO {} DEFAULT VALUES"):
            with pytest.raises(InsufficientPrivilege), make.conn.transaction():
                set_context(make.conn, tenant.id)
                make.conn.execute(sql.SQL(statement).format(sql.SQL(name)))
