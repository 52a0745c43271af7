"""Runs, failures and times of a workflow's nodes, from the data of its newest executions."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel

from flomastr.analytics.frames import MOST_BUCKETS, NOW_FRAME, Asked, Frame
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.errors import NotFoundError

MOST_READ = 200
MOST_BYTES = 4_000_000  # of their data as it is stored, which is compressed; the newest is read in any case
MOST_RUNS = 50_000  # of nodes, after which no older execution is read


class Filter(Asked):
    workflow_id: UUID


class NodeMeasures(BaseModel):
    """A node that is in a loop runs more than once in an execution. Times are null where none was reported."""

    node: str
    runs: int
    failures: int
    p50_seconds: float | None
    p95_seconds: float | None


class NodeStatistics(Frame):
    """Of the newest `executions_read` hot executions that have ended and have data of nodes."""

    workflow_id: UUID
    executions_read: int
    read_at_most: int = MOST_READ
    oldest: datetime | None
    newest: datetime | None
    nodes: list[NodeMeasures]


class Found(BaseModel):
    executions_read: int
    oldest: datetime | None
    newest: datetime | None
    node: str | None
    runs: int | None
    failures: int | None
    p50_seconds: float | None
    p95_seconds: float | None


Matching = Annotated[Filter, QueryParameter()]

NODES = """
  WITH RECURSIVE ended AS MATERIALIZED (
    SELECT
      e.id, e.started_at, e.execution_data, row_number() OVER (ORDER BY e.id DESC) AS place,
      sum(pg_column_size(e.execution_data)) OVER (ORDER BY e.id DESC) - pg_column_size(e.execution_data) AS bytes_before
    FROM (
      SELECT w.id, w.started_at, w.execution_data FROM app.workflow_executions AS w
      WHERE w.workflow_id = %(workflow_id)s AND w.status IN ('crashed', 'canceled', 'error', 'success')
        AND w.execution_data IS NOT NULL AND w.id >= app.uuid7_floor(%(from)s)
        AND w.started_at >= %(from)s AND w.started_at < %(to)s
      ORDER BY w.id DESC LIMIT %(most)s
    ) AS e
  ),
  read AS (  -- one after the other, as compressed data may be long
    SELECT 0::bigint AS place, NULL::uuid AS id, NULL::timestamptz AS started_at, NULL::jsonb AS run_data,
      0::bigint AS runs
    UNION ALL
    SELECT e.place, e.id, e.started_at, d.run_data, r.runs + c.runs
    FROM read AS r
    JOIN ended AS e ON e.place = r.place + 1
    CROSS JOIN LATERAL (SELECT e.execution_data #> '{resultData,runData}' AS run_data OFFSET 0) AS d
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(jsonb_array_length(n.node_runs)), 0)::bigint AS runs
      FROM jsonb_each(CASE WHEN jsonb_typeof(d.run_data) = 'object' THEN d.run_data END) AS n (node, node_runs)
      WHERE jsonb_typeof(n.node_runs) = 'array'
    ) AS c
    WHERE e.bytes_before < %(most_bytes)s AND r.runs < %(most_runs)s
  ),
  sample AS MATERIALIZED (SELECT id, started_at, run_data FROM read WHERE jsonb_typeof(run_data) = 'object'),
  runs AS (
    SELECT
      left(n.node, 255) AS node,
      coalesce(run ->> 'executionStatus' = 'error', false) OR coalesce(jsonb_typeof(run -> 'error') = 'object', false)
        AS failed,
      CASE WHEN run -> 'executionTime' BETWEEN '0' AND '1000000000000'  -- milliseconds; others are no numbers
        THEN (run ->> 'executionTime')::double precision / 1000 END AS seconds
    FROM sample
    CROSS JOIN LATERAL jsonb_each(run_data) AS n (node, node_runs)
    CROSS JOIN LATERAL jsonb_array_elements(
      CASE WHEN jsonb_typeof(n.node_runs) = 'array' THEN n.node_runs ELSE '[]' END
    ) AS run
  ),
  nodes AS (
    SELECT
      node, count(*) AS runs, count(*) FILTER (WHERE failed) AS failures,
      percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_seconds,
      percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) AS p95_seconds
    FROM runs GROUP BY node
  )
  SELECT s.executions_read, s.oldest, s.newest, n.*
  FROM app.workflows AS w
  CROSS JOIN (SELECT count(*) AS executions_read, min(started_at) AS oldest, max(started_at) AS newest FROM sample) AS s
  LEFT JOIN nodes AS n ON true
  WHERE w.id = %(workflow_id)s
  ORDER BY n.failures DESC, n.runs DESC, n.node LIMIT 1000
"""


def nodes(db: Database, asked: Filter) -> NodeStatistics:
    """One round trip: the nodes that have failed most first, at most 1,000. Raises NotFoundError of no workflow."""
    params: dict[str, Any] = asked.until_now() | {
        "workflow_id": asked.workflow_id,
        "most": MOST_READ,
        "most_bytes": MOST_BYTES,
        "most_runs": MOST_RUNS,
        "most_buckets": MOST_BUCKETS,
    }
    (frame,), found = db.both(Query(NOW_FRAME, params, Frame), Query(NODES, params, Found))
    if not found:
        raise NotFoundError
    return NodeStatistics(
        **frame.model_dump(),
        workflow_id=asked.workflow_id,
        **found[0].model_dump(include={"executions_read", "oldest", "newest"}),
        nodes=[NodeMeasures.model_validate(row, from_attributes=True) for row in found if row.node is not None],
    )
