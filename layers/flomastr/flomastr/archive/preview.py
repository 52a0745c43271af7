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
    """Executions older than the tenant keeps successes hot, which stay: not ended, held, or kept by its `keep`."""

    unfinished: int
    held: int
    by_policy: int


class Preview(BaseModel):
    """`early` are those of `workflow_executions` that `keep` lets go before `hot_ttl_days`.

    `changing_class` are executions that still lie where other policies of the tenant had put them.
    """

    at: datetime
    workflow_executions: Leaving
    early: Leaving
    webchat_sessions: Leaving
    row_history: Leaving
    kept: Kept
    changing_class: int


PREVIEW = """
WITH tenant AS (
  SELECT h.*, h AS policy FROM app.hot_policies AS h WHERE h.tenant_id = (SELECT app.tenant())
),
old AS (
  SELECT
    app.is_final(e.status) AS is_final,
    EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id)) AS is_held,
    app.hot_days(t.policy, e.status, e.id >= n.first_id) > t.class
      AND greatest(e.created_at, e.finished_at)
        >= %(at)s - make_interval(days => app.hot_days(t.policy, e.status, e.id >= n.first_id)) AS is_kept
  FROM tenant AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.tenant_id
    AND e.id < (SELECT app.uuid7_floor(%(at)s - make_interval(days => t.class)) FROM tenant AS t)
  LEFT JOIN (
    SELECT f.workflow_id AS id, f.first_id
    FROM tenant AS t
    CROSS JOIN LATERAL app.first_ids(
      t.tenant_id,
      ARRAY(
        SELECT DISTINCT e.workflow_id FROM app.workflow_executions AS e
        WHERE e.tenant_id = t.tenant_id AND e.id < app.uuid7_floor(%(at)s - make_interval(days => t.class))
      ),
      t.newest
    ) AS f
    WHERE t.newest > 0
    OFFSET 0
  ) AS n ON n.id = e.workflow_id
),
due AS MATERIALIZED (
  SELECT d.bytes, d.id >= app.uuid7_floor(%(at)s - make_interval(days => t.class_of_newest)) AS is_early
  FROM tenant AS t, app.due_executions(%(at)s) AS d
)
SELECT
  %(at)s AS at,
  (SELECT jsonb_build_object('rows', count(*), 'bytes', coalesce(sum(bytes), 0)) FROM due) AS workflow_executions,
  (SELECT jsonb_build_object('rows', count(*), 'bytes', coalesce(sum(bytes), 0)) FROM due WHERE is_early) AS early,
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
      'unfinished', count(*) FILTER (WHERE NOT is_final), 'held', count(*) FILTER (WHERE is_final AND is_held),
      'by_policy', count(*) FILTER (WHERE is_final AND NOT is_held AND is_kept)
    )
    FROM old
  ) AS kept,
  (
    SELECT count(*) FROM app.workflow_executions AS e
    WHERE e.tenant_id = (SELECT app.tenant()) AND e.retention_class <> 0
      AND e.retention_class <> (SELECT t.class FROM tenant AS t)
  ) AS changing_class
"""


def preview(at: datetime | None) -> Query[Preview]:
    """At a moment, or now. Uses the functions of the job; row-level security limits their rows to this tenant."""
    return Query(PREVIEW, {"at": at or datetime.now(UTC)}, Preview)
