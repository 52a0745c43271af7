"""Many small files of a month that is over become few. What they hold stays the same, to the row.

Files are merged with those that were stored next to them in time, so that of two versions of a row the one that was
stored last still wins among all files. Those that are replaced stay for readers who know them, until `expire` comes.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from flomastr.archive import export_job, file_lifecycle, manifest, parquet
from flomastr.archive.manifest import File
from flomastr.archive.parquet import SOURCES
from flomastr.jobs import Job

ORIGIN = "compaction"
MOST_TEXT = 64_000_000  # bytes in a file, as app.plan_partition has it


class Settled(File):
    text_bytes: int


def run(job: Job) -> None:
    file_lifecycle.discard(job, ORIGIN)  # what a killed run left
    for files in mergeable(settled(job)):
        if not job.has_time():
            return
        merge(job, files)


def settled(job: Job) -> list[Settled]:
    """Files that are not alone in a month that ended a week ago, in the order in which they were stored."""
    cursor = job.conn.cursor(row_factory=class_row(Settled))
    return cursor.execute(
        "SELECT " + manifest.COLUMNS + ", text_bytes FROM ("
        "  SELECT *, count(*) OVER (PARTITION BY tenant_id, source, month) AS together FROM app.archive_files"
        "  WHERE state = 'stored' AND (month + interval '1 month 7 days') AT TIME ZONE 'UTC' <= %s"
        ") AS f WHERE together > 1 ORDER BY tenant_id, source, month, stored_at, id",
        (job.moment,),
    ).fetchall()


def mergeable(files: Iterable[Settled]) -> Generator[list[Settled]]:
    for _, month in groupby(files, key=lambda file: (file.tenant_id, file.source, file.month)):
        together: list[Settled] = []
        for file in month:
            if sum(f.text_bytes for f in together) + file.text_bytes > MOST_TEXT:
                yield from several(together)
                together = []
            together.append(file)
        yield from several(together)


def several(files: list[Settled]) -> list[list[Settled]]:
    return [files] if len(files) > 1 else []


def merge(job: Job, files: list[Settled]) -> None:
    """Reads nothing that is not what the manifest says; replaces nothing before what takes its place is read back."""
    try:
        with verified(files) as paths:
            file = written(job, files, ORIGIN, newest(paths))
        swap(job, files, file)
    except export_job.REFUSED as error:
        export_job.record_failure(job, error)
    except export_job.RowsChangedError:
        job.counts["files_changed"] += len(files)  # another job took them; what was written is given up by the next run
    else:
        job.counts["files_merged"] += len(files)


@contextmanager
def verified(files: Sequence[File]) -> Generator[list[str]]:
    """Copies on this machine, named in the order of the files. Raises filing.Unverified."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index:06}.parquet" for index in range(len(files))]
        for file, path in zip(files, paths, strict=True):
            file_lifecycle.verify(file, path, file.file_bytes or 0, file.sha256 or "")
        yield [str(path) for path in paths]


def newest(paths: list[str], kept: str = "true") -> str:
    """Of each row the version in the last of the files, where it is kept: a condition in DuckDB's words."""
    every = f"read_parquet([{', '.join(map(parquet.literal, paths))}], hive_partitioning = false, filename = true)"
    return (
        f"(SELECT * EXCLUDE (filename) FROM {every} SEMI JOIN"
        f" (SELECT id, max(filename) AS filename FROM {every} GROUP BY id) AS newest USING (id, filename)"
        f" WHERE {kept} ORDER BY id DESC)"
    )


def written(job: Job, files: Sequence[File], origin: str, rows: str) -> File | None:
    """The verified file that is to take the place of others, unless there are no rows for it."""
    file = plan(job, files, origin, rows)
    if file:
        file_lifecycle.write_by(job, file, lambda path: parquet.write(rows, path))
    return file


PLAN: LiteralString = """
INSERT INTO app.archive_files AS f (
  tenant_id, source, month, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids
)
SELECT
  %(tenant_id)s, %(source)s, %(month)s, %(origin)s, %(rows)s, sum(bytes) * %(rows)s / sum(rows),
  sum(text_bytes) * %(rows)s / sum(rows), %(checksum)s, %(first_id)s, %(last_id)s, %(row_group_min_ids)s
FROM app.archive_files WHERE id = ANY (%(replaced)s) HAVING count(*) = %(files)s
RETURNING
"""


def plan(job: Job, files: Sequence[File], origin: str, rows: str) -> File | None:
    """Its bytes are told by what the average row of the others has."""
    found = parquet.tally(SOURCES[files[0].source], rows)
    if not found.rows:
        return None
    planned = job.conn.cursor(row_factory=class_row(File)).execute(
        PLAN + manifest.COLUMNS,
        files[0].model_dump(include={"tenant_id", "source", "month"})
        | {
            "origin": origin,
            "rows": found.rows,
            "checksum": found.checksum,
            "row_group_min_ids": row_group_min_ids(rows),
        }
        | {"first_id": found.first_id, "last_id": found.last_id}
        | {"replaced": [file.id for file in files], "files": len(files)},
    )
    for file in planned:
        return file
    raise export_job.RowsChangedError


def row_group_min_ids(rows: str) -> list[UUID]:
    """The lowest id of each row group."""
    found = parquet.fetched(
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS place, count(*) OVER () AS rows FROM "
        + rows
        + f") WHERE place % {parquet.ROW_GROUP} = 0 OR place = rows ORDER BY id DESC"
    )
    return [UUID(row["id"]) for row in found]


def swap(job: Job, files: Sequence[File], file: File | None) -> None:
    """From here on the new file counts, with the age of the youngest that it takes the place of; or nothing changes."""
    with job.conn.transaction():
        replaced = job.conn.execute(
            "UPDATE app.archive_files SET state = 'replaced', replaced_at = now()"
            " WHERE id = ANY (%s) AND state = 'stored' RETURNING stored_at",
            ([file.id for file in files],),
        ).fetchall()
        stored = job.conn.execute(
            "UPDATE app.archive_files SET state = 'stored', stored_at = %s WHERE id = %s AND state = 'verified'",
            (max((at for (at,) in replaced), default=None), file and file.id),
        ).rowcount
        if (len(replaced), stored) != (len(files), int(file is not None)):
            raise export_job.RowsChangedError
