"""Ends what has a time limit: rehydrated copies, archive files, deleted tenants, and rows that are kept for a while.

Each step is a series of small transactions, so that the next run continues a killed one.
"""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from flomastr.archive import file_lifecycle, manifest
from flomastr.archive.manifest import File
from flomastr.jobs import Job
from flomastr.object_storage import StorageUnavailableError
from flomastr.retention import unused_objects

BATCH = 1000
FILES = 500  # removed in one request

EXPIRED_FILES: LiteralString = """
FROM app.cold_policies AS c
WHERE f.tenant_id = c.tenant_id AND f.state = 'stored'
  AND greatest(
    coalesce(f.last_at, app.uuid7_moment(f.last_id)), CASE f.source WHEN 'webchat_sessions' THEN f.stored_at END
  ) < %(moment)s - make_interval(days => c.cold_ttl_days)
  AND NOT app.has_holds(f.tenant_id)
  AND NOT EXISTS (  -- a copy is deleted because what it is a copy of stays
    SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = f.tenant_id AND r.id BETWEEN f.first_id AND f.last_id
  )
"""

KEEP_ROLLUPS = """
INSERT INTO app.rollup_settings AS s (tenant_id, kept_before)
SELECT %(tenant)s, date_trunc('day', max(app.uuid7_moment(id))) + interval '2 days'  -- whole days in any time zone
FROM unnest(%(ids)s::uuid[]) AS id HAVING max(id::text) IS NOT NULL
ON CONFLICT (tenant_id) DO UPDATE SET kept_before = greatest(s.kept_before, excluded.kept_before)
"""
OUTDATED_ROWS: dict[str, LiteralString] = {
    "reported_failures": """
        DELETE FROM app.reported_failures WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM app.reported_failures WHERE reported_at < %(moment)s - interval '90 days' LIMIT %(most)s
        ))
    """,
    "n8n_rejections": """
        DELETE FROM app.n8n_rejections WHERE id = ANY (ARRAY(
          SELECT r.id FROM app.n8n_rejections AS r
          WHERE r.id < app.uuid7_floor(%(moment)s - interval '7 days') AND NOT app.has_holds(r.tenant_id)
          LIMIT %(most)s
        ))
    """,
    "uploads": """
        DELETE FROM app.uploads WHERE id = ANY (ARRAY(
          SELECT id FROM app.uploads
          WHERE id < app.uuid7_floor(%(moment)s - interval '30 days') AND due_at IS NULL LIMIT %(most)s
        ))
    """,
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
    "alert_events": """
        DELETE FROM app.alert_events WHERE id = ANY (ARRAY(
          SELECT e.id FROM app.alert_events AS e JOIN app.alerts AS a ON a.tenant_id = e.tenant_id AND a.id = e.alert_id
          WHERE e.id < app.uuid7_floor(%(moment)s - interval '90 days') AND e.id IS DISTINCT FROM a.fired_id
            AND NOT app.is_held(e.tenant_id, e.workflow_id)
          LIMIT %(most)s
        ))
    """,
    "recoveries": """
        DELETE FROM app.recoveries WHERE id = ANY (ARRAY(
          SELECT id FROM app.recoveries
          WHERE state = 'previewed' AND created_at < %(moment)s - interval '7 days'
            OR state IN ('done', 'failed') AND created_at < %(moment)s - interval '1 year'
          LIMIT %(most)s
        ))
    """,
    "restore_points": """
        DELETE FROM app.restore_points WHERE id = ANY (ARRAY(
          SELECT id FROM app.restore_points WHERE taken_at < %(moment)s - interval '30 days' LIMIT %(most)s
        ))
    """,
    "recorded_transactions": """
        DELETE FROM app.recorded_transactions WHERE (tenant_id, xid) IN (
          SELECT t.tenant_id, t.xid FROM app.recorded_transactions AS t
          WHERE t.committed_at < %(moment)s - interval '38 days' AND NOT app.has_holds(t.tenant_id)
            AND NOT EXISTS (  -- what is not archived yet is archived with its actor
              SELECT FROM app.row_history AS h WHERE h.tenant_id = t.tenant_id AND h.recorded_at <= t.committed_at
            )
          LIMIT %(most)s
        )
    """,
    "job_runs": """
        DELETE FROM app.job_runs WHERE id = ANY (ARRAY(
          SELECT id FROM app.job_runs WHERE started_at < %(moment)s - interval '90 days' LIMIT %(most)s
        ))
    """,
}


def run(job: Job) -> None:
    """Takes the steps one after another while there is time; none depends on the one before."""
    steps = (end_rehydrations, expire_files, remove_files, ask_for_erasures, delete_outdated_rows, drop_history)
    for step in (*steps, unused_objects.remove):  # when history has been forgotten
        if not job.has_time():
            return
        with job.unless_busy():
            step(job)


def end_rehydrations(job: Job) -> None:
    """Deletes the copies of rehydrations whose time is over, unless another rehydration still has them."""
    due = job.conn.cursor(row_factory=scalar_row).execute(
        "SELECT id FROM app.rehydrations WHERE state = 'done' AND expires_at <= %s ORDER BY id", (job.moment,)
    )
    for rehydration in due.fetchall():
        with job.unless_busy():
            end_rehydration(job, rehydration)


def end_rehydration(job: Job, rehydration: UUID) -> None:
    if not delete_copies(job, rehydration):
        return
    expire = "UPDATE app.rehydrations SET state = 'expired' WHERE id = %s AND state = 'done'"
    job.conn.execute(expire, (rehydration,))
    job.counts["restores_expired"] += 1


def delete_copies(job: Job, rehydration: UUID) -> bool:
    """Whether none is left to this rehydration."""
    while job.has_time():
        with job.conn.transaction():
            ended, deleted = job.conn.execute(
                "SELECT ended, deleted FROM app.end_rehydration(%s, %s)", (rehydration, BATCH)
            ).fetchall()[0]
        job.counts["copies_deleted"] += deleted
        if not ended:
            return True
    return False


def expire_files(job: Job) -> None:
    """Takes files that are older than their tenant keeps them out of the manifest. Chats age from their archival."""
    at = {"moment": job.moment}
    tenants = job.conn.cursor(row_factory=scalar_row).execute(
        f"SELECT DISTINCT f.tenant_id FROM app.archive_files AS f CROSS JOIN LATERAL (SELECT 1 {EXPIRED_FILES}) AS e",
        at,
    )
    for tenant in tenants.fetchall():
        with job.unless_busy():
            expire_files_of(job, tenant)


def expire_files_of(job: Job, tenant: UUID) -> None:
    at = {"moment": job.moment, "tenant": tenant}
    with job.conn.transaction():  # excludes who creates a hold
        job.conn.execute("SELECT pg_advisory_xact_lock_shared(app.lock_of_holds(%s))", (tenant,))
        expired = job.conn.execute(
            f"""
            UPDATE app.archive_files AS f SET state = 'replaced', replaced_at = now()
            {EXPIRED_FILES} AND f.tenant_id = %(tenant)s
            RETURNING f.rows, CASE f.source WHEN 'workflow_executions' THEN f.last_id END
            """,
            at,
        ).fetchall()
        job.conn.execute(KEEP_ROLLUPS, {"tenant": tenant, "ids": [id for _, id in expired]})
    job.counts["files_expired"] += len(expired)
    job.counts["rows_expired"] += sum(rows for rows, _ in expired)


def remove_files(job: Job) -> None:
    """Removes files an hour after they were replaced or expired, when no request reads them any more."""
    while job.has_time():
        files = removable_files(job)
        if not files:
            return
        try:
            file_lifecycle.remove(job, files)
        except StorageUnavailableError as error:
            job.failed(f"Objects could not be removed: {error}", "ObjectsNotRemoved")
            return
        job.counts["files_removed"] += len(files)


def removable_files(job: Job) -> list[File]:
    cursor = job.conn.cursor(row_factory=class_row(File))
    return cursor.execute(
        f"""
        SELECT {manifest.COLUMNS} FROM app.archive_files AS f
        WHERE f.state = 'replaced' AND f.replaced_at < %s - interval '1 hour' AND NOT app.has_holds(f.tenant_id)
        ORDER BY f.replaced_at LIMIT %s
        """,
        (job.moment, FILES),
    ).fetchall()


def ask_for_erasures(job: Job) -> None:
    """Requests the erasure of tenants that were deleted 30 days ago."""
    asked = 1
    while asked and job.has_time():
        asked = job.conn.execute(
            "SELECT app.ask_for_erasures(%s - interval '30 days', %s)", (job.moment, BATCH)
        ).fetchall()[0][0]
        job.counts["erasures_asked_for"] += asked


def delete_outdated_rows(job: Job) -> None:
    """Stored responses after a day, previews and transactions after weeks, what jobs and recoveries did later."""
    for table, statement in OUTDATED_ROWS.items():
        with job.unless_busy():
            deleted = 1
            while deleted and job.has_time():
                deleted = job.conn.execute(statement, {"moment": job.moment, "most": 10 * BATCH}).rowcount
                job.counts[f"{table}_forgotten"] += deleted


def drop_history(job: Job) -> None:
    """Drops weeks of the history of rows that ended 30 days ago, once archived: no restore point needs them."""
    while job.has_time():
        (dropped,) = job.conn.execute("SELECT app.drop_history(%s - interval '30 days')", (job.moment,)).fetchall()[0]
        if not dropped:
            return
        job.counts["history_weeks_dropped"] += 1
