"""Compares alerts with the rollups, and notes which begin to fire and which are resolved.

Those of a page of tenants are one transaction, in which each is locked: it may be killed, and two runs at once note
nothing twice. A page that takes too long is taken apart. Who takes too long alone is slow, and comes last from then on.
"""

import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.alerts.history import EventData
from flomastr.analytics.measures import middle
from flomastr.jobs import Job
from flomastr.observability import logger

PAGE = 100  # alerts, that are measured together
SECONDS = 5.0  # for a page, and for a tenant alone
LONGER = 20.0  # for a slow tenant

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


def run(job: Job) -> datetime | None:
    """Once for each time that executions were counted in rollups: alerts of all tenants but slow ones.

    Returns until when they are counted, once all these are compared.
    """
    asked = "SELECT folded_at FROM app.rollup_progress WHERE alerted_at IS DISTINCT FROM folded_at"
    for (as_of,) in job.conn.execute(asked).fetchall():
        if evaluate(job, as_of):
            job.conn.execute("UPDATE app.rollup_progress SET alerted_at = %s", (as_of,))
            return as_of
    return None


def evaluate(job: Job, as_of: datetime) -> bool:
    """Whether none is left to the next run."""
    waiting, is_left = deque(pages(job)), False
    while waiting:
        if not job.has_time(SECONDS):
            return False
        tenants = waiting.popleft()
        try:
            compare(job, as_of, tenants, SECONDS)
        except LockNotAvailable:
            job.unfinished = is_left = True
        except QueryCanceled:
            if len(tenants) > 1:
                waiting.extend([tenant] for tenant in tenants)
            else:
                put_last(job, tenants[0])
    return not is_left


def pages(job: Job) -> list[list[UUID]]:
    """The tenants that have alerts, without slow ones."""
    asked = """
        SELECT array_agg(t.id)
        FROM (
          SELECT a.tenant_id AS id, div(sum(count(*)) OVER (ORDER BY a.tenant_id), %s) AS page
          FROM app.alerts AS a
          LEFT JOIN app.rollup_settings AS s ON s.tenant_id = a.tenant_id
          WHERE (a.enabled OR a.fired_id IS NOT NULL) AND s.alerts_slow_at IS NULL
          GROUP BY a.tenant_id
        ) AS t
        GROUP BY t.page ORDER BY t.page
    """
    return [tenants for (tenants,) in job.conn.execute(asked, (PAGE,)).fetchall()]


def run_slow(job: Job, as_of: datetime) -> None:
    """Alerts of slow tenants, one tenant after the other, while there is time. The rest comes first in the next run."""
    asked = "SELECT tenant_id FROM app.rollup_settings WHERE alerts_slow_at IS NOT NULL ORDER BY alerts_slow_at"
    for (tenant,) in job.conn.execute(asked).fetchall():
        if not job.has_time(LONGER):
            return
        began = time.monotonic()
        try:
            compare(job, as_of, [tenant], LONGER)
        except LockNotAvailable:
            job.unfinished = True
            continue
        except QueryCanceled:
            job.unfinished = True
            job.counts["tenants_cut_off"] += 1
            logger.warning("Alerts of a tenant take too long to be compared", tenant_id=str(tenant))
        put_last(job, tenant, is_slow=time.monotonic() - began >= SECONDS)


def put_last(job: Job, tenant: UUID, is_slow: bool = True) -> None:
    """It comes after all others from now on; if it is not slow, it does so no more."""
    job.conn.execute(
        """
        INSERT INTO app.rollup_settings (tenant_id, alerts_slow_at)
        SELECT t.id, CASE WHEN %(is_slow)s THEN now() END FROM app.tenants AS t WHERE t.id = %(tenant)s FOR KEY SHARE
        ON CONFLICT (tenant_id) DO UPDATE SET alerts_slow_at = excluded.alerts_slow_at
        """,
        {"tenant": tenant, "is_slow": is_slow},
    )


def compare(job: Job, as_of: datetime, tenants: list[UUID], seconds: float) -> None:
    """Notes what has changed of their alerts. Raises QueryCanceled, where it takes longer, and LockNotAvailable."""
    with job.conn.transaction():
        job.conn.execute("SELECT set_config('statement_timeout', %s, true)", (f"{seconds}s",))
        for alert in measured(job, as_of, tenants):
            note(job, alert, as_of)


def measured(job: Job, as_of: datetime, tenants: list[UUID]) -> list[Measured]:
    asked = f"SELECT {ALERT} FROM app.measured_alerts_v2(%s, %s) AS m"
    return job.conn.cursor(row_factory=class_row(Measured)).execute(asked, (as_of, tenants)).fetchall()


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
