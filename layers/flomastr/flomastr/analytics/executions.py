"""Executions over time, from rollups: a series of buckets by group, and their totals."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel

from flomastr.analytics.frames import MOST_BUCKETS, Asked, Frame
from flomastr.analytics.measures import Measures, StatusCount, measures
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.workflows.executions import Status

MOST_POINTS = 10_000  # of an answer, which has 6 MB

type Bucket = Literal["hour", "day", "week"]
type GroupBy = Literal["workflow", "status", "mode"]
type ModeClass = Literal["production", "manual", "sub-workflow", "error", "retry"]


class Filter(Asked):
    bucket: Bucket = "day"
    group_by: GroupBy | None = None
    workflow_id: UUID | None = None
    status: Status | None = None
    mode: ModeClass | None = None

    @property
    def by_workflow(self) -> bool:
        return self.group_by == "workflow"

    @property
    def of_workflows(self) -> bool:
        return self.by_workflow or self.workflow_id is not None


class Point(Measures):
    bucket_start: datetime
    group: str | None


class Series(Frame):
    """Of the executions that started from `from` to before `to`. `as_of`: until when what was reported is counted."""

    bucket: Bucket
    totals: Measures
    series: list[Point]


class Counted(StatusCount, Frame):
    pass


class Histogram(BaseModel):
    bucket_start: datetime
    group: str | None
    keys: list[int]
    counts: list[int]


class Minutes(BaseModel):
    bucket_start: datetime | None
    group: str | None
    minutes: float | None


Matching = Annotated[Filter, QueryParameter()]

FRAME = "app.analytics_frame(%(bucket)s, %(from)s, %(to)s, %(time_zone)s, %(of_workflows)s, %(most)s) AS f"
GROUP = """
  CASE %(group_by)s::text
    WHEN 'workflow' THEN r.workflow_id::text WHEN 'status' THEN r.status WHEN 'mode' THEN r.mode_class
  END
"""
ROLLUPS = f"""
  SELECT date_trunc(%(bucket)s, r.bucket_start, f.zone) AS bucket_start, {GROUP} AS "group", r.status, r.runs,
    r.recovered, r.timed, r.microseconds, r.max_microseconds, r.duration_keys, r.duration_counts
  FROM f CROSS JOIN LATERAL app.rollups_between(
    f.starts, f.ends, f.days_from, f.days_until, %(workflow_id)s, %(by_workflow)s
  ) AS r
  WHERE (%(status)s::text IS NULL OR r.status = %(status)s) AND (%(mode)s::text IS NULL OR r.mode_class = %(mode)s)
"""


def series(db: Database, asked: Filter) -> Series:
    counted, histograms, saved = db.several(counts(asked), durations(asked), minutes_saved(asked))
    frame = Frame.model_validate(counted[0].model_dump())
    rows = [row for row in counted if row.status]
    minutes = {(row.bucket_start, row.group): row.minutes for row in saved}
    cells: defaultdict[tuple[datetime, str | None], Counter[int]] = defaultdict(Counter)
    for row in histograms:
        cells[row.bucket_start, row.group].update(dict(zip(row.keys, row.counts, strict=True)))
    return Series(
        **frame.model_dump(),
        bucket=asked.bucket,
        totals=measures(rows, merged(cells.values()), summed(minutes)),
        series=points(counted, rows, cells, minutes, grouped=asked.group_by is not None),
    )


def points(
    counted: list[Counted],
    rows: list[Counted],
    cells: defaultdict[tuple[datetime, str | None], Counter[int]],
    minutes: dict[tuple[datetime | None, str | None], float | None],
    *,
    grouped: bool,
) -> list[Point]:
    """Each bucket with each group that is in any of them; empty buckets are there."""
    buckets = sorted({row.bucket_start for row in counted})
    groups = sorted({row.group or "" for row in rows}) if grouped else [None]
    if len(buckets) * len(groups) > MOST_POINTS:
        raise UnprocessableError(
            f"query.bucket: there would be more than {MOST_POINTS:,} points: choose a larger bucket or a shorter time.",
            ErrorCode.INVALID_VALUE,
        )
    of: defaultdict[tuple[datetime, str | None], list[Counted]] = defaultdict(list)
    for row in rows:
        of[row.bucket_start, row.group].append(row)
    unknown = summed(minutes) is None
    return [
        Point(
            bucket_start=bucket,
            group=group,
            **measures(
                of[bucket, group], cells[bucket, group], None if unknown else minutes.get((bucket, group), 0)
            ).model_dump(),
        )
        for bucket in buckets
        for group in groups
    ]


def merged(histograms: Iterable[Counter[int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return total


def summed(minutes: dict[tuple[datetime | None, str | None], float | None]) -> float | None:
    """None where they cannot be told."""
    return None if None in minutes.values() else sum(filter(None, minutes.values()))


def parameters(asked: Filter) -> dict[str, Any]:
    return asked.bounds() | {
        "bucket": asked.bucket,
        "group_by": asked.group_by,
        "workflow_id": asked.workflow_id,
        "status": asked.status,
        "mode": asked.mode,
        "by_workflow": asked.by_workflow,
        "of_workflows": asked.of_workflows,
        "most": MOST_BUCKETS,
    }


def counts(asked: Filter) -> Query[Counted]:
    """A row at least for each bucket, by group and status."""
    return Query(
        f"""
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
        CROSS JOIN LATERAL generate_series(
          date_trunc(%(bucket)s, f.starts, f.zone), f.ends - interval '1 microsecond',
          ('1 ' || %(bucket)s)::interval, f.zone
        ) AS b (bucket_start)
        LEFT JOIN counted AS c ON c.bucket_start = b.bucket_start
        """,
        parameters(asked),
        Counted,
    )


def durations(asked: Filter) -> Query[Histogram]:
    return Query(
        f"""
        WITH f AS MATERIALIZED (SELECT * FROM {FRAME}),
        cells AS (
          SELECT r.bucket_start, r."group", u.key, sum(u.count) AS count
          FROM ({ROLLUPS}) AS r
          CROSS JOIN LATERAL unnest(r.duration_keys, r.duration_counts) AS u (key, count)
          GROUP BY 1, 2, 3
        )
        SELECT bucket_start, "group", array_agg(key) AS keys, array_agg(count) AS counts FROM cells GROUP BY 1, 2
        """,
        parameters(asked),
        Histogram,
    )


def minutes_saved(asked: Filter) -> Query[Minutes]:
    """By bucket and group, of successes as n8n's Insights counts them: not those of manual runs and sub-workflows.

    One row of no bucket where hours do not align.
    """
    return Query(
        f"""
        WITH f AS MATERIALIZED (SELECT * FROM {FRAME}),
        saving AS (
          SELECT w.id, (w.metadata ->> 'minutes_saved_per_run')::double precision AS minutes
          FROM app.workflows AS w
          WHERE jsonb_typeof(w.metadata -> 'minutes_saved_per_run') = 'number'
            AND (%(workflow_id)s::uuid IS NULL OR w.id = %(workflow_id)s)
        )
        SELECT
          date_trunc(%(bucket)s, r.bucket_start, f.zone) AS bucket_start, {GROUP} AS "group",
          sum(r.runs * s.minutes) AS minutes
        FROM f
        CROSS JOIN saving AS s
        CROSS JOIN LATERAL app.rollups_between(
          date_trunc('hour', f.starts, f.zone), f.ends, f.days_from, f.days_until, s.id, true
        ) AS r
        WHERE f.hours_align AND r.status = 'success' AND r.mode_class IN ('production', 'error', 'retry')
          AND coalesce(%(status)s, 'success') = 'success' AND (%(mode)s::text IS NULL OR r.mode_class = %(mode)s)
        GROUP BY 1, 2
        UNION ALL
        SELECT NULL, NULL, NULL FROM f WHERE NOT f.hours_align
        """,
        parameters(asked),
        Minutes,
    )
