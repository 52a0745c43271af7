"""Workflows side by side, from rollups: each with the period before and a sparkline."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import Field

from flomastr.analytics.frames import MOST_BUCKETS, Asked, Frame
from flomastr.analytics.measures import Measures, StatusCount, measures
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


class Counted(StatusCount, Frame):
    workflow_id: UUID | None
    name: str | None
    keys: list[int] | None
    counts: list[int] | None
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
ROLLED = f"""
  rolled AS MATERIALIZED (
    SELECT 'now' AS "group", r.workflow_id, r.bucket_start, r.status, r.mode_class, r.runs, r.recovered, r.timed,
      r.microseconds, r.max_microseconds
    FROM n CROSS JOIN LATERAL app.rollups_between(n.starts, n.ends, n.days_from, n.days_until, NULL, true) AS r
    WHERE %(instance)s::text IS NULL OR r.workflow_id = ANY ({OF_INSTANCE})
    UNION ALL
    SELECT 'before', r.workflow_id, r.bucket_start, r.status, r.mode_class, r.runs, r.recovered, r.timed,
      r.microseconds, r.max_microseconds
    FROM b CROSS JOIN LATERAL app.rollups_between(b.starts, b.ends, b.days_from, b.days_until, NULL, true) AS r
    WHERE %(instance)s::text IS NULL OR r.workflow_id = ANY ({OF_INSTANCE})
  )
"""
# percentiles of all workflows only where these are sorted by them
PAGE = """
  sums AS MATERIALIZED (
    SELECT workflow_id, coalesce(sum(runs) FILTER (WHERE "group" = 'now'), 0) AS total,
      coalesce(sum(runs - recovered) FILTER (WHERE "group" = 'now' AND status IN ('error', 'crashed')), 0) AS failures,
      coalesce(sum(runs - recovered) FILTER (WHERE "group" = 'before' AND status IN ('error', 'crashed')), 0) AS earlier
    FROM rolled GROUP BY workflow_id
  ),
  slow AS (
    SELECT s.workflow_id, p.p95
    FROM sums AS s CROSS JOIN n
    CROSS JOIN LATERAL (
      SELECT min(c.key) FILTER (WHERE c.upto >= ceil(0.95 * c.timed)) AS p95
      FROM (
        SELECT u.key, sum(sum(u.count)) OVER (ORDER BY u.key) AS upto, sum(sum(u.count)) OVER () AS timed
        FROM (
          SELECT unnest(r.duration_keys) AS key, unnest(r.duration_counts) AS count
          FROM app.rollups_between(n.starts, n.ends, n.days_from, n.days_until, s.workflow_id, true) AS r
        ) AS u
        GROUP BY u.key
      ) AS c
    ) AS p
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
    SELECT workflow_id, sum(runs) AS runs,
      floor(%(points)s * extract(EPOCH FROM bucket_start - n.starts) / extract(EPOCH FROM n.ends - n.starts)) AS part
    FROM n CROSS JOIN (
      SELECT r.workflow_id, r.bucket_start, r.runs FROM rolled AS r JOIN page USING (workflow_id) CROSS JOIN n
      WHERE r."group" = 'now' AND n.ends - n.starts >= interval '30 days'
      UNION ALL
      SELECT r.workflow_id, r.bucket_start, r.runs
      FROM page AS p CROSS JOIN n
      CROSS JOIN LATERAL app.rollups_between(n.starts, n.ends, n.ends, n.ends, p.workflow_id, true) AS r
      WHERE n.ends - n.starts < interval '30 days'
    ) AS r
    GROUP BY workflow_id, part
  ),
  sparklines AS (
    SELECT p.workflow_id, array_agg(coalesce(parts.runs, 0) ORDER BY g.part) AS sparkline
    FROM page AS p CROSS JOIN generate_series(0, %(points)s - 1) AS g (part)
    LEFT JOIN parts ON parts.workflow_id = p.workflow_id AND parts.part = g.part
    GROUP BY p.workflow_id
  )
"""
COUNTED = """
  cells AS (
    SELECT p.workflow_id, f."group", h.keys, h.counts
    FROM page AS p
    CROSS JOIN (SELECT 'now' AS "group", n.* FROM n UNION ALL SELECT 'before', b.* FROM b) AS f
    CROSS JOIN LATERAL (
      SELECT array_agg(c.key) AS keys, array_agg(c.count) AS counts
      FROM (
        SELECT u.key, sum(u.count) AS count
        FROM (
          SELECT unnest(r.duration_keys) AS key, unnest(r.duration_counts) AS count
          FROM app.rollups_between(f.starts, f.ends, f.days_from, f.days_until, p.workflow_id, true) AS r
        ) AS u
        GROUP BY u.key
      ) AS c
    ) AS h
  ),
  counted AS (
    SELECT
      workflow_id, "group", status, sum(runs) AS runs, sum(recovered) AS recovered, sum(timed) AS timed,
      sum(microseconds) AS microseconds, max(max_microseconds) AS longest,
      bool_and(timed = 0 OR max_microseconds IS NOT NULL) AS exact,
      coalesce(sum(runs) FILTER (WHERE status = 'success' AND mode_class IN ('production', 'error', 'retry')), 0)
        AS saving,
      row_number() OVER (PARTITION BY workflow_id, "group") = 1 AS has_cells
    FROM rolled JOIN page USING (workflow_id)
    GROUP BY 1, 2, 3
  )
"""
WORKFLOWS = f"""
  WITH {FRAMES}, {ROLLED}, {PAGE}, {SPARKLINES}, {COUNTED}
  SELECT
    n.starts, n.ends, n.zone, n.as_of, n.starts AS bucket_start, p.workflow_id, w.name, c."group", c.status,
    coalesce(c.runs, 0) AS runs, coalesce(c.recovered, 0) AS recovered, coalesce(c.timed, 0) AS timed,
    coalesce(c.microseconds, 0) AS microseconds, c.longest, coalesce(c.exact, true) AS exact,
    cells.keys, cells.counts, s.sparkline,
    coalesce(c.saving * app.minutes_saved(w.metadata), 0) AS minutes
  FROM n
  LEFT JOIN page AS p ON true
  LEFT JOIN counted AS c ON c.workflow_id = p.workflow_id
  LEFT JOIN cells ON cells.workflow_id = c.workflow_id AND cells."group" = c."group" AND c.has_cells
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
    histogram = {
        key: count for row in counted for key, count in zip(row.keys or (), row.counts or (), strict=True)
    }  # of one row
    return measures(counted, histogram, sum(row.minutes for row in counted))
