"""The life of an archive file, as the manifest records it: planned, written, verified, stored, or discarded."""

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path

import duckdb
from psycopg import sql
from psycopg.rows import class_row

from flomastr import object_storage
from flomastr.archive import parquet
from flomastr.archive.manifest import COLUMNS, File
from flomastr.archive.parquet import SOURCES, Source
from flomastr.jobs import Job, JobFailedError
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

TRUSTED = timedelta(hours=6)  # in which an object that was read back and has not changed is not read again
ROWS_OF_PARTITION = """
SELECT {columns} FROM app.workflow_executions AS e
WHERE e.retention_class = {retention_class} AND e.tenant_id = {tenant} AND e.id BETWEEN {first} AND {last}
ORDER BY e.id DESC
"""
LEAVING_ROWS = """
SELECT {columns} FROM app.leaving_rows AS r JOIN {table} AS e ON {leaving} AND e.tenant_id = r.tenant_id
WHERE r.file_id = {file}
ORDER BY r.id DESC
"""


class UnverifiedError(Exception):
    """The file that was read back differs from what was written or planned."""


class UnwrittenError(Exception):
    """The file could not be written: the disk is full, or the storage does not answer."""


REFUSED = (UnverifiedError, UnwrittenError)


def record_failure(job: Job, error: Exception) -> None:
    """Reports a file that failed; its rows are still in Postgres. Where nothing can be written, the run ends.

    Raises JobFailedError.
    """
    if isinstance(error, UnwrittenError):
        job.failed(str(error), "ArchiveUnwritten")
        raise JobFailedError(str(error)) from error
    job.failed(f"Unverified: {error}", "ArchiveUnverified")


def safe_message(error: Exception) -> str:
    """Without DuckDB's messages, which quote data and statements."""
    return type(error).__name__ if isinstance(error, duckdb.Error) else str(error)


def planned(job: Job, origin: str, *states: str) -> list[File]:
    """The files of an origin in these states, which are writing and verified unless some are named."""
    cursor = job.conn.cursor(row_factory=class_row(File))
    return cursor.execute(
        f"SELECT {COLUMNS} FROM app.archive_files AS f WHERE f.origin = %s AND f.state = ANY (%s) ORDER BY f.id",
        (origin, list(states) or ["writing", "verified"]),
    ).fetchall()


def secure(job: Job, files: Sequence[File]) -> bool:
    """Writes or verifies planned files, several at once. Returns whether there was time for all of them.

    Raises UnverifiedError, UnwrittenError: of the first file that failed; no other is begun after it.
    """

    def secure_one(file: File) -> bool:
        if not job.has_time():
            return False
        ensure_written(job, file)
        return True

    return all(job.several_at_once(secure_one, files))


def ensure_written(job: Job, file: File) -> None:
    """Writes a planned file, or verifies one that an earlier run has written: its object may have changed since.

    Raises UnverifiedError, UnwrittenError.
    """
    if file.file_bytes is None or file.sha256 is None:
        write(job, file)
    elif not is_still_verified(file, file.file_bytes):
        verify_again(job, file, file.file_bytes, file.sha256)


def is_still_verified(file: File, size: int) -> bool:
    """Whether the file was read back within TRUSTED, and its object is the one that was read. Raises UnwrittenError."""
    if file.etag is None or file.verified_at is None or file.verified_at < datetime.now(UTC) - TRUSTED:
        return False
    try:
        return object_storage.is_unchanged(file.key, size, file.etag)
    except StorageUnavailableError as error:
        raise UnwrittenError(f"{file.name} could not be looked at.") from error


def verify_again(job: Job, file: File, size: int, sha256: str) -> None:
    """Raises UnverifiedError, UnwrittenError."""
    with scratch(file) as (_, copy):
        try:
            record(job, file, size, sha256, verify(file, copy, size, sha256))
        except UnverifiedError:
            with job.turn:
                job.conn.execute(
                    "UPDATE app.archive_files SET state = 'writing', file_bytes = NULL, sha256 = NULL WHERE id = %s",
                    (file.id,),
                )
            raise


def record(job: Job, file: File, size: int, sha256: str, etag: str) -> None:
    """That the file was read back and is what it should be."""
    with job.turn:
        job.conn.execute(
            """
            UPDATE app.archive_files
            SET state = 'verified', file_bytes = %s, sha256 = %s, etag = %s, verified_at = now()
            WHERE id = %s AND state IN ('writing', 'verified')
            """,
            (size, sha256, etag, file.id),
        )


def write(job: Job, file: File) -> None:
    """Writes a planned file with its rows in Postgres. Raises UnverifiedError, UnwrittenError."""
    write_by(job, file, lambda path: parquet.export(rows_of(file, SOURCES[file.source]).as_string(), path))


def write_by(job: Job, file: File, export: Callable[[Path], None]) -> None:
    """Writes a planned file with `export` and verifies it. After a kill it is written again under the same key.

    Raises UnverifiedError, UnwrittenError.
    """
    with scratch(file) as (path, copy):
        try:
            export(path)
            size, sha256 = path.stat().st_size, digest(path)
            object_storage.put(file.key, path)
        except duckdb.OutOfMemoryException as error:  # of this file alone
            raise UnverifiedError(f"{file.name} is too large to be written.") from error
        except (duckdb.Error, StorageUnavailableError, OSError) as error:
            raise UnwrittenError(f"{file.name} could not be written: {safe_message(error)}") from error
        etag = verify(file, copy, size, sha256)
    record(job, file, size, sha256, etag)
    job.count("bytes_written", size)


def verify(file: File, copy: Path, size: int, sha256: str) -> str:
    """Fetches the object to `copy` and compares size and SHA-256 with those sent, and rows with those planned.

    Returns the object's ETag. Raises UnverifiedError, UnwrittenError.
    """
    try:
        etag = object_storage.fetch(file.key, copy)
        if copy.stat().st_size != size or digest(copy) != sha256:
            raise UnverifiedError(f"{file.name} is not what was sent.")
        found = parquet.tally(SOURCES[file.source], parquet.read([str(copy)]))
    except ObjectMissingError as error:
        raise UnverifiedError(f"{file.name} is missing.") from error
    except (StorageUnavailableError, OSError) as error:
        raise UnwrittenError(f"{file.name} could not be read back: {safe_message(error)}") from error
    except duckdb.Error as error:
        raise UnverifiedError(f"{file.name} cannot be read: {safe_message(error)}") from error
    if found != file.tally:
        raise UnverifiedError(f"{file.name} holds {found}, and should hold {file.tally}.")
    return etag


def rows_of(file: File, source: Source) -> sql.Composed:
    """The query for a file's rows: those of a partition by their ids, others as app.leaving_rows lists them."""
    if file.origin.startswith("workflow_executions_c"):
        return sql.SQL(ROWS_OF_PARTITION).format(
            columns=sql.SQL(source.columns),
            retention_class=int(file.origin.split("_")[2][1:]),
            tenant=file.tenant_id,
            first=file.first_id,
            last=file.last_id,
        )
    names = {"columns": sql.SQL(source.columns), "table": sql.Identifier("app", source.name)}
    return sql.SQL(LEAVING_ROWS).format(**names, leaving=sql.SQL(source.leaving), file=file.id)


def store(job: Job, origin: str) -> int:
    """Marks the files of an origin as stored, from when on they are read. Returns how many rows they have.

    Raises UnverifiedError.
    """
    if planned(job, origin, "writing"):
        raise UnverifiedError(f"Files of {origin} are not verified.")
    return sum(
        rows
        for (rows,) in job.conn.execute(
            """
            UPDATE app.archive_files SET state = 'stored', stored_at = now()
            WHERE origin = %s AND state = 'verified' RETURNING rows
            """,
            (origin,),
        )
    )


def store_one(job: Job, file: File) -> None:
    """Marks one file as stored, from when on it is read. One that is not verified stays as it is."""
    job.conn.execute(
        "UPDATE app.archive_files SET state = 'stored', stored_at = now() WHERE id = %s AND state = 'verified'",
        (file.id,),
    )


def discard(job: Job, origin: str) -> None:
    """Removes the planned files of an origin."""
    remove(job, planned(job, origin))


def remove(job: Job, files: Sequence[File]) -> None:
    """Removes objects before their rows, so that after a kill in between the manifest still lists them."""
    object_storage.remove([file.key for file in files])
    job.conn.execute("DELETE FROM app.archive_files WHERE id = ANY (%s)", ([file.id for file in files],))


@contextmanager
def scratch(file: File) -> Generator[tuple[Path, Path]]:
    """Two temporary paths, for a file and for its copy."""
    folder = Path(tempfile.gettempdir())
    paths = folder / f"{file.id}.parquet", folder / f"{file.id}.copy.parquet"
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def digest(path: Path) -> str:
    with path.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
