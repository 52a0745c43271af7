"""Takes a restore point each minute, applies recoveries that are too large for a request, and has documents that were
recovered cut and embedded again.

Each is one transaction: killed at any moment it has done nothing, and the next run does it.
"""

from uuid import UUID

from psycopg.errors import DatabaseError

from flomastr.jobs import Job

REFUSED = ("FL", "23")  # a hold, a change since the preview; a constraint


def run(job: Job) -> None:
    """Of tenants in turn. A restore point comes before each recovery, which may take minutes."""
    take_restore_point(job)
    pending = job.conn.execute(
        """
        SELECT r.id, r.tenant_id, r.applied_by FROM app.recoveries AS r
        JOIN app.tenants AS t ON t.id = r.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
        WHERE r.state = 'pending' ORDER BY row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.id), r.id
        """
    )
    for recovery in pending.fetchall():
        if not job.has_time(60):
            return
        with job.unless_busy():
            apply(job, *recovery)
        take_restore_point(job)
    derive_passages(job)


def take_restore_point(job: Job) -> None:
    job.conn.execute("INSERT INTO app.restore_points (reason) VALUES ('every minute')")
    job.counts["restore_points"] += 1


def apply(job: Job, id: UUID, tenant_id: UUID, applied_by: str) -> None:
    """One recovery, in the name of who asked for it. One that is refused has failed, which its record says."""
    try:
        with job.conn.transaction():
            set_context(job, tenant_id, applied_by)
            job.conn.execute("SELECT FROM app.apply_recovery(%s)", (id,))
        job.counts["recoveries_done"] += 1
    except DatabaseError as error:
        if not (error.sqlstate or "").startswith(REFUSED):
            raise
        with job.conn.transaction():
            set_context(job, tenant_id, applied_by)
            job.conn.execute(
                "UPDATE app.recoveries SET state = 'failed', error = %s WHERE id = %s AND state = 'pending'",
                (error.diag.message_primary, id),
            )
        job.counts["recoveries_failed"] += 1


def derive_passages(job: Job) -> None:
    """Of recovered documents, one by one. Their vectors follow as those of new ones."""
    for tenant_id, document_id in job.conn.execute("SELECT * FROM app.awaited_passages()").fetchall():
        if not job.has_time(60):
            return
        try:
            with job.conn.transaction():
                set_context(job, tenant_id, "job:recover")
                job.conn.execute("SELECT app.derive_passages(%s)", (document_id,))
        except DatabaseError as error:
            job.failed(f"Document {document_id} has no passages yet: {error}", "PassagesNotDerived")
        else:
            job.counts["documents_derived"] += 1


def set_context(job: Job, tenant_id: UUID, actor: str) -> None:
    job.conn.execute(
        "SELECT set_config('app.tenant_id', %s, true), set_config('app.actor', %s, true)", (str(tenant_id), actor)
    )
