"""Merges the small files of a past month into few large ones, with the same rows.

Files are merged with those that were stored next to them in time, so that of two versions of a row the one that was
stored last still wins among all files. A request may be reading a replaced file, so `expire` removes it an hour later.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import filterfalse, groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from flomastr.archive import export_job, file_lifecycle, manifest, parquet
from flomastr.archive.file_lifecycle import REFUSED, record_failure
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES, SOURCES, Relation, Source
from flomastr.jobs import THREADS, Job

ORIGIN = "compaction"
MAX_TEXT_BYTES = 64_000_000  # of a file, as in app.plan_partition


class SizedFile(File):
    """A file, and how many bytes its rows take when they are written out."""

    text_bytes: int


def run(job: Job) -> None:
    """Merges what can be merged while there is time: what is small several at once, then what takes all memory."""
    file_lifecycle.discard(job, ORIGIN)  # planned by a killed run
    groups = in_turns(mergeable(complete_months(job)))
    job.several_at_once(partial(merge, job), filter(is_small, groups))
    for files in filterfalse(is_small, groups):
        merge(job, files)


def is_small(files: Iterable[SizedFile]) -> bool:
    """Whether so many of them as are merged at once fit into memory."""
    return sum(file.text_bytes for file in files) <= MAX_TEXT_BYTES / THREADS


def complete_months(job: Job) -> list[SizedFile]:
    """The files of months that ended a week ago and have several, in the order in which they were stored."""
    cursor = job.conn.cursor(row_factory=class_row(SizedFile))
    return cursor.execute(
        f"""
        SELECT {manifest.COLUMNS}, f.text_bytes
        FROM (
          SELECT *, count(*) OVER (PARTITION BY tenant_id, source, month) AS files FROM app.archive_files
          WHERE state = 'stored' AND (month + interval '1 month 7 days') AT TIME ZONE 'UTC' <= %s
        ) AS f
        WHERE f.files > 1
        ORDER BY f.tenant_id, f.source, f.month, f.stored_at, f.id
        """,
        (job.moment,),
    ).fetchall()


def stored_files(job: Job, tenant_id: UUID, source: Source) -> list[SizedFile]:
    """A tenant's files of a source."""
    cursor = job.conn.cursor(row_factory=class_row(SizedFile))
    return cursor.execute(
        f"""
        SELECT {manifest.COLUMNS}, f.text_bytes FROM app.archive_files AS f
        WHERE f.tenant_id = %s AND f.source = %s AND f.state = 'stored' ORDER BY f.id
        """,
        (tenant_id, source.name),
    ).fetchall()


def mergeable(files: Iterable[SizedFile]) -> Generator[list[SizedFile]]:
    """Neighbours in one month whose text fits into one file. A file that fits with no neighbour stays as it is."""
    for _, month in groupby(files, key=lambda file: (file.tenant_id, file.source, file.month)):
        yield from (group for group in split(month) if len(group) > 1)


def in_turns(groups: Iterable[list[SizedFile]]) -> list[list[SizedFile]]:
    """The first of each tenant before the second of any, so that a large one keeps no other waiting."""
    of_tenant = groupby(groups, key=lambda group: group[0].tenant_id)
    turns = [turn for _, own in of_tenant for turn in enumerate(own)]
    return [group for _, group in sorted(turns, key=itemgetter(0))]


def split(files: Iterable[SizedFile]) -> Generator[list[SizedFile]]:
    group: list[SizedFile] = []
    for file in files:
        if sum(f.text_bytes for f in group) + file.text_bytes > MAX_TEXT_BYTES:
            yield group
            group = []
        group.append(file)
    yield group


def merge(job: Job, files: list[SizedFile]) -> None:
    """Replaces files by one while there is time, after each of them is verified and the new one is read back."""
    if not job.has_time():
        return
    try:
        with verified_copies(files) as paths:
            file = write(job, files, ORIGIN, newest_versions(paths))
        swap(job, files, file)
    except REFUSED as error:
        record_failure(job, error)
    except export_job.RowsChangedError:
        job.count("files_changed", len(files))  # by another job; the next run discards what was written
    else:
        job.count("files_merged", len(files))


@contextmanager
def verified_copies(files: Sequence[File]) -> Generator[list[str]]:
    """Paths of local copies, whose names sort in the order of the files. Raises UnverifiedError, UnwrittenError."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index:06}.parquet" for index in range(len(files))]
        for file, path in zip(files, paths, strict=True):
            file_lifecycle.verify(file, path, file.file_bytes or 0, file.sha256 or "")
        yield [str(path) for path in paths]


def newest_versions(paths: list[str]) -> Relation:
    """Of each row the version in the last of the files, ordered by id from the newest to the oldest."""
    rows = f"""(
        SELECT * FROM {FILES} SEMI JOIN (SELECT id, max(filename) AS filename FROM {FILES} GROUP BY id) AS newest
        USING (id, filename) ORDER BY id DESC
    )"""
    return Relation(rows, {"files": paths})


def write(job: Job, files: Sequence[File], origin: str, rows: Relation) -> File | None:
    """Writes and verifies the file that is to replace others. Without rows nothing is written, and None is returned."""
    file = plan(job, files, origin, rows)
    if file:
        file_lifecycle.write_by(job, file, lambda path: parquet.write(rows, path))
    return file


PLAN: LiteralString = f"""
INSERT INTO app.archive_files AS f (
  tenant_id, source, month, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids, first_at,
  last_at
)
SELECT
  %(tenant_id)s, %(source)s, %(month)s, %(origin)s, %(rows)s, sum(bytes) * %(rows)s / sum(rows),
  sum(text_bytes) * %(rows)s / sum(rows), %(checksum)s, %(first_id)s, %(last_id)s, %(row_group_min_ids)s,
  min(first_at), max(last_at)
FROM app.archive_files WHERE id = ANY (%(replaced)s) HAVING count(*) = %(files)s
RETURNING {manifest.COLUMNS}
"""


def plan(job: Job, files: Sequence[File], origin: str, rows: Relation) -> File | None:
    """Its bytes are estimated from the average row of the files that it replaces."""
    found = parquet.tally(SOURCES[files[0].source], rows)
    if not found.rows:
        return None
    values = {
        "origin": origin,
        "row_group_min_ids": row_group_min_ids(rows),
        "replaced": [file.id for file in files],
        "files": len(files),
    }
    shared = files[0].model_dump(include={"tenant_id", "source", "month"})
    with job.turn:
        planned = job.conn.cursor(row_factory=class_row(File)).execute(PLAN, shared | asdict(found) | values).fetchall()
    for file in planned:
        return file
    raise export_job.RowsChangedError


def row_group_min_ids(rows: Relation) -> list[UUID]:
    """The lowest id of each row group, of rows that are written from the highest id to the lowest."""
    query = f"""
        SELECT id
        FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS number, count(*) OVER () AS rows FROM {rows.sql})
        WHERE number % {parquet.ROW_GROUP} = 0 OR number = rows
        ORDER BY id DESC
    """
    return [UUID(row["id"]) for row in parquet.fetch(query, rows.parameters)]


def swap(job: Job, files: Sequence[File], file: File | None) -> None:
    """The new file, if any, replaces the others in one transaction, with the time at which the last was stored.

    Raises RowsChangedError, and changes nothing, when another job has changed one of them.
    """
    with job.turn, job.conn.transaction():
        replaced = job.conn.execute(
            """
            UPDATE app.archive_files SET state = 'replaced', replaced_at = now()
            WHERE id = ANY (%s) AND state = 'stored' RETURNING stored_at
            """,
            ([file.id for file in files],),
        ).fetchall()
        stored = job.conn.execute(
            "UPDATE app.archive_files SET state = 'stored', stored_at = %s WHERE id = %s AND state = 'verified'",
            (max((at for (at,) in replaced), default=None), file and file.id),
        ).rowcount
        if (len(replaced), stored) != (len(files), int(file is not None)):
            raise export_job.RowsChangedError
