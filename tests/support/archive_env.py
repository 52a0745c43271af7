"""What tests of the cold tier do: make executions of any age, run jobs at any moment, and see what is where."""

import json
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID

import duckdb
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from dev.services.postgres import Cluster
from flomastr import object_storage
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import Context
from tests.support.factories import Factory, Tenant
from tests.support.s3 import Bucket

MOMENTS = ("started_at", "finished_at", "created_at")
TODAY = (datetime.now(UTC) - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)  # the last noon
NOW = TODAY + timedelta(days=1)  # what a job makes of it: its moment never lies ahead of the clock

# An execution as it was recorded, whether in Postgres or in a file: text and whole microseconds.
HOT_ROWS = """
SELECT id::text, workflow_id::text, n8n_execution_id, status, mode, (extract(EPOCH FROM started_at) * 1000000)::bigint,
  (extract(EPOCH FROM finished_at) * 1000000)::bigint, (extract(EPOCH FROM created_at) * 1000000)::bigint,
  error_message, execution_data::text
FROM app.workflow_executions WHERE tenant_id = %s
"""
COLD_ROWS = """
id, workflow_id, n8n_execution_id, status, mode, epoch_us(started_at), epoch_us(finished_at), epoch_us(created_at),
error_message, execution_data
"""


@dataclass(frozen=True)
class ArchiveEnv:
    make: Factory
    superuser: psycopg.Connection[Any]
    bucket: Bucket
    app_url: str
    job_url: str

    def partitions_since(self, days: int) -> None:
        """As they were made so many days ago."""
        for age in range(days, 0, -14):
            self.superuser.execute("SELECT app.create_partitions(%s)", (TODAY - timedelta(days=age),))

    def execution(self, tenant: Tenant, workflow: UUID, age: float, **overrides: Any) -> UUID:
        """In the partition of its retention class, as if it had been recorded when it started."""
        started = TODAY - timedelta(days=age)
        row: dict[str, Any] = {
            "tenant": tenant.id,
            "workflow": workflow,
            "n8n_execution_id": None,
            "status": "success",
            "started_at": started,
            "finished_at": started + timedelta(seconds=3),
            "created_at": started,
            "execution_data": {"mode": "webhook", "age": age},
            "error_message": None,
            "retention_class": None,
        }
        row |= overrides
        return self.superuser.execute(
            """
            INSERT INTO app.workflow_executions (
              retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at,
              created_at,
              execution_data, error_message
            )
            SELECT coalesce(%(retention_class)s, class), app.uuid7(%(started_at)s),
              %(tenant)s,
              %(workflow)s, %(n8n_execution_id)s, %(status)s, %(started_at)s, %(finished_at)s, %(created_at)s,
              %(execution_data)s, %(error_message)s
            FROM app.hot_policies WHERE tenant_id = %(tenant)s
            RETURNING id
            """,
            row | {"execution_data": Jsonb(row["execution_data"])},
        ).fetchall()[0][0]

    def execution_at(self, tenant: Tenant, workflow: UUID, moment: datetime, **overrides: Any) -> UUID:
        """One that was recorded and over at that moment."""
        moments = dict.fromkeys(MOMENTS, moment)
        return self.execution(tenant, workflow, 0, **moments | overrides)

    def session(self, tenant: Tenant, workflow: UUID, updated_at: datetime, **overrides: Any) -> UUID:
        row = {"user_id": "user_1", "messages": [{"id": 1, "content": "Hello"}]} | overrides
        return self.superuser.execute(
            "INSERT INTO app.webchat_sessions (tenant_id, workflow_id, user_id, messages, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (tenant.id, workflow, row["user_id"], Jsonb(row["messages"]), updated_at, updated_at),
        ).fetchall()[0][0]

    def run(self, handler: Any, moment: datetime = TODAY, left_ms: int = 600_000) -> dict[str, Any]:
        """A job, as if its schedule had been due at that moment."""
        with connected(DATABASE_URL=self.job_url):
            return handler({"time": moment.isoformat()}, Context(left_ms=left_ms))

    def hot(self, tenant: Tenant) -> list[UUID]:
        found = self.superuser.execute(
            "SELECT id FROM app.workflow_executions WHERE tenant_id = %s ORDER BY id", (tenant.id,)
        )
        return [id for (id,) in found]

    def overflow(self, tenant: Tenant) -> list[UUID]:
        found = self.superuser.execute(
            "SELECT id FROM app.workflow_executions WHERE tenant_id = %s AND retention_class = 0 ORDER BY id",
            (tenant.id,),
        )
        return [id for (id,) in found]

    def sessions(self, tenant: Tenant) -> list[UUID]:
        found = self.superuser.execute(
            "SELECT id FROM app.webchat_sessions WHERE tenant_id = %s ORDER BY id", (tenant.id,)
        )
        return [id for (id,) in found]

    def rows(self, tenant: Tenant) -> list[Any]:
        """Every execution, hot or cold, byte for byte; one that is stored twice is listed twice."""
        hot = self.superuser.execute(HOT_ROWS, (tenant.id,)).fetchall()
        keys = [key for key in self.files(tenant) if key.startswith("workflow_executions")]
        return sorted(hot + self.read(keys, COLD_ROWS))

    def chats(self, tenant: Tenant) -> list[Any]:
        """As rows(), of webchat sessions."""
        columns = "user_id, session_key, message_count, messages"
        hot = self.superuser.execute(
            "SELECT id::text, user_id, session_key, message_count, messages::text FROM app.webchat_sessions"
            " WHERE tenant_id = %s",
            (tenant.id,),
        ).fetchall()
        keys = [key for key in self.files(tenant) if key.startswith("webchat_sessions")]
        return sorted(hot + self.read(keys, f"id, {columns}"))

    def partitions(self, days: int) -> list[tuple[str, datetime, datetime]]:
        """Of a retention class, oldest first: their names, starts and ends."""
        return self.superuser.execute(
            "SELECT partition_name, starts, ends FROM app.partitions() WHERE retention_class = %s ORDER BY ends",
            (days,),
        ).fetchall()

    def last_run(self) -> dict[str, Any]:
        cursor = self.superuser.cursor(row_factory=dict_row)
        return cursor.execute("SELECT * FROM app.job_runs ORDER BY id DESC LIMIT 1").fetchall()[0]

    def hold(self, tenant: Tenant, **subject: UUID) -> UUID:
        return self.make.hold(tenant, **subject)

    def release(self, hold: UUID) -> None:
        self.superuser.execute(
            "UPDATE app.legal_holds SET released_at = now(), released_by = 'test' WHERE id = %s", (hold,)
        )

    def is_in_order(self) -> bool:
        """No file is half done, and every object is in the manifest."""
        found = self.superuser.execute("SELECT source, month, tenant_id, id, state FROM app.archive_files").fetchall()
        return {row[4] for row in found} <= {"stored"} and {object_storage.key_of(*row[:4]) for row in found} == set(
            self.objects()
        )

    def objects(self) -> list[str]:
        """Of this environment: the bucket is shared."""
        tenants = {f"tenant={id}" for (id,) in self.superuser.execute("SELECT id FROM app.tenants")}
        return [key for key in self.bucket.keys() if key.split("/")[2] in tenants]

    def files(self, tenant: Tenant, state: str = "stored") -> list[str]:
        """The keys of the tenant's files, as the manifest has them."""
        found = self.superuser.execute(
            "SELECT source, month, tenant_id, id FROM app.archive_files"
            " WHERE tenant_id = %s AND state = %s ORDER BY id",
            (tenant.id, state),
        )
        return [object_storage.key_of(*row) for row in found]

    def cold(self, tenant: Tenant, source: str = "workflow_executions") -> list[UUID]:
        """The ids in the stored files, read without any code of the platform."""
        keys = [key for key in self.files(tenant) if key.startswith(source)]
        return sorted(UUID(row[0]) for row in self.read(keys, "id"))

    def read(self, keys: Iterable[str], columns: str) -> list[Any]:
        rows: list[Any] = []
        for key in keys:
            with NamedTemporaryFile(suffix=".parquet") as copy:
                copy.write(self.object(key))
                copy.flush()
                rows += duckdb.read_parquet(copy.name).select(columns).fetchall()
        return rows

    def object(self, key: str) -> bytes:
        return self.bucket.client.get_object(Bucket=self.bucket.name, Key=key)["Body"].read()


def emitted(out: str) -> dict[str, list[float]]:
    """The metrics on stdout, as CloudWatch reads them: by name, each value that was added."""
    records = [json.loads(line) for line in out.splitlines() if line.startswith("{") and '"_aws"' in line]
    values: dict[str, list[float]] = {}
    for record in records:
        for metric in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            values.setdefault(metric["Name"], []).extend(record[metric["Name"]])
    return values


@contextmanager
def archive_env(server: Cluster, bucket: Bucket) -> Generator[ArchiveEnv]:
    with ExitStack() as stack:
        name = stack.enter_context(copy(server))
        app = stack.enter_context(psycopg.connect(server.url("flo_app", name), autocommit=True))
        superuser = stack.enter_context(psycopg.connect(server.url("postgres", name), autocommit=True))
        yield ArchiveEnv(Factory(app), superuser, bucket, server.url("flo_app", name), server.url("flo_job", name))
