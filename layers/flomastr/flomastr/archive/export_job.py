"""From hot to cold: what is due leaves Postgres for files, in steps that may be killed and taken again.

A leaf whose every row is past its class: what may not leave is set aside, the leaf is sealed, its files are planned,
written and read back, and one transaction makes them count and drops the leaf. What leaves row by row (the backlog, old
chats) is planned, written and read back in the same way; one transaction makes a file count and deletes its rows.
"""

import time
from collections.abc import Callable
from random import uniform
from typing import LiteralString
from uuid import UUID

from psycopg.errors import DatabaseError, LockNotAvailable
from pydantic import BaseModel

from flomastr.archive import file_lifecycle, late_deliveries
from flomastr.archive.manifest import File
from flomastr.jobs import Job, JobFailedError
from flomastr.workflows import partition_job

ATTEMPTS = 5  # at a leaf that is written to all the while
PATIENCE_SECONDS = 60  # for the locks of one leaf
ROWS = 10_000  # in one plan of what leaves one by one
PLANS: dict[str, LiteralString] = {
    "overflow": "SELECT app.plan_overflow(%s, %s, %s)",
    "sessions": "SELECT app.plan_sessions(%s, %s, %s)",
}
REFUSED = (file_lifecycle.UnverifiedError, file_lifecycle.UnwrittenError)


class Partition(BaseModel):
    name: str
    retention_class: int
    lower: UUID
    upper: UUID


class RowsChangedError(Exception):
    """Rows were written to since they were planned."""


def run(job: Job) -> None:
    unsettled = partition_job.reclassify(job)
    for partition in due_partitions(job):
        if not job.has_time():
            return
        if partition.retention_class not in unsettled:
            archive_partition(job, partition)
    if merged_late(job):
        archive_planned_rows(job, "overflow")
    archive_planned_rows(job, "sessions")


def merged_late(job: Job) -> bool:
    """What is late is one with what is archived, before it is archived itself."""
    try:
        return late_deliveries.merge_late(job)
    except REFUSED as error:
        record_failure(job, error)
        return False


def due_partitions(job: Job) -> list[Partition]:
    rows = job.conn.execute(
        """
        SELECT partition_name, retention_class, app.uuid7_floor(starts), app.uuid7_floor(ends) FROM app.partitions()
        WHERE ends <= %s - make_interval(days => retention_class) ORDER BY ends, retention_class
        """,
        (job.moment,),
    ).fetchall()
    return [
        Partition(name=name, retention_class=retention_class, lower=lower, upper=upper)
        for name, retention_class, lower, upper in rows
    ]


def archive_partition(job: Job, partition: Partition) -> None:
    """One that cannot be archived is told, stays as it is, and does not keep the others waiting."""
    for _ in range(ATTEMPTS):
        try:
            prepare(job, partition)
            for file in file_lifecycle.planned(job, partition.name):
                if not job.has_time():
                    return
                file_lifecycle.ensure_written(job, file)
            drop_partition(job, partition)
        except RowsChangedError:
            continue
        except LockNotAvailable:
            job.unfinished = True
        except REFUSED as error:
            if not is_sealed(job, partition):
                continue  # it was written to between its plan and its export
            record_failure(job, error)
        return
    job.unfinished = True


def record_failure(job: Job, error: Exception) -> None:
    """Nothing has left the hot tier. A file that is not what it should be wants somebody to look, and the others go on;
    where nothing can be written, the run ends."""
    if isinstance(error, file_lifecycle.UnwrittenError):
        job.failed(str(error), "ArchiveUnwritten")
        raise JobFailedError(str(error)) from error
    job.failed(f"Unverified: {error}", "ArchiveUnverified")


def prepare(job: Job, partition: Partition) -> None:
    """Sealed, with its files planned, and nothing in it that may not leave. A killed run's plan is gone on with."""
    move_to_overflow(
        job, partition
    )  # breaks the seal when there is something: what is held or not over may have come since
    if is_sealed(job, partition) and file_lifecycle.planned(job, partition.name):
        return
    file_lifecycle.discard(job, partition.name)
    retrying_lock(job, lambda: job.conn.execute("SELECT app.seal_partition(%s)", (partition.name,)))
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
    """Moves the unfinished and the held to the backlog. How many."""
    moved = 0
    while True:
        tenant, ids = job.conn.execute(
            "SELECT tenant_id, ids FROM app.next_to_keep(%s, %s, %s, %s)",
            (partition.retention_class, partition.lower, partition.upper, ROWS),
        ).fetchall()[0]
        if tenant is None:
            job.counts["rows_kept"] += moved
            return moved
        with job.conn.transaction():
            kept = "SELECT app.move_to_overflow(%s, %s::smallint, %s)"
            moved += job.conn.execute(kept, (tenant, partition.retention_class, ids)).fetchall()[0][0]


def drop_partition(job: Job, partition: Partition) -> None:
    """In one transaction its files count and the leaf is gone."""
    if move_to_overflow(job, partition):
        raise RowsChangedError

    def drop() -> int:
        with job.conn.transaction():
            rows = file_lifecycle.store(job, partition.name)
            job.conn.execute("SELECT app.drop_partition(%s)", (partition.name,))
        return rows

    job.counts["rows_archived"] += retrying_lock(job, drop)
    job.counts["leaves_dropped"] += 1


def retrying_lock[Result](job: Job, step: Callable[[], Result]) -> Result:
    """Takes a step as soon as its locks are to be had at once: nobody shall wait behind us."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return step()
        except LockNotAvailable:
            if time.monotonic() > until or not job.has_time():
                raise
            time.sleep(uniform(0.02, 0.2))
        except DatabaseError as error:
            if error.sqlstate == "FL409":
                raise RowsChangedError from error
            raise


def archive_planned_rows(job: Job, plan: str) -> None:
    """What leaves one by one, as long as there is some. Plans that a killed run left behind are given up first."""
    file_lifecycle.discard(job, plan)
    while job.has_time():
        if not job.conn.execute(PLANS[plan], (job.moment, ROWS, plan)).fetchall()[0][0]:
            return
        taken = [archive_rows(job, file) for file in file_lifecycle.planned(job, plan, "writing")]
        file_lifecycle.discard(job, plan)
        if not any(taken):
            return


def archive_rows(job: Job, file: File) -> bool:
    """A file that is written counts, and its rows are gone, in one transaction."""

    def take() -> None:
        with job.conn.transaction():
            file_lifecycle.store_one(job, file)
            job.conn.execute("SELECT app.archive_rows(%s)", (file.id,))

    if not job.has_time():
        return False
    try:
        file_lifecycle.write(job, file)
        retrying_lock(job, take)
    except RowsChangedError:
        job.counts["rows_changed"] += file.rows  # they stay, and are planned anew
        return False
    except LockNotAvailable:
        job.unfinished = True
        return False
    except REFUSED as error:
        if job.conn.execute("SELECT app.has_changed(%s)", (file.id,)).fetchall()[0][0]:
            job.counts["rows_changed"] += file.rows
        else:
            record_failure(job, error)
        return False
    job.counts["rows_archived" if file.source == "workflow_executions" else "sessions_archived"] += file.rows
    return True
