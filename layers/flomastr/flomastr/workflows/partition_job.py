"""Makes the partitions of executions ahead of time, and moves each row to its tenant's retention class."""

from uuid import UUID

from psycopg.errors import LockNotAvailable

from flomastr.jobs import Job

BATCH = 1000
LOWEST = UUID(int=0)


def run(job: Job) -> None:
    (made,) = job.conn.execute("SELECT app.create_partitions()").fetchall()[0]
    job.counts["partitions_made"] = made
    reclassify(job)


def reclassify(job: Job) -> set[int]:
    """Moves the executions of tenants that changed their retention class. Returns the classes that still have some."""
    changes = job.conn.execute(
        "SELECT tenant_id, retention_class FROM app.retention_class_changes ORDER BY changed_at"
    ).fetchall()
    return {left for tenant, left in changes if not reclassify_tenant(job, tenant, left)}


def reclassify_tenant(job: Job, tenant: UUID, left: int) -> bool:
    """Moves a tenant's executions out of the class that it left. Returns whether all of them are moved."""
    last: UUID | None = LOWEST
    while last is not None:
        if not job.has_time():
            return False
        try:
            with job.conn.transaction():
                moved, last = job.conn.execute(
                    "SELECT moved, last FROM app.reclassify(%s, %s::smallint, %s, %s)", (tenant, left, last, BATCH)
                ).fetchall()[0]
        except LockNotAvailable:  # deliveries hold the executions; the next run goes on
            job.unfinished = True
            return False
        job.counts["rows_moved"] += moved
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
        (tenant, left),
    )
    return True
