"""Rehydration: copies archived executions into the overflow partition for some days, each with its own id.

A copy is read, changed and deleted like any execution. The archive stays as it is: a changed copy is archived again, as
a newer version, when its time is over; a copy that somebody deleted is not copied again by the same rehydration.
"""

from collections.abc import Generator
from typing import Any, LiteralString
from uuid import UUID

import duckdb
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from flomastr.archive import duckdb_filesystem, file_lifecycle, manifest, parquet
from flomastr.archive.duckdb_filesystem import FileUnreadableError
from flomastr.archive.file_lifecycle import REFUSED, UnverifiedError, UnwrittenError, record_failure, safe_message
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

ROWS = 1000  # in one transaction
TEXT_LENGTH = 8_000_000  # after which a batch ends
COLUMNS: LiteralString = """
  id, workflow_id, n8n_execution_id, status, started_at::varchar AS started_at, finished_at::varchar AS finished_at,
  created_at::varchar AS created_at, error_message, execution_data
"""
WANTED = "id >= $first_id AND id < $end_id AND ($workflow_id IS NULL OR workflow_id = $workflow_id)"
NOT_IN_NEWER = "id NOT IN (SELECT id FROM read_parquet($newer, hive_partitioning = false))"


class Rehydration(BaseModel):
    id: UUID
    tenant_id: UUID
    state: str
    first_id: UUID
    end_id: UUID
    workflow_id: UUID | None

    @property
    def parameters(self) -> dict[str, str | None]:
        """Those of WANTED."""
        workflow_id = self.workflow_id and str(self.workflow_id)
        return {"first_id": str(self.first_id), "end_id": str(self.end_id), "workflow_id": workflow_id}


def run(job: Job) -> None:
    """Carries out open rehydrations while there is time. One whose file cannot be read is tried by the next run."""
    for rehydration in open_rehydrations(job):
        if not job.has_time():
            return
        try:
            with job.unless_busy():
                carry_out(job, rehydration)
        except REFUSED as error:
            record_error(job, rehydration, "An archived file cannot be read at the moment. It is tried again.")
            record_failure(job, error)


def open_rehydrations(job: Job) -> list[Rehydration]:
    """Of tenants in turn."""
    cursor = job.conn.cursor(row_factory=class_row(Rehydration))
    return cursor.execute(  # ids have whole milliseconds: one that ends within a range is in it
        """
        SELECT
          id, tenant_id, state, app.uuid7_floor(first_at) AS first_id,
          app.uuid7_floor(last_at + interval '999 microseconds') AS end_id, workflow_id
        FROM app.rehydrations WHERE state IN ('pending', 'running')
        ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY id), id
        """
    ).fetchall()


def carry_out(job: Job, rehydration: Rehydration) -> None:
    """Starts a rehydration, or continues one: executions that are hot already are not copied again."""
    files = overlapping(job, rehydration)
    if rehydration.state == "pending":
        job.conn.execute(
            "UPDATE app.rehydrations SET state = 'running', rows_total = %s WHERE id = %s AND state = 'pending'",
            (total(files, rehydration), rehydration.id),
        )
    orphaned = 0
    for index, file in enumerate(files):
        for rows in batches(file, files[:index], rehydration):
            if not job.has_time():
                return
            orphaned += rehydrate(job, rehydration, rows)
    finish(job, rehydration, orphaned)


def overlapping(job: Job, rehydration: Rehydration) -> list[File]:
    """The files whose ids overlap the range, the one that was stored last first."""
    cursor = job.conn.cursor(row_factory=class_row(File))
    return cursor.execute(
        f"""
        SELECT {manifest.COLUMNS} FROM app.archive_files AS f
        WHERE f.tenant_id = %s AND f.source = 'workflow_executions' AND f.state = 'stored'
          AND f.last_id >= %s AND f.first_id < %s
        {manifest.LAST_STORED_FIRST}
        """,
        (rehydration.tenant_id, rehydration.first_id, rehydration.end_id),
    ).fetchall()


def total(files: list[File], rehydration: Rehydration) -> int:
    """How many executions the files have for it, each counted once. Raises UnverifiedError, UnwrittenError."""
    if not files:
        return 0
    query = f"SELECT count(DISTINCT id) AS rows FROM {FILES} WHERE {WANTED}"
    parameters = rehydration.parameters | {"files": [file.path for file in files]}
    try:
        with duckdb_filesystem.translating_storage_errors():
            return parquet.fetch(query, parameters)[0]["rows"]
    except (FileUnreadableError, ObjectMissingError) as error:
        raise UnverifiedError(f"A file of rehydration {rehydration.id} is missing or cannot be read.") from error
    except (StorageUnavailableError, OSError) as error:
        raise UnwrittenError(f"Rehydration {rehydration.id} cannot be counted: {safe_message(error)}") from error


def batches(file: File, newer: list[File], rehydration: Rehydration) -> Generator[list[dict[str, Any]]]:
    """The wanted rows of a file, read from a verified copy, without those that are in a newer file as well."""
    parameters: dict[str, Any] = dict(rehydration.parameters)
    if newer:
        parameters["newer"] = [file.path for file in newer]
    with file_lifecycle.scratch(file) as (path, _):
        file_lifecycle.verify(file, path, file.file_bytes or 0, file.sha256 or "")
        query = f"SELECT {COLUMNS} FROM {FILES} WHERE {WANTED} AND {NOT_IN_NEWER if newer else 'true'}"
        try:
            yield from split(parquet.duck().execute(query, parameters | {"files": [str(path)]}))
        except (duckdb.Error, StorageUnavailableError, ObjectMissingError) as error:
            raise UnverifiedError(f"{file.name} cannot be read: {safe_message(error)}") from error


def split(cursor: duckdb.DuckDBPyConnection) -> Generator[list[dict[str, Any]]]:
    names = [column[0] for column in cursor.description or ()]
    batch: list[dict[str, Any]] = []
    text = 0
    while found := cursor.fetchone():
        row = dict(zip(names, found, strict=True))
        batch.append(row)
        text += len(row["execution_data"] or "") + len(row["error_message"] or "")
        if len(batch) == ROWS or text > TEXT_LENGTH:
            yield batch
            batch, text = [], 0
    if batch:
        yield batch


def rehydrate(job: Job, rehydration: Rehydration, rows: list[dict[str, Any]]) -> int:
    """Copies a batch into Postgres. Returns how many were left out, since their workflow is deleted."""
    while True:
        try:
            with job.conn.transaction():
                copied, orphaned = job.conn.execute(
                    "SELECT copied, orphaned FROM app.rehydrate(%s, %s)", (rehydration.id, Jsonb(rows))
                ).fetchall()[0]
        except ForeignKeyViolation:
            continue  # a workflow was deleted meanwhile: the next attempt sees that
        job.counts["rows_restored"] += copied
        return orphaned


def finish(job: Job, rehydration: Rehydration, orphaned: int) -> None:
    """From now on the copies' time runs. `orphaned` is how many were left out, since their workflow is deleted."""
    left_out = f"{orphaned} executions were left out, since their workflow is deleted." if orphaned else None
    job.conn.execute(
        """
        UPDATE app.rehydrations
        SET state = 'done', finished_at = now(), expires_at = now() + make_interval(days => days), error = %s
        WHERE id = %s AND state = 'running'
        """,
        (left_out, rehydration.id),
    )
    job.counts["restores_done"] += 1


def record_error(job: Job, rehydration: Rehydration, error: str) -> None:
    job.conn.execute(
        "UPDATE app.rehydrations SET error = %s WHERE id = %s AND state IN ('pending', 'running')",
        (error, rehydration.id),
    )
