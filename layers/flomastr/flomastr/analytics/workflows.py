"""Workflows side by side, from rollups: each with the period before and a sparkline."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import Field

from flomastr.analytics.frames import MOST_BUCKETS, Asked, Frame
from flomastr.analytics.measures import (
    HISTOGRAMS,
    NO_DURATIONS,
    PERCENTILES,
    Durations,
    Measures,
    StatusCount,
    measures,
)
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.http.fields import InstanceName
from flomastr.workflows.executions import OF_INSTANCE

POINTS = 30

type Sort = Literal["failures", "p95", "total", "trend"]


class Filter(Asked):
    instance: InstanceName | None = None
    sort: Sort = "failures"
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class WorkflowMeasures(Measures):
    """`before`: the same of the period of the same length before. `sparkline`: runs in 30 equal parts of the period."""

    workflow_id: UUID
    name: str | None  # null: the workflow is deleted
    before: Measures
    sparkline: list[int]


class WorkflowRanking(Frame):
    """Workflows with executions in this period or the one before. The highest first.

    Of failures (which did not recover), of p95, of all executions, or (`trend`) of how many more failures there are.
    """

    sort: Sort
    workflows: list[WorkflowMeasures]


class Counted(StatusCount, Durations, Frame):
    workflow_id: UUID | None
    name: str | None
    minutes: float
    sparkline: list[int] | None


Matching = Annotated[Filter, QueryParameter()]

FRAMES = """
  n AS MATERIALIZED (SELECT * FROM app.analytics_frame('day', %(from)s, %(to)s, %(time_zone)s, true, %(most)s)),
  b AS MATERIALIZED (
    SELECT f.* FROM n CROSS JOIN LATERAL app.analytics_frame(
      'day', n.starts - (n.ends - n.starts), n.starts, %(time_zone)s, true, %(most)s
    ) AS f
  )
"""
# without durations, which are read of the page alone
SUMS = """
  r.workflow_id, r.status, sum(r.runs) AS runs, sum(r.recovered) AS recovered, sum(r.timed) AS timed,
  sum(r.microseconds) AS microseconds, max(r.max_microseconds) AS longest,
  bool_and(r.timed = 0 OR r.max_microseconds IS NOT NULL) AS exact,
  coalesce(sum(r.runs) FILTER (WHERE r.status = 'success' AND r.mode_class IN ('production', 'error', 'retry')), 0)
    AS saving
"""
SOUGHT = f"(%(instance)s::text IS NULL OR r.workflow_id = ANY ({OF_INSTANCE}))"
COUNTED = f"""
  counted AS MATERIALIZED (
    SELECT 'now' AS "group", {SUMS}
    FROM n CROSS JOIN LATERAL app.rollups_between_v2(n.starts, n.ends, n.days_from, n.days_until, NULL, true) AS r
    WHERE {SOUGHT} GROUP BY r.workflow_id, r.status
    UNION ALL
    SELECT 'before', {SUMS}
    FROM b CROSS JOIN LATERAL app.rollups_between_v2(b.starts, b.ends, b.days_from, b.days_until, NULL, true) AS r
    WHERE {SOUGHT} GROUP BY r.workflow_id, r.status
  )
"""
# percentiles of all workflows only where these are sorted by them
PAGE = f"""
  sums AS MATERIALIZED (
    SELECT workflow_id, coalesce(sum(runs) FILTER (WHERE "group" = 'now'), 0) AS total,
      coalesce(sum(runs - recovered) FILTER (WHERE "group" = 'now' AND status IN ('error', 'crashed')), 0) AS failures,
      coalesce(sum(runs - recovered) FILTER (WHERE "group" = 'before' AND status IN ('error', 'crashed')), 0) AS earlier
    FROM counted GROUP BY workflow_id
  ),
  slow AS (
    SELECT s.workflow_id, (SELECT p.keys[1] FROM app.percentile_keys(h.histograms, ARRAY[95]) AS p) AS p95
    FROM sums AS s CROSS JOIN n
    CROSS JOIN LATERAL (
      SELECT {HISTOGRAMS}
      FROM app.rollups_between_v2(n.starts, n.ends, n.days_from, n.days_until, s.workflow_id, true) AS r
    ) AS h
    WHERE %(sort)s = 'p95'
  ),
  page AS MATERIALIZED (
    SELECT workflow_id, row_number() OVER (
      ORDER BY CASE %(sort)s::text WHEN 'failures' THEN failures WHEN 'total' THEN total WHEN 'p95' THEN p95
        ELSE failures - earlier END DESC NULLS LAST, total DESC, workflow_id
    ) AS rank
    FROM sums LEFT JOIN slow USING (workflow_id)
    ORDER BY rank LIMIT %(limit)s
  )
"""
# of periods shorter than 30 days by hour; longer ones by day, where a day counts in the part in which it begins
SPARKLINES = """
  parts AS (
    SELECT p.workflow_id, sum(r.runs) AS runs,
      floor(%(points)s * extract(EPOCH FROM r.bucket_start - n.starts) / extract(EPOCH FROM n.ends - n.starts)) AS part
    FROM page AS p CROSS JOIN n
    CROSS JOIN LATERAL (SELECT n.ends - n.starts >= interval '30 days' AS by_day) AS l
    CROSS JOIN LATERAL app.rollups_between_v2(
      n.starts, n.ends, CASE WHEN l.by_day THEN n.days_from ELSE n.ends END,
      CASE WHEN l.by_day THEN n.days_until ELSE n.ends END, p.workflow_id, true
    ) AS r
    GROUP BY p.workflow_id, part
  ),
  sparklines AS (
    SELECT p.workflow_id, array_agg(coalesce(parts.runs, 0) ORDER BY g.part) AS sparkline
    FROM page AS p CROSS JOIN generate_series(0, %(points)s - 1) AS g (part)
    LEFT JOIN parts ON parts.workflow_id = p.workflow_id AND parts.part = g.part
    GROUP BY p.workflow_id
  )
"""
TIMED = f"""
  timed AS (
    SELECT p.workflow_id, f."group", h.highest, {PERCENTILES} AS keys
    FROM page AS p
    CROSS JOIN (SELECT 'now' AS "group", n.* FROM n UNION ALL SELECT 'before', b.* FROM b) AS f
    CROSS JOIN LATERAL (
      SELECT {HISTOGRAMS}
      FROM app.rollups_between_v2(f.starts, f.ends, f.days_from, f.days_until, p.workflow_id, true) AS r
    ) AS h
  )
"""
WORKFLOWS = f"""
  WITH {FRAMES}, {COUNTED}, {PAGE}, {SPARKLINES}, {TIMED}
  SELECT
    n.starts, n.ends, n.zone, n.as_of, n.starts AS bucket_start, p.workflow_id, w.name, c."group", c.status,
    coalesce(c.runs, 0) AS runs, coalesce(c.recovered, 0) AS recovered, coalesce(c.timed, 0) AS timed,
    coalesce(c.microseconds, 0) AS microseconds, c.longest, coalesce(c.exact, true) AS exact,
    t.keys, t.highest, s.sparkline,
    coalesce(c.saving * app.minutes_saved(w.metadata), 0) AS minutes
  FROM n
  LEFT JOIN page AS p ON true
  LEFT JOIN counted AS c ON c.workflow_id = p.workflow_id
  LEFT JOIN timed AS t ON t.workflow_id = c.workflow_id AND t."group" = c."group"
  LEFT JOIN sparklines AS s ON s.workflow_id = p.workflow_id
  LEFT JOIN app.workflows AS w ON w.id = p.workflow_id
  ORDER BY p.rank
"""


def workflows(db: Database, asked: Filter) -> WorkflowRanking:
    """One round trip."""
    params: dict[str, Any] = asked.days() | {
        "instance": asked.instance,
        "sort": asked.sort,
        "limit": asked.limit,
        "points": POINTS,
        "most": MOST_BUCKETS,
    }
    found = db.all(Query(WORKFLOWS, params, Counted))
    frame = found[0].model_dump(include=set(Frame.model_fields))
    pages = groupby((row for row in found if row.workflow_id), lambda row: row.workflow_id)
    return WorkflowRanking(**frame, sort=asked.sort, workflows=[workflow(list(rows)) for _, rows in pages])


def workflow(rows: Sequence[Counted]) -> WorkflowMeasures:
    """Of all rows of one workflow: one for each period and status."""
    of_now = measured(row for row in rows if row.group == "now")
    first = rows[0].model_dump(include={"workflow_id", "name", "sparkline"})
    return WorkflowMeasures(
        **of_now.model_dump(), **first, before=measured(row for row in rows if row.group == "before")
    )


def measured(rows: Iterable[Counted]) -> Measures:
    counted = list(rows)
    return measures(counted, counted[0] if counted else NO_DURATIONS, sum(row.minutes for row in counted))
