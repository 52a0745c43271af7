"""Executions over time, from rollups: a series of buckets by group, and their totals."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel

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
from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.http.fields import InstanceName
from flomastr.workflows.executions import OF_INSTANCE, Status

MOST_POINTS = 10_000  # of an answer, which has 6 MB
MOST_TIMED = 2_000  # of workflows that have percentiles
MOST_ADDED_UP = 10_000  # of workflows whose percentiles are those of an instance

TOO_MANY = f"query.bucket: there would be more than {MOST_POINTS:,} points: choose a larger bucket or a shorter time."

type Key = tuple[datetime, str | None]  # bucket and group
type Bucket = Literal["hour", "day", "week"]
type GroupBy = Literal["workflow", "instance", "status", "mode"]
type ModeClass = Literal["production", "manual", "sub-workflow", "error", "retry"]


class Filter(Asked):
    bucket: Bucket = "day"
    group_by: GroupBy | None = None
    workflow_id: UUID | None = None
    instance: InstanceName | None = None
    status: Status | None = None
    mode: ModeClass | None = None

    @property
    def by_workflow(self) -> bool:
        return self.group_by in ("workflow", "instance") or self.instance is not None

    @property
    def of_workflows(self) -> bool:
        return self.by_workflow or self.workflow_id is not None


class Point(Measures):
    bucket_start: datetime
    group: str | None


class Series(Frame):
    """Of the executions that started from `from` to before `to`. `as_of`: until when what was reported is counted.

    By workflow, more than 2,000 points have no percentiles, and neither have their totals. An instance is counted by
    its workflows, as far as these are not deleted: then they are in the group of none.
    """

    bucket: Bucket
    totals: Measures
    series: list[Point]


class Counted(StatusCount, Frame):
    pass


class Timed(Durations):
    bucket_start: datetime | None  # None: of all
    group: str | None


class Minutes(BaseModel):
    bucket_start: datetime | None
    group: str | None
    minutes: float | None


Matching = Annotated[Filter, QueryParameter()]

SOUGHT = "(%(instance)s::text IS NULL OR w.n8n_instance = (SELECT app.known_n8n_instance(%(instance)s)))"
FRAME = "app.analytics_frame(%(bucket)s, %(from)s, %(to)s, %(time_zone)s, %(of_workflows)s, %(most)s) AS f"
GROUP = """
  CASE %(group_by)s::text
    WHEN 'workflow' THEN r.workflow_id::text WHEN 'status' THEN r.status WHEN 'mode' THEN r.mode_class
    WHEN 'instance' THEN (SELECT app.instances_of_workflows() WHERE %(group_by)s::text = 'instance')
      ->> r.workflow_id::text
  END
"""
ROLLUPS = f"""
  SELECT date_trunc(%(bucket)s, r.bucket_start, f.zone) AS bucket_start, {GROUP} AS "group", r.status, r.runs,
    r.recovered, r.timed, r.microseconds, r.max_microseconds, r.duration_keys, r.duration_upto, r.duration_counts
  FROM f CROSS JOIN LATERAL app.rollups_between_v2(
    f.starts, f.ends, f.days_from, f.days_until, %(workflow_id)s, %(by_workflow)s
  ) AS r
  WHERE (%(status)s::text IS NULL OR r.status = %(status)s) AND (%(mode)s::text IS NULL OR r.mode_class = %(mode)s)
    AND (%(instance)s::text IS NULL OR r.workflow_id = ANY ({OF_INSTANCE}))
"""


COUNTS = f"""
  WITH f AS MATERIALIZED (SELECT * FROM {FRAME}),
  counted AS (
    SELECT
      r.bucket_start, r."group", r.status, sum(r.runs) AS runs, sum(r.recovered) AS recovered,
      sum(r.timed) AS timed, sum(r.microseconds) AS microseconds, max(r.max_microseconds) AS longest,
      bool_and(r.timed = 0 OR r.max_microseconds IS NOT NULL) AS exact
    FROM ({ROLLUPS}) AS r
    GROUP BY 1, 2, 3
  )
  SELECT
    f.starts, f.ends, f.zone, f.as_of, b.bucket_start, c."group", c.status, coalesce(c.runs, 0) AS runs,
    coalesce(c.recovered, 0) AS recovered, coalesce(c.timed, 0) AS timed,
    coalesce(c.microseconds, 0) AS microseconds, c.longest, coalesce(c.exact, true) AS exact
  FROM f
  CROSS JOIN LATERAL (
    SELECT DISTINCT date_trunc(%(bucket)s, step, f.zone) FROM generate_series(
      date_trunc(%(bucket)s, f.starts, f.zone), f.ends - interval '1 microsecond',
      CASE %(bucket)s WHEN 'hour' THEN '30 minutes' ELSE '1 ' || %(bucket)s END::interval, f.zone
    ) AS step  -- by which Lord Howe's clocks change
  ) AS b (bucket_start)
  LEFT JOIN counted AS c ON c.bucket_start = b.bucket_start
"""
# of each point and of all; of none where there are too many points of workflows
DURATIONS = f"""
  WITH f AS MATERIALIZED (
    SELECT * FROM {FRAME}
    WHERE NOT %(by_workflow)s OR %(workflow_id)s::uuid IS NOT NULL OR f.ends - f.starts <= (
      SELECT ('1 ' || %(bucket)s)::interval * (%(most_timed)s / greatest(count(*), 1)) FROM app.workflows AS w
      WHERE {SOUGHT}
    )
  )
  SELECT h.bucket_start, h."group", h.highest, {PERCENTILES} AS keys
  FROM (
    SELECT r.bucket_start, r."group", {HISTOGRAMS} FROM ({ROLLUPS}) AS r
    GROUP BY GROUPING SETS ((r.bucket_start, r."group"), ())
  ) AS h
"""
# of successes as n8n's Insights counts them, and one row of no bucket where hours do not align
SAVED = f"""
  WITH f AS MATERIALIZED (SELECT * FROM {FRAME}),
  saving AS (
    SELECT w.id, app.minutes_saved(w.metadata) AS minutes
    FROM app.workflows AS w
    WHERE app.minutes_saved(w.metadata) IS NOT NULL
      AND (%(workflow_id)s::uuid IS NULL OR w.id = %(workflow_id)s) AND {SOUGHT}
  )
  SELECT
    date_trunc(%(bucket)s, r.bucket_start, f.zone) AS bucket_start, {GROUP} AS "group",
    sum(r.runs * s.minutes) AS minutes
  FROM f
  CROSS JOIN saving AS s
  CROSS JOIN LATERAL app.rollups_between_v2(
    date_trunc('hour', f.starts, f.zone), f.ends, f.days_from, f.days_until, s.id, true
  ) AS r
  WHERE f.hours_align AND r.status = 'success' AND r.mode_class IN ('production', 'error', 'retry')
    AND coalesce(%(status)s, 'success') = 'success' AND (%(mode)s::text IS NULL OR r.mode_class = %(mode)s)
  GROUP BY 1, 2
  UNION ALL
  SELECT NULL, NULL, NULL FROM f WHERE NOT f.hours_align
"""


@dataclass
class Found:
    """What the database has answered, by bucket and group."""

    counted: list[Counted]
    timed: list[Timed]
    saved: list[Minutes]

    def __post_init__(self) -> None:
        self.rows: defaultdict[Key, list[Counted]] = defaultdict(list)
        self.durations = {(row.bucket_start, row.group): row for row in self.timed}
        for row in self.counted:
            if row.status:
                self.rows[row.bucket_start, row.group].append(row)
        self.minutes = {(row.bucket_start, row.group): row.minutes for row in self.saved}
        self.can_tell_minutes = None not in self.minutes.values()

    def measures(self, key: Key) -> Measures:
        minutes = (self.minutes.get(key) or 0) if self.can_tell_minutes else None
        return measures(self.rows[key], self.durations.get(key, NO_DURATIONS), minutes)

    def totals(self) -> Measures:
        minutes = sum(filter(None, self.minutes.values())) if self.can_tell_minutes else None
        durations = self.durations.get((None, None), NO_DURATIONS)
        return measures(chain.from_iterable(self.rows.values()), durations, minutes)

    def keys(self, *, grouped: bool) -> list[Key]:
        """Each bucket with each group that is in any of them; empty buckets are there."""
        buckets = sorted({row.bucket_start for row in self.counted})
        groups = sorted({group for _, group in self.rows}, key=lambda group: group or "") if grouped else [None]
        if len(buckets) * len(groups) > MOST_POINTS:
            raise UnprocessableError(TOO_MANY, ErrorCode.INVALID_VALUE)
        return [(bucket, group) for bucket in buckets for group in groups]


def series(db: Database, asked: Filter) -> Series:
    """One round trip. Refused with 422 where there would be too many points."""
    params = parameters(asked)
    found = Found(
        *db.several(Query(COUNTS, params, Counted), Query(DURATIONS, params, Timed), Query(SAVED, params, Minutes))
    )
    frame = found.counted[0].model_dump(include=set(Frame.model_fields))
    points = [
        Point(bucket_start=key[0], group=key[1], **found.measures(key).model_dump())
        for key in found.keys(grouped=asked.group_by is not None)
    ]
    return Series(**frame, bucket=asked.bucket, totals=found.totals(), series=points)


def parameters(asked: Filter) -> dict[str, Any]:
    return (asked.until_now() if asked.bucket == "hour" else asked.days()) | {
        "bucket": asked.bucket,
        "group_by": asked.group_by,
        "workflow_id": asked.workflow_id,
        "instance": asked.instance,
        "status": asked.status,
        "mode": asked.mode,
        "by_workflow": asked.by_workflow,
        "of_workflows": asked.of_workflows,
        "most": MOST_BUCKETS,
        "most_timed": MOST_TIMED if asked.group_by == "workflow" else MOST_ADDED_UP,
    }
