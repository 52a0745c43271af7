"""Carries out erasures, in steps that may be killed and repeated: each counts what it deletes in its transaction.

Meanwhile no other job works on the archive, so that none writes again what was just erased.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from typing import Any, LiteralString
from uuid import UUID

from psycopg.errors import DatabaseError
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr import jobs, object_storage
from flomastr.archive import compaction_job, export_job, file_lifecycle, parquet
from flomastr.archive.compaction_job import SizedFile
from flomastr.archive.file_lifecycle import REFUSED
from flomastr.archive.parquet import FILES, Relation, Source
from flomastr.jobs import Job
from flomastr.recovery import receipts
from flomastr.recovery.receipts import Receipt
from flomastr.retention import erasures
from flomastr.retention.erasure_steps import MEMBERSHIPS, PERSON_STEPS, TENANT_STEPS
from flomastr.retention.erasures import Erasure
from flomastr.settings import settings

BATCH = 1000
OTHERS = ("archive", "compact", "expire", "recover", "restore")  # jobs that write, read or remove what is erased
ORIGIN = "erasure"
ARCHIVED_MEMBERSHIPS = f"SELECT row_id FROM {FILES} WHERE table_name = 'tenant_memberships' AND user_id = $user_id"

type Folders = Callable[[str], dict[str, list[str]]]  # of a source's files, by tenant


class NotNowError(Exception):
    """There is no time left, or another job is running. The next run continues."""


class RefusedError(Exception):
    """The tenant is not deleted, so it must not be erased."""


def run(job: Job) -> None:
    """Carries out open erasures. One under a hold waits, one that fails is reported, and the others go on.

    Raises DatabaseError that says nothing of the erasure itself.
    """
    folders = cache(object_storage.folders_of_tenants)  # while no other job writes
    for erasure in open_erasures(job):
        try:
            with job.unless_busy():
                carry_out(job, erasure, folders)
        except (NotNowError, export_job.RowsChangedError):
            job.unfinished = True
        except (RefusedError, DatabaseError) as error:
            if isinstance(error, DatabaseError) and error.sqlstate != "FL409":
                raise
            if isinstance(error, DatabaseError) and error.diag.constraint_name == "legal_hold":
                job.counts["erasures_waiting"] += 1  # until it is released
                continue
            reason = str(error).partition("\n")[0]
            job.failed(f"Erasure {erasure.id} is refused: {reason}", "ErasureRefused")
        except (*REFUSED, object_storage.StorageUnavailableError) as error:
            job.failed(f"Erasure {erasure.id} cannot be finished: {error}", "ErasureFailed")


def open_erasures(job: Job) -> list[Erasure]:
    """Of tenants in turn."""
    cursor = job.conn.cursor(row_factory=class_row(Erasure))
    return cursor.execute(
        f"""
        SELECT {erasures.COLUMNS} FROM app.erasures AS e WHERE e.state <> 'done'
        ORDER BY row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.id), e.id
        """
    ).fetchall()


def carry_out(job: Job, erasure: Erasure, folders: Folders) -> None:
    """All steps of an erasure: files before rows for a tenant. For a person the history of rows first, since only
    memberships tell whom an invitation was for, and chats last.

    Raises NotNowError, RefusedError, RowsChangedError, UnverifiedError, UnwrittenError, StorageUnavailableError.
    """
    begin(job, erasure)
    if erasure.user_id is None:
        erase_objects(job, erasure, folders)
        erase_rows(job, erasure, TENANT_STEPS)
        object_storage.erase(object_storage.folder_of_data(erasure.tenant_id))  # when no row names any
    else:
        erase_in_files(job, erasure, parquet.CHANGES, folders)
        erase_rows(job, erasure, PERSON_STEPS)
        erase_in_files(job, erasure, parquet.SESSIONS, folders)
    finish(job, erasure)


def begin(job: Job, erasure: Erasure) -> None:
    """Locks the other jobs out until this run ends. Raises NotNowError, RefusedError."""
    if not job.has_time():
        raise NotNowError
    if not all(jobs.lock(job.conn, other) for other in OTHERS):
        raise NotNowError
    with job.conn.transaction():
        require_not_held(job, erasure)
        tenant = "SELECT deleted_at FROM app.tenants WHERE id = %s FOR NO KEY UPDATE"
        for (deleted_at,) in job.conn.execute(tenant, (erasure.tenant_id,)):
            if erasure.user_id is None and deleted_at is None:
                raise RefusedError("the tenant is not deleted")
        job.conn.execute("UPDATE app.erasures SET state = 'running' WHERE id = %s", (erasure.id,))


def require_not_held(job: Job, erasure: Erasure) -> None:
    """First in each transaction, which then leaves no history of what it erases."""
    job.conn.execute(
        "SELECT app.require_not_held(%s, wholly => true), set_config('app.erasing', 'on', true)", (erasure.tenant_id,)
    )


def erase_rows(job: Job, erasure: Erasure, steps: Mapping[str, LiteralString]) -> None:
    """Repeats all steps until none finds a row: a request that began before the deletion may have added some.

    Of a person three times: they may be written about all the while, and what is new is not of this erasure.
    """
    rounds = 3 if erasure.user_id else inf
    while rounds and sum(erase_table(job, erasure, table, statement) for table, statement in steps.items()):
        rounds -= 1


def erase_table(job: Job, erasure: Erasure, table: str, statement: LiteralString) -> int:
    """In batches, until one is empty, or of a person not full. Raises NotNowError."""
    erased, least = 0, BATCH if erasure.user_id else 1
    batch = least
    while batch >= least:
        if not job.has_time():
            raise NotNowError
        with job.conn.transaction():
            require_not_held(job, erasure)
            batch = job.conn.execute(statement, erasure.model_dump() | {"most": BATCH}).rowcount
            add_counts(job, erasure, {table: batch})
        erased += batch
    return erased


def add_counts(job: Job, erasure: Erasure, counts: dict[str, int]) -> None:
    """To the receipt, within the transaction that deleted the rows."""
    job.conn.execute(
        """
        UPDATE app.erasures AS e SET counts = e.counts || (
          SELECT jsonb_object_agg(n.key, n.value::bigint + coalesce((e.counts ->> n.key)::bigint, 0))
          FROM jsonb_each_text(%s) AS n
        ) WHERE e.id = %s
        """,
        (Jsonb(counts), erasure.id),
    )


def erase_objects(job: Job, erasure: Erasure, folders: Folders) -> None:
    """Erases the objects, after the manifest says that no request reads them any more."""
    with job.conn.transaction():
        require_not_held(job, erasure)
        rows = job.conn.execute(
            """
            UPDATE app.archive_files SET state = 'replaced', replaced_at = now()
            WHERE tenant_id = %s AND state = 'stored' RETURNING rows
            """,
            (erasure.tenant_id,),
        ).fetchall()
        add_counts(job, erasure, {"cold_files": len(rows), "cold_rows": sum(count for (count,) in rows)})
    for source in parquet.SOURCES:
        erase_versions(job, folders(source)[str(erasure.tenant_id)], set())
    object_storage.erase(object_storage.folder_of_uploads(erasure.tenant_id), bucket=settings().uploads_bucket)


def erase_versions(job: Job, folders: list[str], kept: set[str]) -> None:
    """Every version of every object in a tenant's folders but the kept keys, whether it is in the manifest or not."""
    for folder in folders:
        if not job.has_time():
            raise NotNowError
        object_storage.erase(folder, kept)


def erase_in_files(job: Job, erasure: Erasure, source: Source, folders: Folders) -> None:
    """Writes files with rows of the person again without them, and deletes the old ones at once."""
    file_lifecycle.discard(job, ORIGIN)
    files = compaction_job.stored_files(job, erasure.tenant_id, source)
    person: dict[str, Any] = {"user_id": erasure.user_id}
    if source == parquet.CHANGES and files:
        person["memberships"], linking = memberships(job, erasure, files)
        files.sort(key=lambda file: (file.id in linking, file.first_id))  # the links last, so that no kill cuts them
    for file in files:
        if not job.has_time():
            raise NotNowError
        rewrite_without(job, erasure, file, source, person)
    stored = {file.key for file in compaction_job.stored_files(job, erasure.tenant_id, source)}
    erase_versions(job, folders(source.name)[str(erasure.tenant_id)], stored)
    job.conn.execute(
        "DELETE FROM app.archive_files WHERE tenant_id = %s AND source = %s AND state = 'replaced'",
        (erasure.tenant_id, source.name),
    )


def memberships(job: Job, erasure: Erasure, files: list[SizedFile]) -> tuple[list[str], set[UUID]]:
    """The ids of the person's, and of the files that say so. Raises UnverifiedError, UnwrittenError."""
    linking = set[UUID]()
    found = [id for (id,) in job.conn.execute(MEMBERSHIPS, erasure.model_dump())]
    for file in files:
        if not job.has_time():
            raise NotNowError
        with compaction_job.verified_copies([file]) as paths:
            rows = parquet.fetch(ARCHIVED_MEMBERSHIPS, {"files": paths, "user_id": erasure.user_id})
        found += [row["row_id"] for row in rows]
        linking.update(file.id for _ in rows)
    return found, linking


def rewrite_without(job: Job, erasure: Erasure, file: SizedFile, source: Source, person: dict[str, Any]) -> None:
    with compaction_job.verified_copies([file]) as paths:
        others: LiteralString = f"(SELECT * FROM {FILES} WHERE {source.others} ORDER BY id DESC)"
        rows = Relation(others, {"files": paths} | person)
        kept = parquet.tally(source, rows).rows
        if kept == file.rows:
            return
        new = compaction_job.write(job, [file], ORIGIN, rows)
    with job.conn.transaction():
        require_not_held(job, erasure)
        compaction_job.swap(job, [file], new)
        add_counts(job, erasure, {"cold_files": 1, "cold_rows": file.rows - kept})


def finish(job: Job, erasure: Erasure) -> None:
    """Deletes the tenant itself and signs the receipt, in one transaction. Raises DatabaseError under a legal hold."""
    with job.conn.transaction():
        require_not_held(job, erasure)
        if erasure.user_id is None:
            deleted = job.conn.execute("DELETE FROM app.tenants WHERE id = %s", (erasure.tenant_id,)).rowcount
            add_counts(job, erasure, {"tenants": deleted})
        done = job.conn.cursor(row_factory=class_row(Erasure)).execute(
            f"""
            UPDATE app.erasures AS e SET state = 'done', finished_at = now() WHERE e.id = %s
            RETURNING {erasures.COLUMNS}
            """,
            (erasure.id,),
        )
        for receipt in done.fetchall():
            signed = (erasures.signature(receipt), receipt.id)
            job.conn.execute("UPDATE app.erasures SET signature = %s WHERE id = %s", signed)
            receipts.keep(Receipt.model_validate(receipt.model_dump()))
    job.counts["erasures_done"] += 1
