"""Makes the partitions of executions ahead of time, and moves rows between them.

Each row goes to its tenant's retention class, and what must stay when a partition goes, to the overflow partition.
"""

from collections import deque
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from flomastr.jobs import Job

BATCH = 1000
KEPT = 10_000  # in one move to the overflow partition
LOWEST = UUID(int=0)


class OutOfTimeError(Exception):
    """The next run goes on."""


@dataclass
class Change:
    """A tenant's change of its retention class, and how far its executions are moved."""

    tenant: UUID
    left_class: int
    last: UUID | None = LOWEST
    moved: int = 0


def run(job: Job) -> None:
    """Makes the partitions of the days ahead, then moves executions to the class of their tenant."""
    (made,) = job.conn.execute("SELECT app.create_partitions()").fetchall()[0]
    (weeks,) = job.conn.execute("SELECT app.create_history_partitions()").fetchall()[0]
    job.counts["partitions_made"] = made + weeks
    reclassify(job)


def reclassify(job: Job) -> None:
    """Moves executions of tenants that changed their class: in turns, so that a large tenant keeps no other waiting."""
    turns = deque(open_changes(job))
    while turns and job.has_time():
        change = turns.popleft()
        if move_batch(job, change):
            turns.append(change)


def open_changes(job: Job) -> list[Change]:
    """Of each tenant at most once a day: one that changes its class to and fro waits."""
    cursor = job.conn.cursor(row_factory=class_row(Change))
    return cursor.execute(
        """
        SELECT c.tenant_id AS tenant, c.retention_class AS left_class FROM app.retention_class_changes AS c
        WHERE NOT EXISTS (
          SELECT FROM app.retention_class_changes AS moved
          WHERE moved.tenant_id = c.tenant_id AND moved.moved_at > now() - interval '1 day'
        )
        ORDER BY c.changed_at
        """
    ).fetchall()


def move_batch(job: Job, change: Change) -> bool:
    """Moves a tenant's next executions out of the class that it left. Returns whether there may be more."""
    with job.unless_busy():
        with job.conn.transaction():
            moved, last = job.conn.execute(
                "SELECT moved, last FROM app.reclassify(%s, %s::smallint, %s, %s)",
                (change.tenant, change.left_class, change.last, BATCH),
            ).fetchall()[0]
        job.counts["rows_moved"] += moved
        change.moved += moved
        change.last = last
        if last is None:
            end(job, change)
        return last is not None
    return False


def end(job: Job, change: Change) -> None:
    """Notes when executions were moved. A change is done when none was left, and no delivery can still add some."""
    of_change = (change.tenant, change.left_class)
    if change.moved:
        job.conn.execute(
            "UPDATE app.retention_class_changes SET moved_at = now() WHERE tenant_id = %s AND retention_class = %s",
            of_change,
        )
        return
    job.conn.execute(
        # A minute later no delivery writes to the old class any more. An older note stays too while the tenant has just
        # changed, maybe back and forth: lists read the classes that are noted.
        """
        DELETE FROM app.retention_class_changes
        WHERE tenant_id = %s AND retention_class = %s AND changed_at < now() - interval '1 minute'
          AND NOT EXISTS (
            SELECT FROM app.tenants AS t WHERE t.id = tenant_id AND t.updated_at > now() - interval '1 minute'
          )
        """,
        of_change,
    )


def move_to_overflow(job: Job, retention_class: int, lower: UUID, upper: UUID) -> int:
    """Moves the rows that must not go with a partition to the overflow partition. Returns how many.

    One tenant after the other, and all once more until none has any. Raises OutOfTimeError.
    """
    place = retention_class, lower, upper
    moved, before = 0, None
    job.counts["rows_kept"] += 0
    while moved != before:
        before = moved
        for (tenant,) in job.conn.execute("SELECT tenant_id FROM app.tenants_to_keep(%s, %s, %s)", place).fetchall():
            moved += move_rows_of(job, tenant, place)
    return moved


def move_rows_of(job: Job, tenant: UUID, place: tuple[int, UUID, UUID]) -> int:
    """Those of one tenant. Raises OutOfTimeError."""
    moved = 0
    while job.has_time():
        found = "SELECT app.ids_to_keep(%s, %s, %s, %s, %s)"
        ids = job.conn.execute(found, (tenant, *place, KEPT)).fetchall()[0][0]
        if ids:
            moved += move_rows(job, tenant, place[0], ids)
        if len(ids) < KEPT:
            return moved
    raise OutOfTimeError


def move_rows(job: Job, tenant: UUID, retention_class: int, ids: list[UUID]) -> int:
    """How many of them must not go with the partition by then."""
    with job.conn.transaction():
        move = "SELECT app.move_to_overflow(%s, %s::smallint, %s)"
        moved = job.conn.execute(move, (tenant, retention_class, ids)).fetchall()[0][0]
    job.counts["rows_kept"] += moved
    return moved
