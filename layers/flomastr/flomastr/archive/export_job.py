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
from flomastr.jobs import Job, JobFailed
from flomastr.workflows import partition_job

ATTEMPTS = 5  # at a leaf that is written to all the while
PATIENCE_SECONDS = 60  # for the locks of one leaf
ROWS = 10_000  # in one plan of what leaves one by one
PLANS: dict[str, LiteralString] = {
    "backlog": "SELECT app.plan_backlog(%s, %s, %s)",
    "sessions": "SELECT app.plan_sessions(%s, %s, %s)",
}
REFUSED = (file_lifecycle.Unverified, file_lifecycle.Unwritten)


class Leaf(BaseModel):
    name: str
    ttl_class: int
    lower: UUID
    upper: UUID


class Changed(Exception):
    """Rows were written to since they were planned."""


def run(job: Job) -> None:
    unsettled = partition_job.settle(job)
    for leaf in due_leaves(job):
        if not job.has_time():
            return
        if leaf.ttl_class not in unsettled:
            archive_leaf(job, leaf)
    if rejoined(job):
        archive_rows(job, "backlog")
    archive_rows(job, "sessions")


def rejoined(job: Job) -> bool:
    """What is late is one with what is archived, before it is archived itself."""
    try:
        return late_deliveries.rejoin(job)
    except REFUSED as error:
        refuse(job, error)
        return False


def due_leaves(job: Job) -> list[Leaf]:
    rows = job.conn.execute(
        """
        SELECT leaf, class, app.uuid7_floor(starts), app.uuid7_floor(ends) FROM app.leaves()
        WHERE ends <= %s - make_interval(days => class) ORDER BY ends, class
        """,
        (job.moment,),
    ).fetchall()
    return [Leaf(name=name, ttl_class=ttl_class, lower=lower, upper=upper) for name, ttl_class, lower, upper in rows]


def archive_leaf(job: Job, leaf: Leaf) -> None:
    """One that cannot be archived is told, stays as it is, and does not keep the others waiting."""
    for _ in range(ATTEMPTS):
        try:
            prepare(job, leaf)
            for file in file_lifecycle.planned(job, leaf.name):
                if not job.has_time():
                    return
                file_lifecycle.secure(job, file)
            retire(job, leaf)
        except Changed:
            continue
        except LockNotAvailable:
            job.unfinished = True
        except REFUSED as error:
            if not is_sealed(job, leaf):
                continue  # it was written to between its plan and its export
            refuse(job, error)
        return
    job.unfinished = True


def refuse(job: Job, error: Exception) -> None:
    """Nothing has left the hot tier. A file that is not what it should be wants somebody to look, and the others go on;
    where nothing can be written, the run ends."""
    if isinstance(error, file_lifecycle.Unwritten):
        job.failed(str(error), "ArchiveUnwritten")
        raise JobFailed(str(error)) from error
    job.failed(f"Unverified: {error}", "ArchiveUnverified")


def prepare(job: Job, leaf: Leaf) -> None:
    """Sealed, with its files planned, and nothing in it that may not leave. A killed run's plan is gone on with."""
    set_aside(job, leaf)  # breaks the seal when there is something: what is held or not over may have come since
    if is_sealed(job, leaf) and file_lifecycle.planned(job, leaf.name):
        return
    file_lifecycle.discard(job, leaf.name)
    patiently(job, lambda: job.conn.execute("SELECT app.seal_leaf(%s)", (leaf.name,)))
    job.conn.execute("SELECT app.plan_leaf(%s, %s, %s, %s)", (leaf.name, leaf.ttl_class, leaf.lower, leaf.upper))
    if set_aside(job, leaf):
        file_lifecycle.discard(job, leaf.name)
        raise Changed


def is_sealed(job: Job, leaf: Leaf) -> bool:
    found = job.conn.execute("SELECT FROM app.sealed_leaves WHERE leaf = %s AND broken_at IS NULL", (leaf.name,))
    return found.rowcount == 1


def set_aside(job: Job, leaf: Leaf) -> int:
    """Moves the unfinished and the held to the backlog. How many."""
    moved = 0
    while True:
        tenant, ids = job.conn.execute(
            "SELECT tenant_id, ids FROM app.next_to_keep(%s, %s, %s, %s)",
            (leaf.ttl_class, leaf.lower, leaf.upper, ROWS),
        ).fetchall()[0]
        if tenant is None:
            job.counts["rows_kept"] += moved
            return moved
        with job.conn.transaction():
            kept = "SELECT app.set_aside(%s, %s::smallint, %s)"
            moved += job.conn.execute(kept, (tenant, leaf.ttl_class, ids)).fetchall()[0][0]


def retire(job: Job, leaf: Leaf) -> None:
    """In one transaction its files count and the leaf is gone."""
    if set_aside(job, leaf):
        raise Changed

    def drop() -> int:
        with job.conn.transaction():
            rows = file_lifecycle.store(job, leaf.name)
            job.conn.execute("SELECT app.drop_leaf(%s)", (leaf.name,))
        return rows

    job.counts["rows_archived"] += patiently(job, drop)
    job.counts["leaves_dropped"] += 1


def patiently[Result](job: Job, step: Callable[[], Result]) -> Result:
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
                raise Changed from error
            raise


def archive_rows(job: Job, plan: str) -> None:
    """What leaves one by one, as long as there is some. Plans that a killed run left behind are given up first."""
    file_lifecycle.discard(job, plan)
    while job.has_time():
        if not job.conn.execute(PLANS[plan], (job.moment, ROWS, plan)).fetchall()[0][0]:
            return
        taken = [take_out(job, file) for file in file_lifecycle.planned(job, plan, "writing")]
        file_lifecycle.discard(job, plan)
        if not any(taken):
            return


def take_out(job: Job, file: File) -> bool:
    """A file that is written counts, and its rows are gone, in one transaction."""

    def take() -> None:
        with job.conn.transaction():
            file_lifecycle.store_one(job, file)
            job.conn.execute("SELECT app.take_out(%s)", (file.id,))

    if not job.has_time():
        return False
    try:
        file_lifecycle.write(job, file)
        patiently(job, take)
    except Changed:
        job.counts["rows_changed"] += file.rows  # they stay, and are planned anew
        return False
    except LockNotAvailable:
        job.unfinished = True
        return False
    except REFUSED as error:
        if job.conn.execute("SELECT app.has_changed(%s)", (file.id,)).fetchall()[0][0]:
            job.counts["rows_changed"] += file.rows
        else:
            refuse(job, error)
        return False
    job.counts["rows_archived" if file.source == "workflow_executions" else "sessions_archived"] += file.rows
    return True
