"""Reads executions from files of the archive, with DuckDB, as the models of the hot tier."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, LiteralString, Protocol
from uuid import UUID

from flomastr.archive import duckdb_filesystem, parquet
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.workflows.executions import Execution

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = """
  id, workflow_id, tenant_id, n8n_execution_id, status, mode, epoch_us(started_at) AS started_at,
  epoch_us(finished_at) AS finished_at, error_message, epoch_us(created_at) AS created_at
"""
BYTES = """
  CASE WHEN contains(execution_data, '"flomastr_object"')
    THEN coalesce(try_cast((execution_data ->> '$.flomastr_object.bytes') AS bigint), strlen(execution_data))
    ELSE coalesce(strlen(execution_data), 0) END
"""
# of a row in several files, the version in the one that was stored last, which is the first in the list
NEWEST_VERSION = "QUALIFY row_number() OVER (PARTITION BY id ORDER BY list_position($files, filename)) = 1"
ALL_VERSIONS = ""

type Tier = Literal["hot", "cold"]


class Listed(Protocol):
    @property
    def id(self) -> UUID: ...


class TieredExecution(Execution):
    """An execution, and where it is kept: hot in the database, cold in a file of the archive."""

    tier: Tier = "hot"


@dataclass(frozen=True)
class Archived:
    """Which archived executions are asked for. `workflows`: those of an instance, of which files know nothing."""

    workflow_id: UUID | None = None
    status: str | None = None
    workflows: Sequence[UUID] | None = None

    @property
    def of_workflows(self) -> LiteralString:
        """A condition, which says nothing of instances where none is asked for."""
        of_one: LiteralString = "($workflow_id IS NULL OR workflow_id = $workflow_id)"
        return of_one if self.workflows is None else f"{of_one} AND workflow_id IN (SELECT unnest($workflows))"

    def parameters(self) -> dict[str, Any]:
        """Of the condition."""
        of_instance = {} if self.workflows is None else {"workflows": [str(id) for id in self.workflows]}
        return {"workflow_id": self.workflow_id and str(self.workflow_id)} | of_instance


ANY = Archived()


def newest(files: Sequence[File], lower: UUID, upper: UUID, matching: Archived, wanted: int) -> list[TieredExecution]:
    """At most `wanted` matching executions from `lower` to before `upper`, newest first, without their data."""
    read = overlapping(files, lower, upper)
    if not read:
        return []
    query = f"""
        SELECT {COLUMNS} FROM (
          SELECT * FROM {FILES}
          WHERE id >= $lower AND id < $upper AND {matching.of_workflows}
          {versions(read)}
        )
        WHERE $status IS NULL OR status = $status ORDER BY id DESC LIMIT $wanted
    """
    asked = {"lower": str(lower), "upper": str(upper), "wanted": wanted, "status": matching.status}
    return [execution(row) for row in fetch(query, read, asked | matching.parameters())]


def fetch(query: str, files: Sequence[File], parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query over `files`. Raises FileUnreadableError and errors of object storage."""
    with duckdb_filesystem.translating_storage_errors():
        return parquet.fetch(query, parameters | {"files": [file.path for file in files]})


def execution(row: dict[str, Any]) -> TieredExecution:
    moments = {name: moment(row[name]) for name in ("started_at", "finished_at", "created_at")}
    return TieredExecution.model_validate(row | moments | {"execution_data": None, "tier": "cold"})


def moment(microseconds: int | None) -> datetime | None:
    """As DuckDB tells it without another package."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def sizes(files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, int]:
    """The length in bytes of the execution_data of each, wherever it lies."""
    rows = fetch_by_id(f"id, {BYTES} AS bytes", files, ids)
    return {UUID(row["id"]): row["bytes"] for row in rows}


def data(files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, dict[str, Any] | None]:
    """The execution_data of each."""
    rows = fetch_by_id("id, execution_data", files, ids)
    return {UUID(row["id"]): json.loads(row["execution_data"]) if row["execution_data"] else None for row in rows}


def fetch_by_id(columns: str, files: Sequence[File], ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The rows with these ids. The condition on the range lets DuckDB skip row groups."""
    read = [file for file in files if any(file.first_id <= id <= file.last_id for id in ids)]
    query = f"""
        SELECT {columns} FROM (
          SELECT * FROM {FILES} WHERE id BETWEEN $first AND $last AND id IN $ids {versions(read)}
        )
    """
    parameters = {"first": str(min(ids)), "last": str(max(ids)), "ids": [str(id) for id in ids]}
    return fetch(query, read, parameters)


def count(files: Sequence[File], matching: Archived) -> int:
    """How many executions in the files match. Without a filter the manifest says it. Raises FileUnreadableError."""
    if not files or matching == ANY:
        return sum(file.rows for file in files)
    query = f"""
        SELECT count(*) AS rows FROM {FILES}
        WHERE {matching.of_workflows} AND ($status IS NULL OR status = $status)
    """
    (row,) = fetch(query, files, matching.parameters() | {"status": matching.status})
    return row["rows"]


def groups(files: Sequence[File], matching: Archived, since: datetime) -> list[dict[str, Any]]:
    """Counts the executions that started at `since` or later, by status and mode; fields as workflows.summary.Group."""
    if not files:
        return []
    query = f"""
        SELECT
          status, mode, count(*) AS executions, count(finished_at) AS finished,
          sum(greatest(epoch_us(finished_at) - epoch_us(started_at), 0))::bigint AS microseconds
        FROM {FILES}
        WHERE started_at >= $since::timestamptz AND {matching.of_workflows}
        GROUP BY status, mode
    """
    return fetch(query, files, {"since": since.isoformat()} | matching.parameters())


def stepwise[Row: Listed](
    files: Sequence[File],
    upper: UUID,
    bottom: UUID,
    wanted: int,
    read: Callable[[Sequence[File], UUID, UUID, int], list[Row]],
    kept: Callable[[list[Row]], list[Row]],
) -> list[Row]:
    """At most `wanted` rows between two ids, newest first, without those that are not kept of what was read.

    Reads one row group at first, then four times as many at each step.
    """
    read_files = overlapping(files, bottom, upper)
    row_group_min_ids = sorted((min_id for file in read_files for min_id in file.row_group_min_ids), reverse=True)
    found: list[Row] = []
    groups = 1
    while (
        len(found) < wanted and upper > bottom and (below := [min_id for min_id in row_group_min_ids if min_id < upper])
    ):
        lower = max(below[min(groups, len(below)) - 1], bottom)
        missing = wanted - len(found)
        rows = read(read_files, lower, upper, missing)
        upper = rows[-1].id if len(rows) == missing else lower
        found += kept(rows)
        groups *= 4
    return found


def overlapping(files: Iterable[File], lower: UUID, upper: UUID) -> list[File]:
    """The files whose ids overlap the range from `lower` to before `upper`."""
    return [file for file in files if file.first_id < upper and file.last_id >= lower]


def versions(files: Sequence[File]) -> str:
    """Only where a row may be in two of the files, its newest version has to be found."""
    ordered = sorted(files, key=lambda file: file.first_id)
    share_ids = any(after.first_id <= before.last_id for before, after in pairwise(ordered))
    return NEWEST_VERSION if share_ids else ALL_VERSIONS
