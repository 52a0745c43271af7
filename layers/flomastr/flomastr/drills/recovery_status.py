"""What there is to restore from, and how long that took when it was tried: for super admins."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from flomastr.database.query import Query


class BackupStatus(BaseModel):
    """One snapshot of all tables."""

    id: str
    taken_at: datetime
    age_seconds: float
    rows: int
    bytes: int


class DrillStatus(BaseModel):
    """A drill, with what it measured; null where it did not come that far.

    `point_in_time_*` are of a fork of the cluster, `backup_*` of the newest backup: how many seconds a recovery took
    (RTO), and how many seconds of writes it lacked (RPO).
    """

    started_at: datetime
    restored_to: datetime
    verdict: Literal["good", "backup bad", "fork bad", "drill bad"]
    problems: list[str]
    point_in_time_rto_seconds: float | None
    point_in_time_rpo_seconds: float | None
    backup_rto_seconds: float | None
    backup_rpo_seconds: float | None


class RecoveryStatus(BaseModel):
    """As it was seen at `checked_at`, from outside of the job that takes backups. No problems: all is well."""

    checked_at: datetime | None
    problems: list[str]
    newest_backup: BackupStatus | None
    backups: int
    oldest_backup_at: datetime | None
    restorable_from: datetime | None  # every moment since, from the provider's own backups
    last_drill: DrillStatus | None
    last_good_drill: DrillStatus | None


STATUS = """
WITH drills AS (
  SELECT started_at, restored_to, verdict, problems,
    fork_seconds AS point_in_time_rto_seconds, fork_lost_seconds AS point_in_time_rpo_seconds,
    restore_seconds AS backup_rto_seconds, backup_lost_seconds AS backup_rpo_seconds
  FROM app.drills WHERE finished_at IS NOT NULL
)
SELECT
  c.checked_at, c.backups, c.oldest_backup_at, c.restorable_from,
  c.problems || CASE
    WHEN c.checked_at IS NULL THEN ARRAY['Nobody has looked yet: the job drill has not run.']
    WHEN c.checked_at < now() - interval '1 hour'
    THEN ARRAY['Nobody has looked for an hour: the job drill does not run.']
    ELSE '{}'
  END AS problems,
  (
    SELECT to_jsonb(b) FROM (
      SELECT id, taken_at, extract(epoch FROM now() - taken_at) AS age_seconds, rows, bytes
      FROM app.backups WHERE id = c.newest_backup
    ) AS b
  ) AS newest_backup,
  (SELECT to_jsonb(d) FROM drills AS d ORDER BY d.started_at DESC LIMIT 1) AS last_drill,
  (SELECT to_jsonb(d) FROM drills AS d WHERE d.verdict = 'good' ORDER BY d.started_at DESC LIMIT 1) AS last_good_drill
FROM app.recovery_check AS c
"""


def status() -> Query[RecoveryStatus]:
    """Always one row."""
    return Query(STATUS, {}, RecoveryStatus)
