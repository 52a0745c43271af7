"""Whether the schedules of jobs still run. A job that does not run tells nobody, so another one looks."""

from datetime import timedelta

from flomastr.jobs import Job
from flomastr.observability import logger, metrics

MINUTES, HOURS, DAYS = (timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))

# How old the last good run of each job may be; that of `drill`, which looks, is seen by its metric's absence.
ALLOWED = {
    **dict.fromkeys(("alert", "requeue"), 30 * MINUTES),
    "rollup": 1 * HOURS,
    **dict.fromkeys(("recover", "restore", "pull", "erase", "expire"), 4 * HOURS),
    **dict.fromkeys(("backup", "archive"), 28 * HOURS),
    "partitions": 2 * DAYS,
    "compact": 8 * DAYS,
}

# What has never run counts from the first record of any job.
OVERDUE = """
SELECT j.job FROM unnest(%(jobs)s::text[], %(allowed)s::interval[]) AS j(job, allowed)
WHERE %(moment)s - coalesce(
  (
    SELECT r.started_at FROM app.job_runs AS r
    WHERE r.job = j.job AND r.state IN ('done', 'unfinished') ORDER BY r.id DESC LIMIT 1
  ),
  (SELECT r.started_at FROM app.job_runs AS r ORDER BY r.id LIMIT 1)
) > j.allowed
ORDER BY 1
"""


def watch(job: Job) -> None:
    """Counts the jobs whose last good run is too long ago. Raises psycopg.Error."""
    asked = {"jobs": list(ALLOWED), "allowed": list(ALLOWED.values()), "moment": job.moment}
    overdue = [name for (name,) in job.conn.execute(OVERDUE, asked).fetchall()]
    if overdue:
        logger.error("Jobs have had no good run for too long", jobs=overdue)
    metrics.add_metric(name="JobsOverdue", unit="Count", value=len(overdue))
