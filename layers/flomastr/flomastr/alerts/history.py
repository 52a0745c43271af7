"""What alerts have reported, and how the webhooks that said so were delivered."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from flomastr.alerts.alerts import Kind
from flomastr.database.query import Count, Query
from flomastr.http.etags import Resource
from flomastr.http.paging import KEYSET, PageRequest

type EventType = Literal["fired", "resolved"]


class EventData(BaseModel):
    """What was measured, and against what. `value`: per cent or seconds; null for silence or without runs."""

    alert_id: UUID
    tenant_id: UUID
    name: str
    kind: Kind
    workflow_id: UUID | None
    workflow_name: str | None
    instance: str | None = None
    minutes: int
    threshold: float | None
    min_runs: int
    value: float | None
    runs: int
    as_of: datetime = Field(description="Until when executions that were reported are counted.")
    fired_at: datetime | None = Field(description="Of a resolved one: since when it was firing.")
    reason: Literal["over", "disabled", "workflow_deleted"] | None = Field(description="Of a resolved one.")


class Attempt(BaseModel):
    at: datetime
    status: int | None = Field(description="Of the receiver's answer; null without one.")
    error: str | None


class AlertEvent(Resource):
    """`delivery` is pending while attempts follow, delivered after an answer of 2xx, failed after three days."""

    alert_id: UUID
    type: EventType
    occurred_at: datetime
    data: EventData
    delivery: Literal["pending", "delivered", "failed"]
    attempts: list[Attempt]
    next_attempt_at: datetime | None


def newest(alert_id: UUID, page: PageRequest) -> Query[AlertEvent]:
    """A page of an alert's events, and one row beyond it."""
    return Query(
        f"""
        SELECT e.id, e.alert_id, e.type, e.occurred_at, e.data, e.delivery, e.attempts,
          CASE e.delivery WHEN 'pending' THEN e.next_attempt_at END AS next_attempt_at
        FROM app.alert_events AS e WHERE e.alert_id = %(alert_id)s AND {KEYSET}
        """,
        page.params() | {"alert_id": alert_id},
        AlertEvent,
    )


def count(alert_id: UUID) -> Query[Count]:
    """How many events are left of an alert."""
    return Query("SELECT count(*) FROM app.alert_events WHERE alert_id = %(alert_id)s", {"alert_id": alert_id}, Count)
