"""Takes a restore point each minute, applies recoveries that are too large for a request, and has documents that were
recovered cut and embedded again.

Each is one transaction: killed at any moment it has done nothing, and the next run does it.
"""

from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.errors import DatabaseError, DeadlockDetected, LockNotAvailable

from flomastr.jobs import Job

REFUSED = ("FL", "23")  # a hold, a change since the preview; a constraint
ATTEMPTS = 5  # at a recovery that ends in any other error, or with its run
ATTEMPT: LiteralString = (
    "UPDATE app.recoveries SET attempts = attempts + %(number)s WHERE id = %(id)s AND state = 'pending'"
    " RETURNING attempts"
)


class Pending(NamedTuple):
    id: UUID
    tenant_id: UUID
    applied_by: str


def run(job: Job) -> None:
    """Of tenants in turn, what was not tried yet first. A restore point comes before each recovery, which may take
    minutes."""
    take_restore_point(job)
    pending = job.conn.execute(
        """
        SELECT r.id, r.tenant_id, r.applied_by FROM app.recoveries AS r
        JOIN app.tenants AS t ON t.id = r.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
        WHERE r.state = 'pending' ORDER BY r.attempts, row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.id), r.id
        """
    )
    for recovery in pending.fetchall():
        if not job.has_time(60):
            return
        with job.unless_busy():
            apply(job, Pending(*recovery))
        take_restore_point(job)
    derive_passages(job)


def take_restore_point(job: Job) -> None:
    job.conn.execute("INSERT INTO app.restore_points (reason) VALUES ('every minute')")
    job.counts["restore_points"] += 1


def apply(job: Job, recovery: Pending) -> None:
    """One recovery. One that is refused, or cannot be applied in so many attempts, has failed, which its record says.

    Raises LockNotAvailable and DeadlockDetected, which are no attempt, and what ends the connection.
    """
    for (attempt,) in execute(job, recovery, ATTEMPT, number=1):  # none where a request has applied it meanwhile
        attempt_at(job, recovery, attempt)


def attempt_at(job: Job, recovery: Pending, attempt: int) -> None:
    """Raises what `apply` raises."""
    if attempt > ATTEMPTS:
        fail(job, recovery, f"The run ended in each of {ATTEMPTS} attempts.")
        return
    try:
        execute(job, recovery, "SELECT FROM app.apply_recovery(%(id)s)")
        job.counts["recoveries_done"] += 1
    except (LockNotAvailable, DeadlockDetected):
        execute(job, recovery, ATTEMPT, number=-1)
        raise
    except DatabaseError as error:
        if job.conn.closed:
            raise
        reason = error.diag.message_primary or ""
        if (error.sqlstate or "").startswith(REFUSED):
            fail(job, recovery, reason)
            return
        job.failed(f"Recovery {recovery.id} cannot be applied: {error}", "RecoveryNotApplied")
        if attempt == ATTEMPTS:
            fail(job, recovery, f"It could not be applied in {ATTEMPTS} attempts: {reason}")


def fail(job: Job, recovery: Pending, reason: str) -> None:
    execute(
        job,
        recovery,
        "UPDATE app.recoveries SET error = %(reason)s, state = 'failed'"
        " WHERE id = %(id)s AND state = 'pending' RETURNING id",
        reason=reason,
    )
    job.counts["recoveries_failed"] += 1


def execute(job: Job, recovery: Pending, sql: LiteralString, **params: Any) -> list[Any]:
    """One statement in the name of who asked for the recovery."""
    with job.conn.transaction():
        set_context(job, recovery.tenant_id, recovery.applied_by)
        return job.conn.execute(sql, {"id": recovery.id} | params).fetchall()


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
