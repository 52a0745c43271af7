"""The summary of executions, from counts in groups of one status and mode."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel

from flomastr.database.query import Query
from flomastr.http.fields import InstanceName
from flomastr.uuid7 import first_id_in
from flomastr.workflows.executions import IN_INSTANCE, Status

FINAL = ("crashed", "canceled", "error", "success")


class Asked(BaseModel):
    workflow_id: UUID | None = None
    instance: InstanceName | None = None


Matching = Annotated[Asked, QueryParameter()]


class StatusCount(BaseModel):
    status: Status
    mode: str | None
    executions: int


class Summary(BaseModel):
    """Of the executions that started in the period. `successful` and `failed` are final, `running` is not final."""

    total_executions: int
    successful: int
    failed: int  # error and crashed
    running: int
    success_rate: float  # per cent of successful and failed
    avg_duration_seconds: float  # of the finished ones, waiting included
    period_days: int
    by_status_and_mode: list[StatusCount]


class Group(BaseModel):
    """Executions of one status and mode: how many, how many have ended, and after how long in all."""

    status: Status
    mode: str | None
    executions: int
    finished: int
    microseconds: int


GROUPS = f"""
SELECT
  e.status, e.mode, count(*) AS executions, count(e.finished_at) AS finished,
  sum((date_part('epoch', greatest(e.finished_at - e.started_at, '0')) * 1000000)::bigint) AS microseconds
FROM app.workflow_executions AS e
WHERE e.id BETWEEN %(first)s AND %(last)s AND e.started_at >= %(since)s
  AND (%(workflow_id)s::uuid IS NULL OR e.workflow_id = %(workflow_id)s)
  AND {IN_INSTANCE}
  AND (%(copies)s OR NOT EXISTS (
    SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id
  ))
GROUP BY e.status, e.mode
"""


def groups(asked: Asked, days: int, *, copies: bool) -> Query[Group]:
    """Groups of the hot executions that started in the last days; with or without copies of archived ones."""
    return Query(
        GROUPS,
        {
            "workflow_id": asked.workflow_id,
            "instance": asked.instance,
            "first": first_id_in(-days - 1),
            "last": first_id_in(2),
            "since": datetime.now(UTC) - timedelta(days=days),
            "copies": copies,
        },
        Group,
    )


def summarize(groups: Sequence[Group], days: int) -> Summary:
    """The summary of all groups; groups of one status and mode may come more than once."""
    counts: dict[tuple[Status, str | None], int] = {}
    for group in groups:
        key = group.status, group.mode
        counts[key] = counts.get(key, 0) + group.executions
    ended = [group for group in groups if group.status in FINAL]
    successful = total(counts, "success")
    failed = total(counts, "error", "crashed")
    finished = sum(group.finished for group in ended)
    seconds = Decimal(sum(group.microseconds for group in ended)) / 1_000_000
    return Summary(
        total_executions=sum(counts.values()),
        successful=successful,
        failed=failed,
        running=sum(counts.values()) - total(counts, *FINAL),
        success_rate=ratio(Decimal(100 * successful), successful + failed, "0.01"),
        avg_duration_seconds=ratio(seconds, finished, "0.001"),
        period_days=days,
        by_status_and_mode=[
            StatusCount(status=status, mode=mode, executions=count)
            for (status, mode), count in sorted(counts.items(), key=by_count)
        ],
    )


def total(counts: dict[tuple[Status, str | None], int], *statuses: str) -> int:
    return sum(count for (status, _), count in counts.items() if status in statuses)


def ratio(value: Decimal, divisor: int, to: str) -> float:
    """Rounded half up to the places of `to`; 0 for a divisor of 0."""
    return float((value / divisor).quantize(Decimal(to), ROUND_HALF_UP)) if divisor else 0


def by_count(counted: tuple[tuple[Status, str | None], int]) -> tuple[int, str, bool, str]:
    """The sort key: the largest count first, then by status and mode, with no mode at the end."""
    (status, mode), count = counted
    return -count, status, mode is None, mode or ""
