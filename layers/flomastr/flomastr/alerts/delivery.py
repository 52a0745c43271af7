"""Delivers what alerts report, as Standard Webhooks (https://www.standardwebhooks.com), until the receiver has it.

An attempt is claimed before it is made and noted after it. A run that is killed between sends again what the receiver
may have: under the same webhook-id.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.alerts.webhooks import SECONDS, Outcome, Webhook, send
from flomastr.auth.webhook_signatures import alert_secret
from flomastr.jobs import Job

BATCH = 50  # sent at once
LEASE = timedelta(seconds=60)
GONE = 410  # the receiver wants no more of it
# Until the next attempt, in minutes; the last one repeats, until the event is three days old.
WAITS = (1, 5, 15, 30, 60, 120, 240, 360)


@dataclass(frozen=True)
class Claim:
    """An event that this run delivers, unless `until` has passed."""

    id: UUID
    alert_id: UUID
    type: str
    occurred_at: datetime
    data: dict[str, Any]
    attempts: list[Any]
    until: datetime
    url: str

    def webhook(self) -> Webhook:
        body = {"type": f"alert.{self.type}", "timestamp": self.occurred_at.isoformat(), "data": self.data}
        return Webhook(str(self.id), self.url, json.dumps(body).encode(), alert_secret(self.alert_id))


def run(job: Job) -> None:
    """Delivers what is due. When the oldest event of an alert has arrived, the next one is due."""
    while job.has_time(2 * SECONDS):
        claims = claimed(job)
        if not claims:
            return
        for claim, outcome in zip(claims, sent([claim.webhook() for claim in claims]), strict=True):
            note(job, claim, outcome)


def claimed(job: Job) -> list[Claim]:
    asked = """
        SELECT (c.event).id, (c.event).alert_id, (c.event).type, (c.event).occurred_at, (c.event).data,
          (c.event).attempts, (c.event).next_attempt_at AS until, c.url
        FROM app.claim_alert_events(%s, %s) AS c
    """
    return job.conn.cursor(row_factory=class_row(Claim)).execute(asked, (BATCH, LEASE)).fetchall()


def sent(webhooks: Sequence[Webhook]) -> list[Outcome]:
    """The outcome of each attempt; all are made at once."""

    async def all() -> list[Outcome]:
        return await asyncio.gather(*map(send, webhooks))

    loop = asyncio.new_event_loop()  # asyncio.run would take the current one of this sandbox away
    loop.set_default_executor(ThreadPoolExecutor(BATCH, "names"))  # a slow name server keeps no other name waiting
    try:
        return loop.run_until_complete(all())
    finally:
        loop.close()


def note(job: Job, claim: Claim, outcome: Outcome) -> None:
    attempt = {"at": datetime.now(UTC).isoformat(), "status": outcome.status, "error": outcome.error}
    wait = None if outcome.status == GONE else wait_after(len(claim.attempts), outcome)
    asked = "SELECT app.note_attempt(%s, %s, %s, %s, %s)"
    job.conn.execute(asked, (claim.id, claim.until, Jsonb(attempt), outcome.is_delivered, wait))
    job.counts["webhooks_delivered" if outcome.is_delivered else "webhooks_refused"] += 1


def wait_after(attempts: int, outcome: Outcome) -> timedelta:
    """Until the next attempt, after so many before this one."""
    return max(timedelta(minutes=WAITS[min(attempts, len(WAITS) - 1)]), timedelta(seconds=outcome.retry_after))
