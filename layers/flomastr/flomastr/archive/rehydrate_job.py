"""From cold to hot, for some days: copies of archived executions, in the backlog, each under the id that it has.

A copy is read, changed and deleted like any execution. What is archived stays as it is: a copy that was changed is
archived again as a newer version when its time is over, and one that somebody deleted is found in the cold tier alone,
as before; the restore that brought it does not bring it again.
"""

from collections.abc import Generator
from typing import Any, LiteralString
from uuid import UUID

import duckdb
from psycopg.errors import ForeignKeyViolation, LockNotAvailable
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from flomastr.archive import duckdb_filesystem, export_job, file_lifecycle, manifest, parquet
from flomastr.archive.duckdb_filesystem import FileUnreadableError
from flomastr.archive.file_lifecycle import UnverifiedError, UnwrittenError, plainly
from flomastr.archive.manifest import File
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

ROWS = 1000  # in one transaction
TEXT = 8_000_000
COLUMNS: LiteralString = """
  id, workflow_id, n8n_execution_id, status, started_at::varchar AS started_at, finished_at::varchar AS finished_at,
  created_at::varchar AS created_at, error_message, execution_data
"""


class Restore(BaseModel):
    id: UUID
    tenant_id: UUID
    state: str
    first_id: UUID
    end_id: UUID
    workflow_id: UUID | None

    @property
    def wanted(self) -> str:
        """Which rows of a file, in DuckDB's words."""
        of_workflow = f" AND workflow_id = '{self.workflow_id}'" if self.workflow_id else ""
        return f"id >= '{self.first_id}' AND id < '{self.end_id}'{of_workflow}"


def run(job: Job) -> None:
    for restore in open_restores(job):
        if not job.has_time():
            return
        try:
            carry_out(job, restore)
        except LockNotAvailable:  # deliveries hold the executions; the next run goes on
            job.unfinished = True
        except export_job.REFUSED as error:
            record_error(job, restore, "An archived file cannot be read at the moment. It is tried again.")
            export_job.record_failure(job, error)


def open_restores(job: Job) -> list[Restore]:
    cursor = job.conn.cursor(row_factory=class_row(Restore))
    return cursor.execute(
        "SELECT id, tenant_id, state, app.uuid7_floor(first_at) AS first_id, app.uuid7_floor(last_at) AS end_id,"
        "  workflow_id FROM app.rehydrations WHERE state IN ('pending', 'running') ORDER BY id"
    ).fetchall()


def carry_out(job: Job, restore: Restore) -> None:
    """One that was begun is gone on with: what is hot already is left alone."""
    files = overlapping(job, restore)
    if restore.state == "pending":
        job.conn.execute(
            "UPDATE app.rehydrations SET state = 'running', rows_total = %s WHERE id = %s AND state = 'pending'",
            (total(files, restore), restore.id),
        )
    orphaned = 0
    for index, file in enumerate(files):
        for rows in batches(file, files[:index], restore):
            if not job.has_time():
                return
            orphaned += rehydrate(job, restore, rows)
    finish(job, restore, orphaned)


def overlapping(job: Job, restore: Restore) -> list[File]:
    """The files that may have what is wanted, the one that was stored last first."""
    cursor = job.conn.cursor(row_factory=class_row(File))
    return cursor.execute(
        "SELECT " + manifest.COLUMNS + " FROM app.archive_files AS f"
        " WHERE tenant_id = %s AND source = 'workflow_executions' AND state = 'stored'"
        "  AND last_id >= %s AND first_id < %s ORDER BY stored_at DESC, id DESC",
        (restore.tenant_id, restore.first_id, restore.end_id),
    ).fetchall()


def total(files: list[File], restore: Restore) -> int:
    if not files:
        return 0
    paths = parquet.listed([file.path for file in files])
    try:
        with duckdb_filesystem.translating_storage_errors():
            return parquet.fetched(f"SELECT count(DISTINCT id) AS rows FROM {paths} WHERE {restore.wanted}")[0]["rows"]
    except (FileUnreadableError, ObjectMissingError) as error:
        raise UnverifiedError(f"A file of restore {restore.id} is missing or cannot be read.") from error
    except (StorageUnavailableError, OSError) as error:
        raise UnwrittenError(f"Restore {restore.id} cannot be counted: {plainly(error)}") from error


def batches(file: File, newer: list[File], restore: Restore) -> Generator[list[dict[str, Any]]]:
    """The wanted rows of a file, read from a verified copy, but for those that a newer file has, too."""
    elsewhere = f" AND id NOT IN (SELECT id FROM {parquet.listed([f.path for f in newer])})" if newer else ""
    with file_lifecycle.scratch(file) as (path, _):
        file_lifecycle.verify(file, path, file.file_bytes or 0, file.sha256 or "")
        rows = f"FROM {parquet.listed([str(path)])} WHERE {restore.wanted}{elsewhere}"
        try:
            yield from cut(parquet.duck().execute(f"SELECT {COLUMNS} {rows}"))
        except (duckdb.Error, StorageUnavailableError, ObjectMissingError) as error:
            raise UnverifiedError(f"{file.name} cannot be read: {plainly(error)}") from error


def cut(cursor: duckdb.DuckDBPyConnection) -> Generator[list[dict[str, Any]]]:
    names = [column[0] for column in cursor.description or ()]
    batch: list[dict[str, Any]] = []
    text = 0
    while found := cursor.fetchone():
        row = dict(zip(names, found, strict=True))
        batch.append(row)
        text += len(row["execution_data"] or "") + len(row["error_message"] or "")
        if len(batch) == ROWS or text > TEXT:
            yield batch
            batch, text = [], 0
    if batch:
        yield batch


def rehydrate(job: Job, restore: Restore, rows: list[dict[str, Any]]) -> int:
    """How many have no workflow any more."""
    while True:
        try:
            with job.conn.transaction():
                brought, orphaned = job.conn.execute(
                    "SELECT brought, orphaned FROM app.rehydrate(%s, %s)", (restore.id, Jsonb(rows))
                ).fetchall()[0]
        except ForeignKeyViolation:
            continue  # a workflow was deleted at this moment: now it is seen to be gone
        job.counts["rows_restored"] += brought
        return orphaned


def finish(job: Job, restore: Restore, orphaned: int) -> None:
    left_out = f"{orphaned} executions were left out, since their workflow is deleted." if orphaned else None
    job.conn.execute(
        "UPDATE app.rehydrations SET state = 'done', finished_at = now(),"
        "  expires_at = now() + make_interval(days => days),"
        "  error = %s WHERE id = %s AND state = 'running'",
        (left_out, restore.id),
    )
    job.counts["restores_done"] += 1


def record_error(job: Job, restore: Restore, error: str) -> None:
    job.conn.execute(
        "UPDATE app.rehydrations SET error = %s WHERE id = %s AND state IN ('pending', 'running')", (error, restore.id)
    )
