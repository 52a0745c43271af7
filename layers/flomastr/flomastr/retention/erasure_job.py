"""Carries out erasures, in steps that may be killed and taken again: each counts what it deletes in its transaction.

While it goes over objects, no other job is at work on the cold tier, so that none of them writes what was just erased.
"""

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

from psycopg.errors import DatabaseError
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr import object_storage
from flomastr.archive import compaction_job, export_job, file_lifecycle, manifest, parquet
from flomastr.archive.compaction_job import Settled
from flomastr.jobs import Job
from flomastr.retention import erasures
from flomastr.retention.erasure_steps import PERSON_STEPS, TENANT_STEPS
from flomastr.retention.erasures import Erasure

BATCH = 1000
OTHERS = ("archive", "compact", "expire", "restore")  # jobs that write, read or remove what is erased
ORIGIN = "erasure"
CHATS = "webchat_sessions"


class NotNowError(Exception):
    """There is no time left, or another job is at work. The next run goes on."""


class RefusedError(Exception):
    """It must not be erased."""


def run(job: Job) -> None:
    for erasure in open_erasures(job):
        try:
            carry_out(job, erasure)
        except (NotNowError, export_job.RowsChangedError):
            job.unfinished = True
        except (RefusedError, DatabaseError) as error:
            if isinstance(error, DatabaseError) and error.sqlstate != "FL409":
                raise
            if isinstance(error, DatabaseError) and error.diag.constraint_name == "legal_hold":
                job.counts["erasures_waiting"] += 1  # until it is released
                continue
            told = str(error).partition("\n")[0]
            job.failed(f"Erasure {erasure.id} is refused: {told}", "ErasureRefused")
        except (*export_job.REFUSED, object_storage.StorageUnavailableError) as error:
            job.failed(f"Erasure {erasure.id} cannot be finished: {error}", "ErasureFailed")


def open_erasures(job: Job) -> list[Erasure]:
    cursor = job.conn.cursor(row_factory=class_row(Erasure))
    return cursor.execute(
        "SELECT" + erasures.COLUMNS + "FROM app.erasures AS e WHERE state <> 'done' ORDER BY id"
    ).fetchall()


def carry_out(job: Job, erasure: Erasure) -> None:
    begin(job, erasure)
    if erasure.user_id is None:
        erase_objects(job, erasure)
        empty(job, erasure, TENANT_STEPS)
    else:
        empty(job, erasure, PERSON_STEPS)
        erase_chats(job, erasure, erasure.user_id)
    finish(job, erasure)


def begin(job: Job, erasure: Erasure) -> None:
    """Raises Refused or NotNow."""
    if not job.has_time():
        raise NotNowError
    for other in OTHERS:  # until this run ends
        lock = "SELECT pg_try_advisory_lock(hashtextextended('flomastr.job.' || %s, 0))"
        if not job.conn.execute(lock, (other,)).fetchall()[0][0]:
            raise NotNowError
    with job.conn.transaction():
        require_not_held(job, erasure)
        tenant = "SELECT deleted_at FROM app.tenants WHERE id = %s FOR NO KEY UPDATE"
        for (deleted_at,) in job.conn.execute(tenant, (erasure.tenant_id,)):
            if erasure.user_id is None and deleted_at is None:
                raise RefusedError("the tenant is not deleted")
        job.conn.execute("UPDATE app.erasures SET state = 'running' WHERE id = %s", (erasure.id,))


def require_not_held(job: Job, erasure: Erasure) -> None:
    job.conn.execute("SELECT app.require_not_held(%s, wholly => true)", (erasure.tenant_id,))


def empty(job: Job, erasure: Erasure, steps: Mapping[str, LiteralString]) -> None:
    """Over and over, until nothing is found: what was under way when the tenant was deleted ends within seconds."""
    found = 1
    while found:
        found = sum(emptied(job, erasure, table, statement) for table, statement in steps.items())


def emptied(job: Job, erasure: Erasure, table: str, statement: LiteralString) -> int:
    found, last = 0, 1
    while last:
        if not job.has_time():
            raise NotNowError
        with job.conn.transaction():
            require_not_held(job, erasure)
            last = job.conn.execute(statement, erasure.model_dump() | {"most": BATCH}).rowcount
            add(job, erasure, {table: last})
        found += last
    return found


def add(job: Job, erasure: Erasure, counts: dict[str, int]) -> None:
    """Within the transaction that deleted them."""
    job.conn.execute(
        """
        UPDATE app.erasures AS e SET counts = e.counts || (
          SELECT jsonb_object_agg(n.key, n.value::bigint + coalesce((e.counts ->> n.key)::bigint, 0))
          FROM jsonb_each_text(%s) AS n
        ) WHERE e.id = %s
        """,
        (Jsonb(counts), erasure.id),
    )


def erase_objects(job: Job, erasure: Erasure) -> None:
    """First nobody reads them any more, then they are gone, with all that the bucket remembers of them."""
    with job.conn.transaction():
        require_not_held(job, erasure)
        rows = job.conn.execute(
            "UPDATE app.archive_files SET state = 'replaced', replaced_at = now()"
            " WHERE tenant_id = %s AND state = 'stored' RETURNING rows",
            (erasure.tenant_id,),
        ).fetchall()
        add(job, erasure, {"cold_files": len(rows), "cold_rows": sum(count for (count,) in rows)})
    for source in parquet.SOURCES:
        erase_versions(job, source, erasure.tenant_id, set())


def erase_versions(job: Job, source: str, tenant_id: UUID, but: set[str]) -> None:
    """Whatever the bucket has or remembers under the tenant's name, whether the manifest knows it or not."""
    for month in object_storage.folders(f"{source}/"):
        if not job.has_time():
            raise NotNowError
        object_storage.erase(f"{month}tenant={tenant_id}/", but)


def erase_chats(job: Job, erasure: Erasure, user_id: str) -> None:
    """Files that hold some of the person's are written anew without them. The old ones are gone at once."""
    file_lifecycle.discard(job, ORIGIN)
    for file in chats(job, erasure.tenant_id):
        if not job.has_time():
            raise NotNowError
        rewrite(job, erasure, file, f"user_id <> {parquet.literal(user_id)}")
    stored = {file.key for file in chats(job, erasure.tenant_id)}
    erase_versions(job, CHATS, erasure.tenant_id, stored)
    job.conn.execute(
        "DELETE FROM app.archive_files WHERE tenant_id = %s AND source = %s AND state = 'replaced'",
        (erasure.tenant_id, CHATS),
    )


def chats(job: Job, tenant_id: UUID) -> list[Settled]:
    cursor = job.conn.cursor(row_factory=class_row(Settled))
    return cursor.execute(
        "SELECT " + manifest.COLUMNS + ", f.text_bytes FROM app.archive_files AS f"
        " WHERE tenant_id = %s AND source = %s AND state = 'stored' ORDER BY id",
        (tenant_id, CHATS),
    ).fetchall()


def rewrite(job: Job, erasure: Erasure, file: Settled, kept: str) -> None:
    with compaction_job.verified([file]) as paths:
        rows = compaction_job.newest(paths, kept)
        left = parquet.tally(parquet.SESSIONS, rows).rows
        if left == file.rows:
            return
        new = compaction_job.written(job, [file], ORIGIN, rows)
    with job.conn.transaction():
        require_not_held(job, erasure)
        compaction_job.swap(job, [file], new)
        add(job, erasure, {"cold_files": 1, "cold_rows": file.rows - left})


def finish(job: Job, erasure: Erasure) -> None:
    with job.conn.transaction():
        require_not_held(job, erasure)
        if erasure.user_id is None:
            gone = job.conn.execute("DELETE FROM app.tenants WHERE id = %s", (erasure.tenant_id,)).rowcount
            add(job, erasure, {"tenants": gone})
        done = job.conn.cursor(row_factory=class_row(Erasure)).execute(
            "UPDATE app.erasures AS e SET state = 'done', finished_at = now() WHERE id = %s RETURNING"
            + erasures.COLUMNS,
            (erasure.id,),
        )
        for receipt in done.fetchall():
            signed = (erasures.signature(receipt), receipt.id)
            job.conn.execute("UPDATE app.erasures SET signature = %s WHERE id = %s", signed)
    job.counts["erasures_done"] += 1
