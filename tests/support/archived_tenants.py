"""Tenants that have been here for long: with files of old months, restores, and rows in every table."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from flomastr import object_storage
from flomastr.large_data.objects import DataObject
from flomastr.object_storage import key_of_data
from functions.archive.handler import lambda_handler as archive
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant

MONTH = (TODAY - timedelta(days=45)).replace(day=1)  # one that ended more than a week ago


def archived(env: ArchiveEnv, tenant: Tenant, workflow: UUID, *days: int, **overrides: Any) -> list[UUID]:
    """An execution of each of these days of the month. All are in one file."""
    ids = [
        env.execution_at(tenant, workflow, MONTH + timedelta(days=day), retention_class=0, **overrides) for day in days
    ]
    env.run(archive)
    return ids


def archived_again(env: ArchiveEnv, tenant: Tenant, workflow: UUID, id: UUID, error_message: str) -> None:
    """A newer version of an archived execution, in a file of its own."""
    env.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status, error_message,"
        " created_at,"
        "  started_at, finished_at) VALUES (0, %s, %s, %s, 'error', %s, %s, %s, %s)",
        (id, tenant.id, workflow, error_message, MONTH, MONTH, MONTH),
    )
    env.run(archive)


def large_data(
    env: ArchiveEnv, tenant: Tenant, text: str, execution: UUID | None = None, **more: Any
) -> dict[str, Any]:
    """In an object, recorded for an execution a week ago. What the row of that has."""
    data = DataObject.of({"mode": "webhook", "text": text} | more)
    object_storage.put_bytes(key_of_data(tenant.id, data.sha256), gzip.compress(data.written))
    env.superuser.execute(
        """
        WITH object AS (
          INSERT INTO app.execution_objects VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
        )
        INSERT INTO app.execution_object_references VALUES (%s, %s, coalesce(%s, app.uuid7()))
        """,
        (tenant.id, data.sha256, TODAY - timedelta(days=7), tenant.id, data.sha256, execution),
    )
    return data.in_row


def keep(env: ArchiveEnv, tenant: Tenant, success_days: int, error_days: int, last_per_workflow: int = 0) -> None:
    """As a member of the tenant's who may sets it."""
    keep = {"success_days": success_days, "error_days": error_days, "last_per_workflow": last_per_workflow}
    env.make.within(
        tenant.id, "SELECT FROM app.change_policies_v3(%(changes)s, NULL)", {"changes": Jsonb({"keep": keep})}
    )


def old_chat(env: ArchiveEnv, tenant: Tenant, workflow: UUID, user_id: str, said: str) -> UUID:
    """Not opened for so long that the next run of `archive` takes it."""
    messages = [{"id": 1, "content": said}]
    return env.session(tenant, workflow, TODAY - timedelta(days=200), user_id=user_id, messages=messages)


def overwrite(env: ArchiveEnv, key: str, body: bytes) -> None:
    """As a storage that fails would."""
    env.bucket.client.put_object(Bucket=env.bucket.name, Key=key, Body=body)


def ask_for_restore(
    env: ArchiveEnv, tenant: Tenant, workflow: UUID | None = None, days: int = 3, until: int = 28
) -> UUID:
    """Of the month's first days."""
    return env.superuser.execute(
        "INSERT INTO app.rehydrations (tenant_id, first_at, last_at, workflow_id, days, created_by)"
        " VALUES (%s, %s, %s, %s, %s, 'test') RETURNING id",
        (tenant.id, MONTH - timedelta(hours=12), MONTH + timedelta(days=until), workflow, days),
    ).fetchall()[0][0]


def restore(env: ArchiveEnv, id: UUID) -> dict[str, Any]:
    """What there is to know of it."""
    cursor = env.superuser.cursor(row_factory=dict_row)
    return cursor.execute("SELECT * FROM app.rehydrations WHERE id = %s", (id,)).fetchall()[0]


def let_expire(env: ArchiveEnv, id: UUID) -> None:
    env.superuser.execute("UPDATE app.rehydrations SET expires_at = %s WHERE id = %s", (TODAY, id))


def wait(env: ArchiveEnv, hours: float = 1.1) -> None:
    """As if that much time had passed since files were replaced."""
    env.superuser.execute(
        "UPDATE app.archive_files SET replaced_at = %s WHERE state = 'replaced'",
        (datetime.now(UTC) - timedelta(hours=hours),),
    )


def erasure_of(env: ArchiveEnv, tenant: Tenant, user_id: str | None = None) -> UUID:
    """Asked for, of a tenant that is deleted or of a person in one that is not."""
    if user_id is None:
        env.superuser.execute("UPDATE app.tenants SET deleted_at = now() WHERE id = %s", (tenant.id,))
    return env.superuser.execute(
        "INSERT INTO app.erasures (tenant_id, user_id, requested_by) VALUES (%s, %s, 'test') RETURNING id",
        (tenant.id, user_id),
    ).fetchall()[0][0]


def receipt(env: ArchiveEnv, id: UUID) -> dict[str, Any]:
    cursor = env.superuser.cursor(row_factory=dict_row)
    return cursor.execute("SELECT * FROM app.erasures WHERE id = %s", (id,)).fetchall()[0]


def remember(env: ArchiveEnv, tenant: Tenant, actor: str, key: str, age: timedelta = timedelta()) -> None:
    """An answer under an Idempotency-Key."""
    env.superuser.execute(
        "INSERT INTO app.idempotency_keys (tenant_id, actor, key, fingerprint, answer, created_at)"
        " VALUES (%s, %s, %s, '', %s, %s)",
        (tenant.id, actor, key, Jsonb([{"said": actor}]), TODAY - age),
    )
