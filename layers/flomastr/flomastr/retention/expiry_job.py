"""What ends by itself: restored copies, old files of the cold tier, deleted tenants, what is remembered for a while.

Each step is a list of small transactions: a run that is killed is gone on with by the next.
"""

from typing import LiteralString
from uuid import UUID

from psycopg.errors import LockNotAvailable
from psycopg.rows import class_row, scalar_row

from flomastr.archive import file_lifecycle, manifest
from flomastr.archive.manifest import File
from flomastr.jobs import Job
from flomastr.object_storage import StorageUnavailableError

BATCH = 1000
FILES = 500  # removed at once

EXPIRED_FILES: LiteralString = """
FROM app.cold_policies AS c
WHERE f.tenant_id = c.tenant_id AND f.state = 'stored'
  AND greatest(app.uuid7_moment(f.last_id), CASE f.source WHEN 'webchat_sessions' THEN f.stored_at END)
    < %(moment)s - make_interval(days => c.cold_ttl_days)
  AND NOT app.has_holds(f.tenant_id)
  AND NOT EXISTS (  -- a copy is deleted because what it is a copy of stays
    SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = f.tenant_id AND r.id BETWEEN f.first_id AND f.last_id
  )
"""

FORGOTTEN: dict[str, LiteralString] = {
    "idempotency_keys": """
        DELETE FROM app.idempotency_keys WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM app.idempotency_keys WHERE created_at < %(moment)s - interval '24 hours' LIMIT %(most)s
        ))
    """,
    "rate_buckets": """
        DELETE FROM app.rate_buckets WHERE full_at <= %(moment)s AND name = ANY (ARRAY(
          SELECT name FROM app.rate_buckets WHERE full_at <= %(moment)s LIMIT %(most)s
        ))
    """,
    "job_runs": """
        DELETE FROM app.job_runs WHERE id = ANY (ARRAY(
          SELECT id FROM app.job_runs WHERE started_at < %(moment)s - interval '90 days' LIMIT %(most)s
        ))
    """,
}


def run(job: Job) -> None:
    for step in (end_rehydrations, expire_files, remove_files, ask_for_erasures, forget):
        if not job.has_time():
            return
        step(job)


def end_rehydrations(job: Job) -> None:
    """Copies of restores whose time is over, unless another restore goes on with them."""
    due = job.conn.cursor(row_factory=scalar_row).execute(
        "SELECT id FROM app.rehydrations WHERE state = 'done' AND expires_at <= %s ORDER BY id", (job.moment,)
    )
    for restore in due.fetchall():
        if not ended(job, restore):
            continue
        job.conn.execute("UPDATE app.rehydrations SET state = 'expired' WHERE id = %s AND state = 'done'", (restore,))
        job.counts["restores_expired"] += 1


def ended(job: Job, restore: UUID) -> bool:
    while job.has_time():
        try:
            with job.conn.transaction():
                ended, deleted = job.conn.execute(
                    "SELECT ended, deleted FROM app.end_rehydration(%s, %s)", (restore, BATCH)
                ).fetchall()[0]
        except LockNotAvailable:  # deliveries hold the copies; the next run goes on
            job.unfinished = True
            return False
        job.counts["copies_deleted"] += deleted
        if not ended:
            return True
    return False


def expire_files(job: Job) -> None:
    """What its tenant keeps no longer is read no longer. Chats count from when they left the hot tier."""
    at = {"moment": job.moment}
    tenants = job.conn.cursor(row_factory=scalar_row).execute(
        "SELECT DISTINCT f.tenant_id FROM app.archive_files AS f CROSS JOIN LATERAL (SELECT 1"
        + EXPIRED_FILES
        + ") AS e",
        at,
    )
    for tenant in tenants.fetchall():
        with job.conn.transaction():  # in turn with who places a hold
            job.conn.execute("SELECT pg_advisory_xact_lock_shared(app.lock_of_holds(%s))", (tenant,))
            expired = job.conn.execute(
                "UPDATE app.archive_files AS f SET state = 'replaced', replaced_at = now()"
                + EXPIRED_FILES
                + "AND f.tenant_id = %(tenant)s RETURNING f.rows",
                at | {"tenant": tenant},
            ).fetchall()
        job.counts["files_expired"] += len(expired)
        job.counts["rows_expired"] += sum(rows for (rows,) in expired)


def remove_files(job: Job) -> None:
    """An hour after they were replaced or expired, nobody reads them any more."""
    while job.has_time():
        files = job.conn.cursor(row_factory=class_row(File)).execute(
            "SELECT " + manifest.COLUMNS + " FROM app.archive_files AS f"
            " WHERE state = 'replaced' AND replaced_at < %s - interval '1 hour' AND NOT app.has_holds(tenant_id)"
            " ORDER BY replaced_at LIMIT %s",
            (job.moment, FILES),
        )
        some = files.fetchall()
        if not some:
            return
        try:
            file_lifecycle.remove(job, some)
        except StorageUnavailableError as error:
            job.failed(f"Objects could not be removed: {error}", "ObjectsNotRemoved")
            return
        job.counts["files_removed"] += len(some)


def ask_for_erasures(job: Job) -> None:
    """Of tenants that were deleted 30 days ago."""
    asked = 1
    while asked and job.has_time():
        asked = job.conn.execute(
            "SELECT app.ask_for_erasures(%s - interval '30 days', %s)", (job.moment, BATCH)
        ).fetchall()[0][0]
        job.counts["erasures_asked_for"] += asked


def forget(job: Job) -> None:
    """Answers after a day, buckets that are full, and what jobs did a quarter of a year ago."""
    for table, statement in FORGOTTEN.items():
        forgotten = 1
        while forgotten and job.has_time():
            forgotten = job.conn.execute(statement, {"moment": job.moment, "most": 10 * BATCH}).rowcount
            job.counts[f"{table}_forgotten"] += forgotten
