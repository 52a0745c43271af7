"""Previews what the archive job would do for a tenant at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query as QueryParameter
from pydantic import AfterValidator, BaseModel

from flomastr.database.query import Query
from flomastr.http.fields import Moment

MAX_DAYS_AHEAD = 31


def at_most_a_month_ahead(moment: datetime) -> datetime:
    if moment > datetime.now(UTC) + timedelta(days=MAX_DAYS_AHEAD):
        raise ValueError(f"lies more than {MAX_DAYS_AHEAD} days ahead")
    return moment


PreviewMoment = Annotated[
    Moment, AfterValidator(at_most_a_month_ahead), QueryParameter(description="At most 31 days ahead; else now.")
]


class Leaving(BaseModel):
    rows: int
    bytes: int


class Kept(BaseModel):
    """Executions older than the tenant keeps them hot, which stay: not yet ended, or under a legal hold."""

    unfinished: int
    held: int


class Preview(BaseModel):
    """`changing_class` are executions that still lie where another `hot_ttl_days` of the tenant had put them."""

    at: datetime
    workflow_executions: Leaving
    webchat_sessions: Leaving
    row_history: Leaving
    kept: Kept
    changing_class: int


PREVIEW = """
WITH tenant AS (
  SELECT t.id, app.retention_class(t.hot_ttl_days) AS retention_class
  FROM app.tenants AS t
  WHERE t.id = (SELECT app.tenant())
),
old AS (
  SELECT
    app.is_final(e.status) AS is_final,
    EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id)) AS is_held
  FROM tenant AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.id
    AND e.id < app.uuid7_floor(%(at)s - make_interval(days => t.retention_class))
)
SELECT
  %(at)s AS at,
  (
    SELECT jsonb_build_object('rows', count(*), 'bytes', coalesce(sum(d.bytes), 0))
    FROM app.due_executions(%(at)s) AS d
  ) AS workflow_executions,
  (
    SELECT jsonb_build_object('rows', count(*), 'bytes', coalesce(sum(d.bytes), 0))
    FROM app.due_sessions(%(at)s) AS d
  ) AS webchat_sessions,
  (
    SELECT jsonb_build_object('rows', count(*), 'bytes', coalesce(sum(d.bytes), 0))
    FROM app.due_history(%(at)s) AS d
  ) AS row_history,
  (
    SELECT jsonb_build_object(
      'unfinished', count(*) FILTER (WHERE NOT is_final), 'held', count(*) FILTER (WHERE is_final AND is_held)
    )
    FROM old
  ) AS kept,
  (
    SELECT count(*) FROM tenant AS t
    JOIN app.workflow_executions AS e ON e.tenant_id = t.id AND e.retention_class NOT IN (0, t.retention_class)
  ) AS changing_class
"""


def preview(at: datetime | None) -> Query[Preview]:
    """At a moment, or now. Uses the functions of the job; row-level security limits their rows to this tenant."""
    return Query(PREVIEW, {"at": at or datetime.now(UTC)}, Preview)
