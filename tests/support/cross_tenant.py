"""Tenant B, who has a row of everything, and the callers of tenants A who try to reach it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from flomastr.auth.api_key_tokens import ApiKey
from flomastr.caller import Caller
from tests.support.factories import Factory, Tenant, machine
from tests.support.full_tenant import add_alert, add_cold_tier, add_knowledge, add_rollups
from tests.support.operations import Names

type Connection = psycopg.Connection[Any]

SECRET = "known to tenant B alone"


@dataclass(frozen=True)
class Other:
    """Tenant B, with a row of everything."""

    tenant: Tenant
    key: ApiKey
    names: dict[str, str]


def full_tenant(make: Factory, superuser: Connection) -> Other:
    tenant, colleague, n8n = make.tenant(name=SECRET), make.person(), {"n8n_workflow_id": f"wf-{uuid4()}"}
    n8n["n8n_execution_id"] = f"run-{uuid4()}"
    make.member(tenant.id, colleague)
    make.invitation(tenant.id, make.person())
    make.tenant_action(tenant)
    make.preferences(tenant, colleague, colour=SECRET)
    workflow = make.workflow(tenant, name=SECRET, n8n_workflow_id=n8n["n8n_workflow_id"])
    execution = make.execution(tenant, workflow, error_message=SECRET, n8n_execution_id=n8n["n8n_execution_id"])
    key = make.api_key(tenant)
    role = superuser.execute("SELECT id FROM app.user_roles WHERE email = %s", (make.super_admin().email,)).fetchone()
    assert role
    names = {
        **n8n,
        "tenant_id": str(tenant.id),
        "slug": tenant.slug,
        "identifier": tenant.slug,
        "workflow_id": str(workflow),
        "execution_id": str(execution),
        "session_key": make.session(tenant, workflow, said=SECRET),
        "key_id": key.id,
        "user_id": str(colleague.user_id),
        "key": "colour",
        "file_id": str(make.file(tenant)),
        "restore_id": str(make.restore(tenant)),
        "transaction": make.transaction(tenant),
        "deleted_id": str(workflow),
        "preview_id": str(make.preview(tenant)),
        "recovery_id": str(make.recovery(tenant)),
        "alert_id": str(add_alert(make, tenant, SECRET)),
        "rejection_id": str(make.rejection(tenant, error=SECRET)),
        "hold_id": str(make.hold(tenant, execution_id=execution)),
        "erasure_id": str(make.erasure(tenant, str(colleague.user_id))),
        "user_role_id": str(role[0]),
    }
    names |= add_knowledge(make, tenant, SECRET)
    add_cold_tier(make, tenant)
    names["instance_name"] = make.connected_n8n(tenant)
    add_rollups(make, tenant)
    return Other(tenant, key, names)


def unknown(names: Names) -> dict[str, str]:
    """Names of the same form that nothing has."""
    return {name: like(str(value)) for name, value in names.items()}


def like(name: str) -> str:
    if name.isdigit():
        return f"9{name}"
    try:
        return str(UUID(name)) and str(uuid4())
    except ValueError:
        return name[:2] + secrets.token_hex(len(name))[: len(name) - 2]


@dataclass(frozen=True)
class Outsider:
    tenant: Tenant
    caller: Caller
    headers: dict[str, str]


def owner(make: Factory, other: Other) -> Outsider:
    tenant = make.tenant()
    return Outsider(tenant, tenant.owner, {})


def api_key(make: Factory, other: Other) -> Outsider:
    tenant = make.tenant()
    key = make.api_key(tenant)
    return Outsider(tenant, machine(key), {"authorization": f"Bearer {key.token()}"})


def owner_whom_b_has_invited(make: Factory, other: Other) -> Outsider:
    outsider = owner(make, other)
    make.member(other.tenant.id, outsider.caller, role="owner", status="pending")
    return outsider


def owner_who_has_left_b(make: Factory, other: Other) -> Outsider:
    outsider = owner(make, other)
    make.member(other.tenant.id, outsider.caller, role="owner", status="inactive")
    return outsider


OUTSIDERS: list[Callable[[Factory, Other], Outsider]] = [owner, api_key, owner_whom_b_has_invited, owner_who_has_left_b]


TABLES = """
SELECT c.relname, CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END FROM pg_class AS c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id'))
"""


QUESTION = "SELECT to_jsonb(t) - 'last_used_at' FROM {table} AS t WHERE {column} = %s ORDER BY to_jsonb(t)"


def question(table: str, column: str) -> sql.Composed:
    return sql.SQL(QUESTION).format(table=sql.Identifier("app", table), column=sql.Identifier(column))


def stored(superuser: Connection, tenant: Tenant) -> dict[str, list[Any]]:
    """What is B's in each table, without the memberships that outsiders bring with them."""
    rows: dict[str, list[Any]] = {}
    tables = superuser.execute(TABLES).fetchall()
    with superuser.pipeline():
        found = {table: superuser.execute(question(table, column), (tenant.id,)) for table, column in tables}
    for table, answer in found.items():
        rows[table] = [row for (row,) in answer if row.get("status") not in ("pending", "inactive")]
    rows["row_history"] = [row for row in rows["row_history"] if row["table_name"] != "tenant_memberships"]
    kept = {row["xid"] for row in rows["row_history"]}
    rows["recorded_transactions"] = [row for row in rows["recorded_transactions"] if row["xid"] in kept]
    return rows
