"""What the executions of both tiers came to. Copies of archived ones that were restored count once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel

from flomastr import archive_files, cold
from flomastr.analytics import StatusCount, Summary
from flomastr.archive_files import IS_NO_COPY
from flomastr.database import Database
from flomastr.executions import Status
from flomastr.flight import Query
from flomastr.history import with_fresh_manifest
from flomastr.ids import first_id_in

Days = Annotated[int, QueryParameter(ge=1, le=3650)]

FINAL = ("crashed", "canceled", "error", "success")


class Group(BaseModel):
    """Executions of one status and mode: how many, how many have ended, and after how long in all."""

    status: Status
    mode: str | None
    executions: int
    finished: int
    microseconds: int


def summary(db: Database, workflow_id: UUID | None, days: int) -> Summary:
    return with_fresh_manifest(lambda: read_summary(db, workflow_id, days))


def read_summary(db: Database, workflow_id: UUID | None, days: int) -> Summary:
    first, since = first_id_in(-days - 1), datetime.now(UTC) - timedelta(days=days)
    hot, files = db.both(hot_groups(workflow_id, first, since), archive_files.of_executions(None))
    archived = cold.groups([file for file in files if file.last_id >= first], workflow_id, since)
    return summed([*hot, *map(Group.model_validate, archived)], days)


def hot_groups(workflow_id: UUID | None, first: UUID, since: datetime) -> Query[Group]:
    return Query(
        """
        SELECT
          e.status, e.mode, count(*) AS executions, count(e.finished_at) AS finished,
          sum(extract(EPOCH FROM greatest(e.finished_at - e.started_at, '0')) * 1000000)::bigint AS microseconds
        FROM app.workflow_executions AS e
        WHERE e.id BETWEEN %(first)s AND %(last)s AND e.started_at >= %(since)s
          AND (%(workflow_id)s::uuid IS NULL OR e.workflow_id = %(workflow_id)s)
          AND """
        + IS_NO_COPY
        + "GROUP BY e.status, e.mode",
        {"workflow_id": workflow_id, "first": first, "last": first_id_in(2), "since": since},
        Group,
    )


def summed(groups: Sequence[Group], days: int) -> Summary:
    """As flomastr.analytics has it of the hot tier."""
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
        success_rate=rounded(Decimal(100 * successful), successful + failed, "0.01"),
        avg_duration_seconds=rounded(seconds, finished, "0.001"),
        period_days=days,
        by_status_and_mode=[
            StatusCount(status=status, mode=mode, executions=count)
            for (status, mode), count in sorted(counts.items(), key=most_first)
        ],
    )


def total(counts: dict[tuple[Status, str | None], int], *statuses: str) -> int:
    return sum(count for (status, _), count in counts.items() if status in statuses)


def rounded(value: Decimal, divisor: int, to: str) -> float:
    return float((value / divisor).quantize(Decimal(to), ROUND_HALF_UP)) if divisor else 0


def most_first(counted: tuple[tuple[Status, str | None], int]) -> tuple[int, str, bool, str]:
    (status, mode), count = counted
    return -count, status, mode is None, mode or ""
