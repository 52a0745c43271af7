"""What jobs have done lately, as their records say: for super admins."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from flomastr.database.query import Query

type RunState = Literal["running", "done", "unfinished", "failed", "killed"]


class JobOverview(BaseModel):
    """The newest run of a job, and what became of those of the last 24 hours. `counts` say what the newest did."""

    job: str
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    error: str | None
    last_done_at: datetime | None
    runs_in_a_day: int
    failures_in_a_day: int  # failed and killed ones


# the names of jobs one by one: an index has them, and there are a thousand times as many runs
JOBS = """
WITH RECURSIVE names AS (
  (SELECT job FROM app.job_runs ORDER BY job LIMIT 1)
  UNION ALL
  SELECT (SELECT r.job FROM app.job_runs AS r WHERE r.job > n.job ORDER BY r.job LIMIT 1) FROM names AS n
  WHERE n.job IS NOT NULL
)
SELECT
  newest.job, newest.state, newest.started_at, newest.finished_at, newest.counts, newest.error, day.*,
  (
    SELECT r.finished_at FROM app.job_runs AS r WHERE r.job = n.job AND r.state = 'done' ORDER BY r.id DESC LIMIT 1
  ) AS last_done_at
FROM names AS n
CROSS JOIN LATERAL (SELECT * FROM app.job_runs AS r WHERE r.job = n.job ORDER BY r.id DESC LIMIT 1) AS newest
CROSS JOIN LATERAL (
  SELECT count(*) AS runs_in_a_day, count(*) FILTER (WHERE r.state IN ('failed', 'killed')) AS failures_in_a_day
  FROM app.job_runs AS r WHERE r.job = n.job AND r.id >= app.uuid7_floor(now() - interval '1 day')
) AS day
ORDER BY newest.job
"""


def jobs() -> Query[JobOverview]:
    """One row for each job that has ever run."""
    return Query(JOBS, {}, JobOverview)
