"""Archives what is due: moves rows from Postgres to files, in steps that may be killed and repeated.

A partition is due when all its rows are past their retention class. Rows that must stay are moved to the overflow
partition, the partition is sealed, and its files are planned, written and verified; then one transaction marks the
files as stored and drops the partition. Rows of the overflow partition, old chats and the history of rows are planned,
written and verified in the same way; then one transaction marks a file as stored and deletes its rows.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import groupby
from random import uniform
from typing import LiteralString
from uuid import UUID

from psycopg.errors import DatabaseError, LockNotAvailable
from pydantic import BaseModel

from flomastr.archive import file_lifecycle, late_deliveries
from flomastr.archive.file_lifecycle import REFUSED, record_failure
from flomastr.archive.manifest import File
from flomastr.archive.parquet import SOURCES
from flomastr.jobs import Job
from flomastr.workflows import partition_job
from flomastr.workflows.partition_job import LOWEST, OutOfTimeError

ATTEMPTS = 5  # at a partition that is written to meanwhile
LOCK_SECONDS = 30  # for the locks of one partition, asked for so shortly that nobody queues behind them
SHORTLY = 0.015  # seconds
LONGER = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)  # the last ones outlast every request that holds a partition
ROWS = 10_000  # in one plan or one move
# How many files, and after which row the next plan begins; NULL: there is none.
PLANS: dict[str, LiteralString] = {
    "overflow": "SELECT * FROM app.plan_overflow_v2(%(moment)s, %(most)s, %(plan)s, %(without)s, %(after)s)",
    "sessions": "SELECT p, CASE WHEN p > 0 THEN %(after)s END"
    " FROM app.plan_sessions_v2(%(moment)s, %(most)s, %(plan)s, %(without)s) AS p",
    "history": "SELECT p, CASE WHEN p > 0 THEN %(after)s END"
    " FROM app.plan_history(%(moment)s, %(most)s, %(plan)s, %(without)s) AS p",
}


class Partition(BaseModel):
    name: str
    retention_class: int
    lower: UUID
    upper: UUID


class RowsChangedError(Exception):
    """Rows have changed since they were planned."""


def run(job: Job) -> None:
    """Archives partitions, then late deliveries, the overflow partition, chats and history, while there is time.

    Raises JobFailedError where nothing can be written.
    """
    for partition in due_partitions(job):
        if not job.has_time():
            return
        archive_partition(job, partition)
    waiting = late_deliveries.merge_late(job)
    archive_planned_rows(job, "overflow", without=waiting)
    archive_planned_rows(job, "sessions")
    archive_planned_rows(job, "history")
    partition_job.reclassify(job)
    archive_planned_rows(job, "overflow", without=waiting)  # what is past a class that its tenant has just shortened


def due_partitions(job: Job) -> list[Partition]:
    rows = job.conn.execute(
        """
        SELECT partition_name, retention_class, app.uuid7_floor(starts), app.uuid7_floor(ends) FROM app.partitions()
        WHERE ends <= %s - make_interval(days => retention_class)
        ORDER BY ends, retention_class
        """,
        (job.moment,),
    ).fetchall()
    return [
        Partition(name=name, retention_class=retention_class, lower=lower, upper=upper)
        for name, retention_class, lower, upper in rows
    ]


def archive_partition(job: Job, partition: Partition) -> None:
    """Archives a partition and drops it. One that cannot be archived is reported and stays; the run continues."""
    for _ in range(ATTEMPTS):
        try:
            prepare(job, partition)
            if not file_lifecycle.secure(job, file_lifecycle.planned(job, partition.name)):
                return
            drop_partition(job, partition)
        except RowsChangedError:
            continue
        except OutOfTimeError:
            return
        except LockNotAvailable:
            job.unfinished = True
        except REFUSED as error:
            if not is_sealed(job, partition):
                continue  # a write came between its plan and its export
            record_failure(job, error)
        return
    job.unfinished = True


def prepare(job: Job, partition: Partition) -> None:
    """Seals a partition and plans its files, without rows that must stay. Continues with the plan of a killed run.

    Raises RowsChangedError.
    """
    move_to_overflow(job, partition)  # breaks the seal if rows became held or unfinished since
    if is_sealed(job, partition) and file_lifecycle.planned(job, partition.name):
        return
    file_lifecycle.discard(job, partition.name)
    seal = "SELECT app.seal_partition(%s, make_interval(secs => %s))"
    retrying_lock(job, lambda seconds: job.conn.execute(seal, (partition.name, seconds)))
    job.conn.execute(
        "SELECT app.plan_partition(%s, %s, %s, %s)",
        (partition.name, partition.retention_class, partition.lower, partition.upper),
    )
    if move_to_overflow(job, partition):
        file_lifecycle.discard(job, partition.name)
        raise RowsChangedError


def is_sealed(job: Job, partition: Partition) -> bool:
    found = job.conn.execute(
        "SELECT FROM app.sealed_partitions WHERE partition_name = %s AND broken_at IS NULL", (partition.name,)
    )
    return found.rowcount == 1


def move_to_overflow(job: Job, partition: Partition) -> int:
    """Moves the rows that must not go with the partition. Returns how many. Raises OutOfTimeError."""
    return partition_job.move_to_overflow(job, partition.retention_class, partition.lower, partition.upper)


def drop_partition(job: Job, partition: Partition) -> None:
    """Marks the files as stored and drops the partition, in one transaction. Raises RowsChangedError."""
    if move_to_overflow(job, partition):
        raise RowsChangedError

    def drop(seconds: float) -> int:
        with job.conn.transaction():
            rows = file_lifecycle.store(job, partition.name)
            job.conn.execute("SELECT app.drop_partition(%s, make_interval(secs => %s))", (partition.name, seconds))
        return rows

    job.counts["rows_archived"] += retrying_lock(job, drop)
    job.counts["leaves_dropped"] += 1


def retrying_lock[Result](job: Job, step: Callable[[float], Result]) -> Result:
    """Repeats a step, which is told how many seconds to wait for a lock, until it gets its locks.

    Raises LockNotAvailable after the last attempt, RowsChangedError.
    """
    for seconds in waits():
        try:
            return step(seconds)
        except LockNotAvailable:
            if not job.has_time():
                raise
            time.sleep(uniform(0.02, 0.2))
        except DatabaseError as error:
            if error.sqlstate == "FL409":
                raise RowsChangedError from error
            raise
    raise LockNotAvailable


def waits() -> Iterator[float]:
    """Short ones, so that nobody queues behind them, then longer ones: requests that overlap never let go at once."""
    until = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < until:
        yield SHORTLY
    yield from LONGER


def archive_planned_rows(job: Job, plan: str, without: Collection[UUID] = ()) -> None:
    """Archives rows by one of the PLANS, of several tenants at once, until none is due, but not of those `without`.

    Nothing more of a tenant whose file failed: no newer history is in files while an older one is not, since an erasure
    finds by the newer one whose an e-mail address in the older one was. Discards the plan of a killed run first.
    """
    file_lifecycle.discard(job, plan)
    left_out = {*without}
    after: UUID | None = LOWEST
    while after and job.has_time():
        asked = {"moment": job.moment, "most": ROWS, "plan": plan, "without": list(left_out), "after": after}
        files, after = job.conn.execute(PLANS[plan], asked).fetchall()[0]
        if not files:
            continue
        planned = sorted(file_lifecycle.planned(job, plan, "writing"), key=lambda file: (file.tenant_id, file.month))
        tenants = {tenant: [*files] for tenant, files in groupby(planned, key=lambda file: file.tenant_id)}
        archived = job.several_at_once(partial(archive_in_order, job), tenants.values())
        left_out.update(tenant for tenant, is_done in zip(tenants, archived, strict=True) if not is_done)
        file_lifecycle.discard(job, plan)


def archive_in_order(job: Job, files: Iterable[File]) -> bool:
    """Archives the files of a tenant until one fails. Returns whether none did."""
    return all(archive_rows(job, file) for file in files)


def store_and_delete(job: Job, file: File) -> None:
    """Raises LockNotAvailable, or FL409 if rows have changed since they were planned."""
    with job.turn, job.conn.transaction():
        file_lifecycle.store_one(job, file)
        job.conn.execute("SELECT app.archive_rows(%s)", (file.id,))


def has_changed(job: Job, file: File) -> bool:
    """Whether a row has, since the file was planned."""
    with job.turn:
        return job.conn.execute("SELECT app.has_changed(%s)", (file.id,)).fetchall()[0][0]


def archive_rows(job: Job, file: File) -> bool:
    """Writes a file, then marks it as stored and deletes its rows in one transaction. Returns whether it did."""
    if not job.has_time():
        return False
    try:
        file_lifecycle.write(job, file)
        retrying_lock(job, lambda _: store_and_delete(job, file))
    except RowsChangedError:
        job.count("rows_changed", file.rows)  # they stay, and are planned again
        return False
    except LockNotAvailable:
        job.unfinished = True
        return False
    except REFUSED as error:
        if has_changed(job, file):
            job.count("rows_changed", file.rows)
        else:
            record_failure(job, error)
        return False
    job.count(SOURCES[file.source].counted, file.rows)
    return True
