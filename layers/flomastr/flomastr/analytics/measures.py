"""What is said of executions: counts by outcome, durations from a histogram. Of nothing there is no rate or time."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString

from pydantic import BaseModel

GROWTH = 1.02 / 0.98  # from one key of the histogram to the next
MIDDLE = 2 / (GROWTH + 1)  # of a key, from its upper end: within 2 % of all durations that have it

# of rollups `r`, and of these. Not in FROM, where Postgres would hash all histograms to remember what they have
HISTOGRAMS: LiteralString = """
  array_agg(app.histogram_of(r.duration_keys, r.duration_upto, r.duration_counts)) AS histograms,
  max(r.duration_keys[cardinality(r.duration_keys)]) AS highest
"""
PERCENTILES: LiteralString = "(SELECT p.keys FROM app.percentile_keys(h.histograms, ARRAY[50, 95, 99]) AS p)"


class Measures(BaseModel):
    """Of the executions that started in a time. `running` are also the new and the unknown ones.

    `recovered` are failures whose retry has succeeded. Times are in seconds, from start to end of what has ended,
    waiting included; percentiles are within 2 %.
    """

    total: int
    success: int
    error: int
    crashed: int
    canceled: int
    running: int
    waiting: int
    recovered: int
    success_rate: float | None  # per cent of those that succeeded or failed and did not recover
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    max_seconds: float | None
    time_saved_minutes: float | None  # null where the time, or its zone, parts an hour of the tenant's


class StatusCount(BaseModel):
    """Executions of one status in one bucket and group. `exact`: the longest duration is known."""

    bucket_start: datetime
    group: str | None
    status: str | None  # None: there are none
    runs: int
    recovered: int
    timed: int
    microseconds: int
    longest: int | None
    exact: bool


class Durations(BaseModel):
    """What a histogram tells: the keys of p50, p95 and p99, and the highest one. None: of nothing."""

    keys: list[int | None] | None = None
    highest: int | None = None


NO_DURATIONS = Durations()


def measures(counts: Iterable[StatusCount], durations: Durations, minutes: float | None) -> Measures:
    """Sums counts."""
    rows = list(counts)
    by_status: Counter[str] = Counter()
    for row in rows:
        by_status[row.status or ""] += row.runs
    known = ("success", "error", "crashed", "canceled", "waiting")
    total, recovered = sum(by_status.values()), sum(row.recovered for row in rows)
    judged = by_status["success"] + by_status["error"] + by_status["crashed"] - recovered
    timed = sum(row.timed for row in rows)
    p50, p95, p99 = map(middle, durations.keys or (None, None, None))
    return Measures(
        **{status: by_status[status] for status in known},
        total=total,
        running=total - sum(by_status[status] for status in known),
        recovered=recovered,
        success_rate=round(100 * by_status["success"] / judged, 2) if judged else None,
        mean_seconds=seconds(sum(row.microseconds for row in rows) / timed) if timed else None,
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        max_seconds=longest(rows, durations.highest),
        time_saved_minutes=minutes,
    )


def longest(rows: Iterable[StatusCount], highest: int | None) -> float | None:
    """Where the longest run was taken back, the end of the histogram tells the next one; None without one."""
    found = [row.longest for row in rows if row.longest is not None]
    if not all(row.exact for row in rows):
        found = [] if highest is None else [*found, int(duration(highest))]
    return seconds(max(found)) if found else None


def middle(key: int | None) -> float | None:
    """Seconds in the middle of a key."""
    return None if key is None else seconds(duration(key))


def duration(key: int) -> float:
    """Microseconds in the middle of a key."""
    return MIDDLE * GROWTH**key if key else 0


def seconds(microseconds: float) -> float:
    return round(microseconds / 1_000_000, 6)
