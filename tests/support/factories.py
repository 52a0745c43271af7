"""Rows for tests. Every tenant is new, so tests share a database and nothing in it."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from flomastr.auth.api_key_tokens import ApiKey, derived_key
from flomastr.caller import Caller
from flomastr.n8n.api_keys import encrypted

KEY_SCOPES = [  # all that a key may have
    *("workflows:read", "workflows:write", "executions:read", "executions:write", "events:write"),
    *("webchat:read", "webchat:write", "preferences:read", "preferences:write", "tenant:read"),
    *("knowledge:read", "knowledge:write"),
]
RATE_LIMIT_PER_MINUTE = 1_000_000  # so that no test but those of the limit run into it


def new_id() -> UUID:
    """A UUIDv7 of now, as every id that the archive sees: a random one may lie beyond the year 9999."""
    return UUID(int=int(datetime.now(UTC).timestamp() * 1000) << 80 | secrets.randbits(62))


def new_key() -> ApiKey:
    return derived_key(secrets.token_bytes(64))


@dataclass(frozen=True)
class Tenant:
    id: UUID
    slug: str
    owner: Caller


@dataclass(frozen=True)
class Factory:
    conn: psycopg.Connection[tuple[Any, ...]]

    def within(self, tenant: UUID, statement: Any, params: dict[str, Any]) -> Any:
        context = "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', 'key', true)"
        return self.first(context, (str(tenant),), statement, params)

    def on_platform(self, statement: Any, params: dict[str, Any]) -> Any:
        return self.first("SELECT set_config('app.role', 'super_admin', true)", (), statement, params)

    def first(self, context: LiteralString, names: tuple[str, ...], statement: Any, params: dict[str, Any]) -> Any:
        """Its first row, in one flight."""
        with self.conn.pipeline(), self.conn.transaction():
            self.conn.execute(context, names)
            cursor = self.conn.execute(statement, params)
        return cursor.fetchone() if cursor.description else None

    def person(self, **overrides: Any) -> Caller:
        name = f"user_{secrets.token_hex(6)}"
        return Caller.model_validate({"user_id": name, "email": f"{name}@example.com"} | overrides)

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
        self.within(
            id,
            "INSERT INTO app.rate_limits (rate_limit_per_minute) VALUES (%(quota)s)",
            {"quota": RATE_LIMIT_PER_MINUTE},
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

    def invitation(self, tenant: UUID, person: Caller, role: str = "member") -> None:
        """By e-mail, as the platform invites who has never been here."""
        invited = Caller(user_id=f"mailto:{person.email}")
        self.member(tenant, invited, role, "pending")
        self.within(tenant, "INSERT INTO app.invitations (user_id) VALUES (%(user_id)s)", {"user_id": invited.user_id})

    def global_role(self, role: str) -> Caller:
        """A person with a role on the platform: user, admin, super_admin."""
        person = self.person()
        self.on_platform(
            "INSERT INTO app.user_roles (email, role) VALUES (%(email)s, %(role)s)",
            {"email": person.email, "role": role},
        )
        return person

    def role_id(self, person: Caller) -> UUID:
        """Of the person's global role."""
        return self.on_platform("SELECT id FROM app.user_roles WHERE email = %(email)s", {"email": person.email})[0]

    def super_admin(self) -> Caller:
        return self.global_role("super_admin")

    def workflow(self, tenant: Tenant, **overrides: Any) -> UUID:
        row = {"name": "A workflow", "n8n_workflow_id": None, "n8n_instance": 0} | overrides
        return self.within(
            tenant.id,
            "INSERT INTO app.workflows (name, n8n_workflow_id, n8n_instance)"
            " VALUES (%(name)s, %(n8n_workflow_id)s, %(n8n_instance)s) RETURNING id",
            row,
        )[0]

    def n8n_instance(self, tenant: Tenant, name: str) -> int:
        return self.within(tenant.id, "SELECT app.n8n_instance(%(name)s)", {"name": name})[0]

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
        row: dict[str, Any] = {"scopes": KEY_SCOPES, "expires_at": None, "revoked_at": None}
        row |= {"rate_limit_per_minute": None, "signing_hash": None} | overrides
        self.within(
            tenant.id,
            "INSERT INTO app.api_keys (id, tenant_id, name, secret_hash, scopes, created_by, expires_at, revoked_at,"
            "  rate_limit_per_minute, signing_hash)"
            " VALUES (%(id)s, app.tenant(), 'A key', %(hash)s, %(scopes)s, 'test', %(expires_at)s, %(revoked_at)s,"
            "  %(rate_limit_per_minute)s, %(signing_hash)s)",
            row | {"id": key.id, "hash": key.secret_hash},
        )
        return key

    def preferences(self, tenant: Tenant, person: Caller, **settings: Any) -> None:
        self.within(
            tenant.id,
            "INSERT INTO app.user_preferences (user_id, preferences) VALUES (%(user_id)s, %(settings)s)",
            {"user_id": person.user_id, "settings": Jsonb(settings)},
        )

    def session(self, tenant: Tenant, workflow: UUID, user_id: str | None = None, said: str = "Hello") -> str:
        """A chat with one message. Its key."""
        message = {"id": 1, "role": "user", "content": said, "metadata": None, "created_at": "2026-01-02T03:04:05Z"}
        return self.within(
            tenant.id,
            "INSERT INTO app.webchat_sessions (workflow_id, user_id, messages)"
            " VALUES (%(workflow)s, %(user_id)s, %(messages)s) RETURNING session_key",
            {"workflow": workflow, "user_id": user_id or tenant.owner.user_id, "messages": Jsonb([message])},
        )[0]

    def knowledge_base(self, tenant: Tenant, **overrides: Any) -> UUID:
        row = {"name": f"Base {secrets.token_hex(6)}", "model": "model-a"} | overrides
        return self.within(
            tenant.id, "SELECT (app.create_knowledge_base(%(name)s, NULL, NULL, '{}', %(model)s)).id", row
        )[0]

    def document(
        self, tenant: Tenant, base: UUID, name: str = "refunds.md", text: str = "Refunds take a week."
    ) -> UUID:
        """With one passage, which is not embedded yet."""
        chunk: dict[str, Any] = {"text": text, "start": 0, "end": len(text), "metadata": {}}
        document: dict[str, Any] = {
            "name": name,
            "content_type": "text",
            "content": text,
            "metadata": {},
            "chunks": [chunk],
        }
        document |= {"content_hash": sha256(text.encode()).hexdigest(), "chunker": "test"}
        return self.within(
            tenant.id,
            "SELECT (document).id FROM app.store_documents(%(base)s, jsonb_build_array(%(document)s::jsonb))",
            {"base": base, "document": Jsonb(document)},
        )[0]

    def dead_letter(self, tenant: Tenant, document: UUID) -> UUID:
        """Of a document that is given up by its model."""
        return self.within(
            tenant.id,
            "UPDATE app.embedding_tasks SET status = 'failed', reason = 'test' WHERE document_id = %(document)s"
            " RETURNING id",
            {"document": document},
        )[0]

    def upload(self, tenant: Tenant, base: UUID, **overrides: Any) -> UUID:
        """Of a small text that is not sent yet. Unlike a request's, it may be one of any number."""
        row = {"base": base, "title": None, "status": "waiting"} | overrides
        return self.within(
            tenant.id,
            """
            INSERT INTO app.uploads (
              knowledge_base_id, name, title, media_type, size, status, created_by, expires_at
            )
            VALUES (
              %(base)s, 'terms.txt', %(title)s, 'text/plain', 7, %(status)s, 'user:somebody',
              now() + interval '15 minutes'
            )
            RETURNING id
            """,
            row,
        )[0]

    def erasure(self, tenant: Tenant, user_id: str | None = None) -> UUID:
        """Asked for and not yet carried out: of a person, or of the whole tenant."""
        return self.within(
            tenant.id,
            "INSERT INTO app.erasures (user_id, requested_by) VALUES (%(user_id)s, 'test') RETURNING id",
            {"user_id": user_id},
        )[0]

    def hold(self, tenant: Tenant, workflow_id: UUID | None = None, execution_id: UUID | None = None) -> UUID:
        """On a workflow, on an execution, or on all of the tenant."""
        scope = "workflow" if workflow_id else "execution" if execution_id else "tenant"
        return self.within(
            tenant.id,
            "INSERT INTO app.legal_holds (scope, workflow_id, execution_id, reason, created_by)"
            " VALUES (%(scope)s, %(workflow_id)s, %(execution_id)s, 'A dispute', 'test') RETURNING id",
            {"scope": scope, "workflow_id": workflow_id, "execution_id": execution_id},
        )[0]

    def alert(self, tenant: Tenant, **overrides: Any) -> UUID:
        """On the failure rate of all workflows, unless the overrides say another kind."""
        row: dict[str, Any] = {"name": "An alert", "kind": "failure_rate", "workflow_id": None, "minutes": 60}
        row |= {"threshold": 10, "min_runs": 1, "url": "https://hooks.example.com/flomastr", "enabled": True}
        with self.conn.transaction():
            self.conn.execute("SELECT set_config('app.actor', 'test', true)")
            created = "SELECT id FROM app.create_alert(%(row)s)"
            return self.within(
                tenant.id, created, {"row": Jsonb(row | overrides, dumps=partial(json.dumps, default=str))}
            )[0]

    def rejection(self, tenant: Tenant, **overrides: Any) -> UUID:
        """Of an item that cannot be read, unless the overrides say what was read of it."""
        row = {"error": "Why.", "item": Jsonb({"id": "1"}), "delivery": None} | overrides
        return self.within(
            tenant.id,
            "INSERT INTO app.n8n_rejections (instance, error, item, delivery)"
            " VALUES ('prod', %(error)s, %(item)s, %(delivery)s) RETURNING id",
            row,
        )[0]

    def connected_n8n(
        self, tenant: Tenant, name: str = "prod", url: str = "https://n8n.example", key: str = "key"
    ) -> str:
        row = {"name": name, "url": url, "key": encrypted(key, tenant.id, name)}
        self.within(tenant.id, "SELECT app.connect_n8n(%(name)s, %(url)s, %(key)s)", row)
        return name

    def file(self, tenant: Tenant, *ids: UUID) -> UUID:
        """Of the archive, as a job has stored it: of executions from the lowest to the highest id, else of chats."""
        source = "workflow_executions" if ids else "webchat_sessions"
        with psycopg.connect(self.conn.info.dsn, user="flo_job", autocommit=True) as job:
            return archived_file(job, tenant, *ids or (new_id(),), source=source)

    def restore(self, tenant: Tenant) -> UUID:
        """Of a day that has nothing to restore."""
        return self.within(
            tenant.id,
            "INSERT INTO app.rehydrations (first_at, last_at, days, created_by)"
            " VALUES ('2020-01-01Z', '2020-01-02Z', 1, 'test') RETURNING id",
            {},
        )[0]

    def transaction(self, tenant: Tenant) -> str:
        """One that has left history."""
        self.workflow(tenant)
        return self.within(tenant.id, "SELECT xid::text FROM app.recorded_transactions ORDER BY xid DESC LIMIT 1", {})[
            0
        ]

    def preview(self, tenant: Tenant) -> UUID:
        """Of a recovery that brings a deleted workflow back."""
        workflow = self.workflow(tenant, name="Deleted")
        self.within(tenant.id, "DELETE FROM app.workflows WHERE id = %(id)s", {"id": workflow})
        asked = (
            "WITH actor AS MATERIALIZED (SELECT set_config('app.actor', 'test', true))"
            " SELECT (p.recovery).id FROM actor, app.preview_recovery(NULL, NULL, %(id)s, NULL, NULL, NULL) AS p"
        )
        return self.within(tenant.id, asked, {"id": workflow})[0]

    def recovery(self, tenant: Tenant) -> UUID:
        """One that is done."""
        asked = (
            "WITH actor AS MATERIALIZED (SELECT set_config('app.actor', 'test', true))"
            " SELECT r.id FROM actor, app.start_recovery(%(id)s) AS r"
        )
        return self.within(tenant.id, asked, {"id": self.preview(tenant)})[0]

    def tenant_action(self, tenant: Tenant, action: str = "provision") -> None:
        self.within(
            tenant.id,
            "INSERT INTO app.tenant_actions (tenant_id, slug, action, actor)"
            " VALUES (app.tenant(), %(slug)s, %(action)s, 'test')",
            {"slug": tenant.slug, "action": action},
        )


def archived_file(
    superuser: psycopg.Connection[Any],
    tenant: Tenant,
    *ids: UUID,
    state: str = "stored",
    source: str = "workflow_executions",
) -> UUID:
    """A row of the manifest, from the lowest to the highest of these ids. There is no object."""
    sql = """
    INSERT INTO app.archive_files (
      tenant_id, source, month, state, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids,
      file_bytes,
      sha256
    )
    VALUES (
      %(tenant)s, %(source)s, '2026-01-01', %(state)s, 'test', 1, 1, 1, 0, %(first)s, %(last)s, '{}', 1, ''
    )
    RETURNING id
    """
    row = {"tenant": tenant.id, "source": source, "state": state, "first": min(ids), "last": max(ids)}
    return superuser.execute(sql, row).fetchall()[0][0]


def machine(key: ApiKey) -> Caller:
    return Caller(key_id=key.id, key_hash=key.secret_hash.hex())
