"""Files of the cold tier as the manifest knows them: planned, written, read back, stored, given up."""

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

import duckdb
from psycopg import sql
from psycopg.rows import class_row

from flomastr import object_storage
from flomastr.archive import parquet
from flomastr.archive.manifest import COLUMNS, File
from flomastr.archive.parquet import SOURCES, Source
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError


class UnverifiedError(Exception):
    """What was read back is not what was written, or not what it should be."""


class UnwrittenError(Exception):
    """The file could not be written: the disk is full, or the storage does not answer."""


def plainly(error: Exception) -> str:
    """DuckDB's messages quote what it reads, and the statement."""
    return type(error).__name__ if isinstance(error, duckdb.Error) else str(error)


def planned(job: Job, origin: str, *states: str) -> list[File]:
    """The files of an origin that do not count yet."""
    cursor = job.conn.cursor(row_factory=class_row(File))
    return cursor.execute(
        "SELECT " + COLUMNS + " FROM app.archive_files AS f WHERE origin = %s AND state = ANY (%s) ORDER BY id",
        (origin, list(states) or ["writing", "verified"]),
    ).fetchall()


def ensure_written(job: Job, file: File) -> None:
    """A planned file is there. One that an earlier run has verified is read again: much may have happened since."""
    if file.file_bytes is None or file.sha256 is None:
        write(job, file)
        return
    with scratch(file) as (_, copy):
        try:
            verify(file, copy, file.file_bytes, file.sha256)
        except UnverifiedError:
            job.conn.execute(
                "UPDATE app.archive_files SET state = 'writing', file_bytes = NULL, sha256 = NULL WHERE id = %s",
                (file.id,),
            )
            raise


def write(job: Job, file: File) -> None:
    """A planned file, with the rows that Postgres has for it."""
    write_by(job, file, lambda path: parquet.export(rows_of(file, SOURCES[file.source]).as_string(), path))


def write_by(job: Job, file: File, export: Callable[[Path], None]) -> None:
    """Writes a planned file and reads it back: now it is verified. Again after a kill, under the same name."""
    with scratch(file) as (path, copy):
        try:
            export(path)
            size, sha256 = path.stat().st_size, digest(path)
            object_storage.put(file.key, path)
        except duckdb.OutOfMemoryException as error:  # of this file alone
            raise UnverifiedError(f"{file.name} is too large to be written.") from error
        except (duckdb.Error, StorageUnavailableError, OSError) as error:
            raise UnwrittenError(f"{file.name} could not be written: {plainly(error)}") from error
        verify(file, copy, size, sha256)
    with job.conn.transaction():
        job.conn.execute(
            "UPDATE app.archive_files SET state = 'verified', file_bytes = %s, sha256 = %s"
            " WHERE id = %s AND state = 'writing'",
            (size, sha256, file.id),
        )
    job.counts["bytes_written"] += size


def verify(file: File, copy: Path, size: int, sha256: str) -> None:
    """The object, read back whole: its bytes are those that were sent, its rows those that Postgres counted."""
    try:
        object_storage.fetch(file.key, copy)
        if copy.stat().st_size != size or digest(copy) != sha256:
            raise UnverifiedError(f"{file.name} is not what was sent.")
        found = parquet.tally(SOURCES[file.source], parquet.listed([str(copy)]))
    except ObjectMissingError as error:
        raise UnverifiedError(f"{file.name} is missing.") from error
    except (StorageUnavailableError, OSError) as error:
        raise UnwrittenError(f"{file.name} could not be read back: {plainly(error)}") from error
    except duckdb.Error as error:
        raise UnverifiedError(f"{file.name} cannot be read: {plainly(error)}") from error
    if found != file.tally:
        raise UnverifiedError(f"{file.name} holds {found}, and should hold {file.tally}.")


def rows_of(file: File, source: Source) -> sql.Composed:
    """Of a leaf: the tenant's rows between its ids. Else those that were remembered when the file was planned."""
    if file.origin.startswith("workflow_executions_c"):
        return sql.SQL(
            "SELECT {columns} FROM app.workflow_executions AS e"
            " WHERE e.retention_class = {retention_class} AND e.tenant_id = {tenant}"
            " AND e.id BETWEEN {first} AND {last}"
            " ORDER BY e.id DESC"
        ).format(
            columns=sql.SQL(source.columns),
            retention_class=int(file.origin.split("_")[2][1:]),
            tenant=file.tenant_id,
            first=file.first_id,
            last=file.last_id,
        )
    return sql.SQL(
        "SELECT {columns} FROM app.leaving_rows AS r JOIN {table} AS e ON e.id = r.id AND e.tenant_id = r.tenant_id"
        " WHERE r.file_id = {file} ORDER BY e.id DESC"
    ).format(columns=sql.SQL(source.columns), table=sql.Identifier("app", source.name), file=file.id)


def store(job: Job, origin: str) -> int:
    """All files of an origin count from here on. How many rows they have."""
    if planned(job, origin, "writing"):
        raise UnverifiedError(f"Files of {origin} are not verified.")
    return sum(
        rows
        for (rows,) in job.conn.execute(
            "UPDATE app.archive_files SET state = 'stored', stored_at = now()"
            " WHERE origin = %s AND state = 'verified' RETURNING rows",
            (origin,),
        )
    )


def store_one(job: Job, file: File) -> None:
    job.conn.execute(
        "UPDATE app.archive_files SET state = 'stored', stored_at = now() WHERE id = %s AND state = 'verified'",
        (file.id,),
    )


def discard(job: Job, origin: str) -> None:
    """Gives up what is planned: its objects first, so that a kill in between leaves nothing that nobody knows."""
    remove(job, planned(job, origin))


def remove(job: Job, files: Sequence[File]) -> None:
    object_storage.remove([file.key for file in files])
    job.conn.execute("DELETE FROM app.archive_files WHERE id = ANY (%s)", ([file.id for file in files],))


@contextmanager
def scratch(file: File) -> Generator[tuple[Path, Path]]:
    """Two paths for a file and its copy, which are gone afterwards."""
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
