"""Rows for tests. Every tenant is new, so tests share a database and nothing in it."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from flomastr.api_keys import ApiKey, new_key
from flomastr.identity import Caller

ALL_SCOPES = ["workflows:read", "workflows:write", "executions:read", "executions:write"]


@dataclass(frozen=True)
class Tenant:
    id: UUID
    slug: str
    owner: Caller


@dataclass(frozen=True)
class Factory:
    conn: psycopg.Connection[tuple[Any, ...]]

    def within(self, tenant: UUID, statement: Any, params: dict[str, Any]) -> Any:
        with self.conn.transaction():
            self.conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
            cursor = self.conn.execute(statement, params)
            return cursor.fetchone() if cursor.description else None

    def person(self, **overrides: Any) -> Caller:
        name = f"user_{secrets.token_hex(6)}"
        return Caller(**{"user_id": name, "email": f"{name}@example.com"} | overrides)

    def tenant(self, **overrides: Any) -> Tenant:
        id = uuid4()
        row: dict[str, Any] = {
            "slug": f"t-{id.hex[:12]}",
            "name": "A tenant",
            "status": "active",
            "hot_ttl_days": 30,
            "deleted_at": None,
        }
        row |= overrides
        self.within(
            id,
            "INSERT INTO app.tenants (id, slug, name, status, hot_ttl_days, deleted_at)"
            " VALUES (%(id)s, %(slug)s, %(name)s, %(status)s, %(hot_ttl_days)s, %(deleted_at)s)",
            row | {"id": id},
        )
        owner = self.person()
        self.member(id, owner, role="owner")
        return Tenant(id, row["slug"], owner)

    def member(self, tenant: UUID, person: Caller, role: str = "member", status: str = "active") -> None:
        self.within(
            tenant,
            "INSERT INTO app.tenant_memberships (tenant_id, user_id, role, status)"
            " VALUES (app.tenant(), %(user_id)s, %(role)s, %(status)s)",
            {"user_id": person.user_id, "role": role, "status": status},
        )

    def workflow(self, tenant: Tenant, **overrides: Any) -> UUID:
        row = {"name": "A workflow", "n8n_workflow_id": None} | overrides
        return self.within(
            tenant.id,
            "INSERT INTO app.workflows (name, n8n_workflow_id) VALUES (%(name)s, %(n8n_workflow_id)s) RETURNING id",
            row,
        )[0]

    def execution(self, tenant: Tenant, workflow: UUID, **overrides: Any) -> UUID:
        row = {"workflow_id": str(workflow), "status": "success", "started_at": datetime.now(UTC).isoformat()}
        row |= overrides
        return self.within(
            tenant.id,
            "SELECT (execution).id FROM app.record_executions(jsonb_build_array(%(row)s))",
            {"row": Jsonb(row)},
        )[0]

    def api_key(self, tenant: Tenant, **overrides: Any) -> ApiKey:
        key = new_key()
        row = {"scopes": ALL_SCOPES, "expires_at": None, "revoked_at": None} | overrides
        self.within(
            tenant.id,
            "INSERT INTO app.api_keys (id, tenant_id, name, secret_hash, scopes, created_by, expires_at, revoked_at)"
            " VALUES (%(id)s, app.tenant(), 'A key', %(hash)s, %(scopes)s, 'test', %(expires_at)s, %(revoked_at)s)",
            row | {"id": key.id, "hash": key.secret_hash},
        )
        return key


def machine(key: ApiKey) -> Caller:
    return Caller(key_id=key.id, key_hash=key.secret_hash.hex())
