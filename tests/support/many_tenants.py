"""One large tenant among many small ones: rows are copied from table to table, past triggers and keys."""

from typing import Any, LiteralString, cast

import psycopg

from tests.support.factories import Tenant

COLUMNS = """
SELECT c.relname::text, jsonb_object_agg(a.attname, format_type(a.atttypid, -1))
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY 1
"""
# A new id keeps its moment, and one of another row of the same copy is still that row's
NEW_ID = "overlay(t.{0}::text PLACING substr(md5(t.{0}::text || n), 1, 12) FROM 25)::uuid"
NEW_NAME = "left(t.{0} || '-' || n, 60)"
NAMES = {"slug", "name", "n8n_workflow_id", "n8n_execution_id", "email", "user_id", "key", "session_id"}

type Columns = dict[str, str]


def tables(superuser: psycopg.Connection[Any]) -> dict[str, Columns]:
    """The columns of each table, with their types."""
    return dict(superuser.execute(COLUMNS).fetchall())


def copy_tenant(superuser: psycopg.Connection[Any], tenant: Tenant, times: int) -> None:
    """So many others with the same rows in every table."""
    for table, columns in tables(superuser).items():
        if table == "tenants" or "tenant_id" in columns:
            copy_rows(superuser, table, tenant, times, {name for name, type in columns.items() if type == "uuid"})


def copy_rows(superuser: psycopg.Connection[Any], table: str, tenant: Tenant, times: int, new_ids: set[str]) -> None:
    """So many copies of each row that a tenant has in a table. Those of `new_ids` are new, and so are its names."""
    columns = tables(superuser)[table]
    values = [value_of(name, columns[name], new_ids) for name in columns]
    of_tenant = "id" if table == "tenants" else "tenant_id"
    statement = (
        f"INSERT INTO app.{table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values)}"
        f" FROM app.{table} AS t, generate_series(1, {times}) AS n WHERE t.{of_tenant} = %s"
    )
    if table != "chunks":  # whose key is deferrable
        statement += " ON CONFLICT DO NOTHING"
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(cast(LiteralString, statement), (tenant.id,))
    superuser.execute("RESET session_replication_role")


def value_of(name: str, type: str, new_ids: set[str]) -> str:
    if name in new_ids:
        return NEW_ID.format(name)
    return NEW_NAME.format(name) if name in NAMES and type == "text" else f"t.{name}"
