"""Reads executions from files of the archive, with DuckDB, as the models of the hot tier."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

from flomastr.archive import duckdb_filesystem, parquet
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.workflows.executions import Execution, Filter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = """
  id, workflow_id, tenant_id, n8n_execution_id, status, mode, epoch_us(started_at) AS started_at,
  epoch_us(finished_at) AS finished_at, error_message, epoch_us(created_at) AS created_at
"""
# of a row in several files, the version in the one that was stored last, which is the first in the list
NEWEST_VERSION = "QUALIFY row_number() OVER (PARTITION BY id ORDER BY list_position($files, filename)) = 1"
ALL_VERSIONS = ""

type Tier = Literal["hot", "cold"]


class TieredExecution(Execution):
    """An execution, and where it is kept: hot in the database, cold in a file of the archive."""

    tier: Tier = "hot"


def newest(files: Sequence[File], lower: UUID, upper: UUID, matching: Filter, wanted: int) -> list[TieredExecution]:
    """At most `wanted` matching executions from `lower` to before `upper`, newest first, without their data."""
    read = overlapping(files, lower, upper)
    if not read:
        return []
    query = f"""
        SELECT {COLUMNS} FROM (
          SELECT * FROM {FILES}
          WHERE id >= $lower AND id < $upper AND ($workflow_id IS NULL OR workflow_id = $workflow_id)
          {versions(read)}
        )
        WHERE $status IS NULL OR status = $status ORDER BY id DESC LIMIT $wanted
    """
    rows = fetch(query, read, {"lower": str(lower), "upper": str(upper), "wanted": wanted} | filters(matching))
    return [execution(row) for row in rows]


def filters(matching: Filter) -> dict[str, str | None]:
    return matching.model_dump(mode="json")


def fetch(query: str, files: Sequence[File], parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query over `files`. Raises FileUnreadableError and errors of object storage."""
    with duckdb_filesystem.translating_storage_errors():
        return parquet.fetch(query, parameters | {"files": [file.path for file in files]})


def execution(row: dict[str, Any]) -> TieredExecution:
    moments = {name: moment(row[name]) for name in ("started_at", "finished_at", "created_at")}
    return TieredExecution.model_validate(row | moments | {"execution_data": None, "tier": "cold"})


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def sizes(files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, int]:
    """The length in bytes of the execution_data of each."""
    rows = fetch_by_id("id, coalesce(strlen(execution_data), 0) AS bytes", files, ids)
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


def count(files: Sequence[File], matching: Filter) -> int:
    """How many executions in the files match. Without a filter the manifest says it. Raises FileUnreadableError."""
    if not files or matching == Filter():
        return sum(file.rows for file in files)
    query = f"""
        SELECT count(*) AS rows FROM {FILES}
        WHERE ($workflow_id IS NULL OR workflow_id = $workflow_id) AND ($status IS NULL OR status = $status)
    """
    (row,) = fetch(query, files, filters(matching))
    return row["rows"]


def groups(files: Sequence[File], workflow_id: UUID | None, since: datetime) -> list[dict[str, Any]]:
    """Counts the executions that started at `since` or later, by status and mode; fields as workflows.summary.Group."""
    if not files:
        return []
    query = f"""
        SELECT
          status, mode, count(*) AS executions, count(finished_at) AS finished,
          sum(greatest(epoch_us(finished_at) - epoch_us(started_at), 0))::bigint AS microseconds
        FROM {FILES}
        WHERE started_at >= $since::timestamptz AND ($workflow_id IS NULL OR workflow_id = $workflow_id)
        GROUP BY status, mode
    """
    return fetch(query, files, {"since": since.isoformat(), "workflow_id": workflow_id and str(workflow_id)})


def overlapping(files: Iterable[File], lower: UUID, upper: UUID) -> list[File]:
    """The files whose ids overlap the range from `lower` to before `upper`."""
    return [file for file in files if file.first_id < upper and file.last_id >= lower]


def versions(files: Sequence[File]) -> str:
    """Only where a row may be in two of the files, its newest version has to be found."""
    ordered = sorted(files, key=lambda file: file.first_id)
    share_ids = any(after.first_id <= before.last_id for before, after in pairwise(ordered))
    return NEWEST_VERSION if share_ids else ALL_VERSIONS
