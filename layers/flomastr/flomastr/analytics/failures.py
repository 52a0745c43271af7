"""Failures by message: the newest ones of the hot tier, without what differs from run to run."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field

from flomastr.analytics.frames import MOST_BUCKETS, NOW_FRAME, Asked, Frame
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.http.fields import InstanceName
from flomastr.workflows.executions import OF_INSTANCE

MOST_READ = 2_000
MOST_BYTES = 8_000_000  # of data that is read for `last_node`, as it is stored


class Filter(Asked):
    workflow_id: UUID | None = None
    instance: InstanceName | None = None
    limit: Annotated[int, Field(ge=1, le=250)] = 50


class FailureGroup(BaseModel):
    """Failures of one message. `message` is null where none was reported, `last_node` where the example tells none."""

    fingerprint: str
    message: str | None
    count: int
    workflows: list[UUID]
    last_node: str | None
    first_seen: datetime
    last_seen: datetime
    example_execution_id: UUID


class FailureGroups(Frame):
    """Of the newest `failures_read` failures (error and crashed) that are hot; there are more if that is the bound."""

    failures_read: int
    read_at_most: int = MOST_READ
    errors: list[FailureGroup]


class Found(FailureGroup):
    failures_read: int


Matching = Annotated[Filter, QueryParameter()]

FAILURES = f"""
  WITH failed AS MATERIALIZED (
    SELECT e.id, e.workflow_id, e.started_at, e.execution_data, app.message_pattern(e.error_message) AS message
    FROM unnest('{{error,crashed}}'::text[]) AS failure (status)
    CROSS JOIN LATERAL (
      SELECT w.* FROM app.workflow_executions AS w
      WHERE w.status = failure.status AND w.id >= app.uuid7_floor(%(from)s)
        AND w.started_at >= %(from)s AND w.started_at < %(to)s
        AND (%(workflow_id)s::uuid IS NULL OR w.workflow_id = %(workflow_id)s)
        AND (%(instance)s::text IS NULL OR w.workflow_id = ANY ({OF_INSTANCE}))
      ORDER BY w.id DESC LIMIT %(most)s
    ) AS e
    ORDER BY e.id DESC LIMIT %(most)s
  ),
  grouped AS (
    SELECT
      message, count(*) AS count, array_agg(DISTINCT workflow_id) AS workflows, min(started_at) AS first_seen,
      max(started_at) AS last_seen
    FROM failed GROUP BY message
  ),
  newest AS (SELECT DISTINCT ON (message) message, id, execution_data FROM failed ORDER BY message, started_at DESC, id)
  SELECT
    left(md5(coalesce(g.message, '')), 16) AS fingerprint, g.message, g.count, g.workflows,
    CASE WHEN sum(pg_column_size(n.execution_data)) OVER (ORDER BY g.count DESC, g.last_seen DESC, g.message)
      <= %(most_bytes)s
      THEN left(n.execution_data #>> '{{resultData,lastNodeExecuted}}', 255) END AS last_node,
    g.first_seen, g.last_seen, n.id AS example_execution_id, (SELECT count(*) FROM failed) AS failures_read
  FROM grouped AS g
  JOIN newest AS n ON n.message IS NOT DISTINCT FROM g.message
  ORDER BY g.count DESC, g.last_seen DESC, fingerprint LIMIT %(limit)s
"""


def failures(db: Database, asked: Filter) -> FailureGroups:
    """One round trip: the messages that most failures have first."""
    params: dict[str, Any] = asked.until_now() | {
        "workflow_id": asked.workflow_id,
        "instance": asked.instance,
        "limit": asked.limit,
        "most": MOST_READ,
        "most_bytes": MOST_BYTES,
        "most_buckets": MOST_BUCKETS,
    }
    (frame,), found = db.both(Query(NOW_FRAME, params, Frame), Query(FAILURES, params, Found))
    errors = [FailureGroup.model_validate(row.model_dump(exclude={"failures_read"})) for row in found]
    return FailureGroups(**frame.model_dump(), failures_read=found[0].failures_read if found else 0, errors=errors)
