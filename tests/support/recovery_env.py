"""Recoveries on a platform of their own: the job acts on all tenants."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dev.services.postgres import Cluster
from flomastr.caller import Caller
from functions.recover.handler import lambda_handler as recover
from functions.recovery.handler import lambda_handler as recovery
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant
from tests.support.s3 import Bucket

TABLES = (
    "workflows",
    "workflow_executions",
    "webchat_sessions",
    "user_preferences",
    "alerts",
    "knowledge_bases",
    "knowledge_base_models",
    "documents",
)
DERIVED = [
    *("retention_class", "chunk_count", "document_count", "total_chunks", "last_updated", "watched_since"),
    *("languages", "words_pending", "indexed_as"),
]
type Rows = dict[str, list[str]]


@dataclass(frozen=True)
class RecoveryEnv:
    platform: ArchiveEnv

    def ask(self, handler: Any, tenant: Tenant, method: str, path: str, **request: Any) -> Answer:
        with connected(DATABASE_URL=self.platform.app_url):
            given: dict[str, Any] = {"caller": tenant.owner} | request
            return call(handler, method, path, **given)

    def recovery(self, tenant: Tenant, method: str, path: str, **request: Any) -> Answer:
        return self.ask(recovery, tenant, method, f"/routes/recovery/tenants/{tenant.slug}/{path}", **request)

    def preview(self, tenant: Tenant, **to: Any) -> dict[str, Any]:
        answer = self.recovery(tenant, "POST", "preview", body=to)
        assert answer.status == 200, answer.body
        return answer.json

    def apply(self, tenant: Tenant, preview: dict[str, Any], caller: Caller | None = None) -> Answer:
        body = {"preview_id": preview["id"], "token": preview["token"]}
        return self.recovery(tenant, "POST", "apply", body=body, caller=caller or tenant.owner)

    def recovered(self, tenant: Tenant, **to: Any) -> dict[str, Any]:
        answer = self.apply(tenant, self.preview(tenant, **to))
        assert answer.status == 200, answer.body
        return answer.json

    def undone(self, tenant: Tenant, done: dict[str, Any]) -> dict[str, Any]:
        answer = self.recovery(tenant, "POST", f"recoveries/{done['id']}/undo")
        assert answer.status == 200, answer.body
        return answer.json

    def audit(self, tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
        answer = self.ask(recovery, tenant, "GET", "/routes/recovery/audit", query={"limit": 250} | query)
        assert answer.status == 200, answer.body
        return answer.json

    def restore_point(self) -> str:
        with self.platform.superuser.transaction():
            point = "INSERT INTO app.restore_points (reason) VALUES ('test') RETURNING taken_at"
            (taken_at,) = self.platform.superuser.execute(point).fetchall()[0]
        assert isinstance(taken_at, datetime)
        return taken_at.isoformat()

    def rows(self, tenant: Tenant, *tables: str) -> Rows:
        """All rows of the tenant as text, without what only says where they lie, or follows from others."""
        return {table: self.rows_of(tenant, table) for table in tables or (*TABLES, "tenant_settings")}

    def rows_of(self, tenant: Tenant, table: str) -> list[str]:
        statement: Any = f"SELECT (to_jsonb(t) - %s::text[])::text FROM app.{table} t WHERE tenant_id = %s"
        return sorted(row for (row,) in self.platform.superuser.execute(statement, (DERIVED, tenant.id)))

    def run(self) -> dict[str, Any]:
        return self.platform.run(recover)


@contextmanager
def recovery_env(server: Cluster, bucket: Bucket) -> Generator[RecoveryEnv]:
    with archive_env(server, bucket) as platform:
        yield RecoveryEnv(platform)
