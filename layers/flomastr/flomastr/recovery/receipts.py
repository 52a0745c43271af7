"""Receipts of erasures beside the backups: what was erased after a backup is erased again after its restore."""

from datetime import datetime
from uuid import UUID

from psycopg import sql
from pydantic import BaseModel

from flomastr.database.connection import Connection
from flomastr.recovery import backup_storage, restore_load

FOLDER = "erasures/"
OPENED = ("tenants", "erasures")


class Receipt(BaseModel):
    """What an erasure has to know to be carried out."""

    id: UUID
    tenant_id: UUID
    user_id: str | None
    requested_by: str
    created_at: datetime


def keep(receipt: Receipt) -> None:
    """Before the erasure is recorded as done. Raises StorageUnavailableError."""
    key = f"{backup_storage.PREFIX}{FOLDER}{receipt.id}.json"
    try:
        backup_storage.put_new(key, receipt.model_dump_json().encode())
    except backup_storage.AlreadyThereError:
        return  # an earlier run was killed before it recorded that


def kept() -> list[Receipt]:
    """Raises StorageUnavailableError."""
    return [Receipt.model_validate_json(backup_storage.read(key)) for key in backup_storage.keys(FOLDER)]


def replay(conn: Connection, receipts: list[Receipt]) -> int:
    """Asks a restored database for the erasures that it does not know as done. Returns how many.

    The tenants are deleted at once, so nobody gets at them before the job `erase` has carried that out.
    """
    done = 0
    for name in OPENED:
        restore_load.run(conn, "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", sql.Identifier("app", name))
    for receipt in receipts:
        values = receipt.model_dump()
        done += conn.execute(
            """
            INSERT INTO app.erasures (id, tenant_id, user_id, requested_by, created_at)
            VALUES (%(id)s, %(tenant_id)s, %(user_id)s, %(requested_by)s, %(created_at)s) ON CONFLICT DO NOTHING
            """,
            values,
        ).rowcount
        conn.execute(
            """
            UPDATE app.tenants AS t SET deleted_at = now()
            WHERE t.id = %(tenant_id)s AND t.deleted_at IS NULL AND %(user_id)s::text IS NULL
            """,
            values,
        )
    for name in OPENED:
        restore_load.run(conn, "ALTER TABLE {} FORCE ROW LEVEL SECURITY", sql.Identifier("app", name))
    return done
