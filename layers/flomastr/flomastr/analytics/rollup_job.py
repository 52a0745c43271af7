"""Keeps rollups: folds what writers of executions have left, builds anew what must be, compares once a day,
and measures what is stored.

Each step is one transaction, and may be killed.
"""

from flomastr.analytics import rebuild, storage_job
from flomastr.analytics.rebuild import UNCOUNTABLE
from flomastr.jobs import Job

BATCH = 50_000


def run(job: Job) -> None:
    """Folds, rebuilds, compares, measures: what there is no time for is left to the next run."""
    fold(job)
    rebuild.run(job)
    reconcile(job)
    storage_job.measure(job)


def fold(job: Job) -> None:
    """Folds what all have left: tenant by tenant, if some of it cannot be counted, which so keeps no other waiting."""
    try:
        fold_all(job)
    except UNCOUNTABLE:
        fold_each(job)


def fold_each(job: Job) -> None:
    """Folds each tenant's by itself, and reports those that cannot be counted."""
    began = job.conn.execute("SELECT now()").fetchall()[0][0]
    for (tenant,) in job.conn.execute("SELECT DISTINCT tenant_id FROM app.execution_deltas").fetchall():
        try:
            folded = BATCH
            while folded == BATCH and job.has_time():
                (folded,) = job.conn.execute("SELECT app.fold_deltas_of(%s, %s)", (tenant, BATCH)).fetchall()[0]
                job.counts["deltas_folded"] += folded
        except UNCOUNTABLE as error:
            job.failed(f"Executions of tenant {tenant} cannot be counted: {type(error).__name__}", "DeltasNotFolded")
    if job.has_time():
        job.conn.execute("UPDATE app.rollup_progress SET folded_at = %s", (began,))


def fold_all(job: Job) -> None:
    """Folds all that was committed before it began, and notes when that was."""
    while job.has_time():
        with job.conn.transaction():
            began, folded = job.conn.execute("SELECT now(), app.fold_deltas(%s)", (BATCH,)).fetchall()[0]
            if folded < BATCH:
                job.conn.execute("UPDATE app.rollup_progress SET folded_at = %s", (began,))
        job.counts["deltas_folded"] += folded
        if folded < BATCH:
            return


def reconcile(job: Job) -> None:
    """Once a day compares the last week with the executions themselves. What differs is reported, and built anew."""
    due = "SELECT FROM app.rollup_progress WHERE reconciled_at IS NULL OR reconciled_at < %s - interval '1 day'"
    if not job.conn.execute(due, (job.moment,)).fetchall():
        return
    for (tenant,) in job.conn.execute("SELECT id FROM app.tenants ORDER BY id").fetchall():
        if not job.has_time():
            return
        (buckets,) = job.conn.execute("SELECT app.count_differing_rollups(%s)", (tenant,)).fetchall()[0]
        if buckets:
            rebuild.ask(job, tenant)
            job.counts["rollups_differing"] += buckets
    if job.counts["rollups_differing"]:
        job.failed(f"{job.counts['rollups_differing']} rollups differ from their executions.", "RollupsDiffer")
    job.conn.execute("UPDATE app.rollup_progress SET reconciled_at = %s", (job.moment,))
