"""Compares alerts with the rollups, and notes which begin to fire and which are resolved.

A page of alerts is one transaction, in which each is locked: it may be killed, and two runs at once note nothing twice.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from psycopg.errors import LockNotAvailable
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.alerts.history import EventData
from flomastr.analytics.measures import middle
from flomastr.jobs import Job

PAGE = 100

ALERT = """
  (m.alert).id, (m.alert).tenant_id, (m.alert).name, (m.alert).kind, (m.alert).workflow_id, (m.alert).minutes,
  (m.alert).threshold, (m.alert).min_runs, (m.alert).enabled, (m.alert).watched_since, (m.alert).fired_at,
  app.name_of_n8n_instance((m.alert).tenant_id, (m.alert).n8n_instance) AS instance,
  m.workflow_name, m.is_watched, m.runs, m.failures, m.successes, m.duration_keys, m.duration_counts
"""


@dataclass(frozen=True)
class Measured:
    """An alert, and the runs of its time. `is_watched`: it is enabled, and its workflow is there."""

    id: UUID
    tenant_id: UUID
    name: str
    kind: str
    workflow_id: UUID | None
    minutes: int
    threshold: float
    min_runs: int
    enabled: bool
    watched_since: datetime
    fired_at: datetime | None
    instance: str | None
    workflow_name: str | None
    is_watched: bool
    runs: int
    failures: int
    successes: int
    duration_keys: list[int]
    duration_counts: list[int]

    @property
    def counted(self) -> int:
        """The runs that the value is of."""
        match self.kind:
            case "failure_rate":
                return self.failures + self.successes
            case "slow":
                return sum(self.duration_counts)
            case _:
                return self.runs

    @property
    def value(self) -> float | None:
        """Per cent of failures, or the p95 in seconds. None for silence, and of no runs."""
        match self.kind:
            case "failure_rate":
                return round(100 * self.failures / self.counted, 2) if self.counted else None
            case "slow":
                return middle(percentile(dict(zip(self.duration_keys, self.duration_counts, strict=True)), 95))
            case _:
                return None

    def is_met(self, as_of: datetime) -> bool:
        if not self.is_watched:
            return False
        if self.kind == "silence":
            return self.counted <= 0 and self.watched_since <= as_of - timedelta(minutes=self.minutes)
        return self.counted >= self.min_runs and self.value is not None and self.value > self.threshold


def percentile(counts: dict[int, int], percent: int) -> int | None:
    """As percentile_disc has it, of durations by their keys: so many per cent have this key or a lower one."""
    keys = sorted(counts)
    upto = list(accumulate(map(counts.__getitem__, keys)))
    return keys[bisect_left(upto, -(-upto[-1] * percent // 100))] if upto and upto[-1] > 0 else None


def run(job: Job) -> None:
    """Once for each time that executions were counted in rollups."""
    asked = "SELECT folded_at FROM app.rollup_progress WHERE alerted_at IS DISTINCT FROM folded_at"
    for (as_of,) in job.conn.execute(asked).fetchall():
        if evaluate(job, as_of):
            job.conn.execute("UPDATE app.rollup_progress SET alerted_at = %s", (as_of,))


def evaluate(job: Job, as_of: datetime) -> bool:
    """All alerts. Whether none is left to the next run."""
    after: UUID | None = None
    while job.has_time():
        try:
            with job.conn.transaction():
                page = measured(job, as_of, after)
                for alert in page:
                    note(job, alert, as_of)
        except LockNotAvailable:
            job.unfinished = True
            return False
        if not page:  # shorter ones lack what somebody changes just now
            return True
        after = page[-1].id
    return False


def measured(job: Job, as_of: datetime, after: UUID | None) -> list[Measured]:
    asked = f"SELECT {ALERT} FROM app.measured_alerts(%s, %s, %s) AS m"
    return job.conn.cursor(row_factory=class_row(Measured)).execute(asked, (as_of, after, PAGE)).fetchall()


def note(job: Job, alert: Measured, as_of: datetime) -> None:
    """Once, since the alert is locked: it fires when it did not, or is resolved when it fired."""
    is_met, is_firing = alert.is_met(as_of), alert.fired_at is not None
    if is_met == is_firing:
        return
    type = "fired" if is_met else "resolved"
    asked = "SELECT app.note_alert_event(a, %s, %s) FROM app.alerts AS a WHERE a.id = %s"
    job.conn.execute(asked, (type, Jsonb(data(alert, as_of)), alert.id))
    job.counts[f"alerts_{type}"] += 1


def data(alert: Measured, as_of: datetime) -> dict[str, Any]:
    """What history and webhooks say of it."""
    reason = "over" if alert.is_watched else "workflow_deleted" if alert.enabled else "disabled"
    found = EventData.model_validate(
        vars(alert)
        | {"alert_id": alert.id, "value": alert.value, "runs": alert.counted, "as_of": as_of}
        | {"reason": reason if alert.fired_at else None}
    )
    return found.model_dump(mode="json")
