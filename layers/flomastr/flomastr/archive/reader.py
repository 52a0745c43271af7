"""Executions in files of the archive, as the hot tier would give them. DuckDB reads them, one query a step."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

from flomastr.archive import duckdb_filesystem, parquet
from flomastr.archive.manifest import File
from flomastr.archive.parquet import literal
from flomastr.workflows.executions import Execution, Filter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = """
  id, workflow_id, tenant_id, n8n_execution_id, status, mode, epoch_us(started_at) AS started_at,
  epoch_us(finished_at) AS finished_at, error_message, epoch_us(created_at) AS created_at
"""

type Tier = Literal["hot", "cold"]


class TieredExecution(Execution):
    """An execution, and where it is kept: hot in the database, cold in a file of the archive."""

    tier: Tier = "hot"


def newest(files: Sequence[File], lower: UUID, upper: UUID, matching: Filter, wanted: int) -> list[TieredExecution]:
    """The newest that match, from one id up to another, without their data."""
    read = overlapping(files, lower, upper)
    if not read:
        return []
    within = f"SELECT * FROM {source(read)} WHERE id >= {literal(str(lower))} AND id < {literal(str(upper))}"
    if matching.workflow_id:
        within += f" AND workflow_id = {literal(str(matching.workflow_id))}"
    if share_ids(read):
        within += f" QUALIFY row_number() OVER (PARTITION BY id ORDER BY {file_rank(read)}) = 1"
    status = f"WHERE status = {literal(matching.status)}" if matching.status else ""
    rows = fetched(f"SELECT {COLUMNS} FROM ({within}) {status} ORDER BY id DESC LIMIT {wanted}")
    return [execution(row) for row in rows]


def fetched(query: str) -> list[dict[str, Any]]:
    with duckdb_filesystem.translating_storage_errors():
        return parquet.fetched(query)


def execution(row: dict[str, Any]) -> TieredExecution:
    moments = {name: moment(row[name]) for name in ("started_at", "finished_at", "created_at")}
    return TieredExecution.model_validate(row | moments | {"execution_data": None, "tier": "cold"})


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def sizes(files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many bytes the data of these take."""
    rows = fetched(f"SELECT id, coalesce(strlen(execution_data), 0) AS bytes FROM {these(files, ids)}")
    return {UUID(row["id"]): row["bytes"] for row in rows}


def data(files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, dict[str, Any] | None]:
    rows = fetched(f"SELECT id, execution_data FROM {these(files, ids)}")
    return {UUID(row["id"]): json.loads(row["execution_data"]) if row["execution_data"] else None for row in rows}


def these(files: Sequence[File], ids: Sequence[UUID]) -> str:
    """The rows with these ids, each from the file that was stored last."""
    read = [file for file in files if any(file.first_id <= id <= file.last_id for id in ids)]
    listed = ", ".join(literal(str(id)) for id in ids)
    newest = f" QUALIFY row_number() OVER (PARTITION BY id ORDER BY {file_rank(read)}) = 1" if share_ids(read) else ""
    within = f"id BETWEEN {literal(str(min(ids)))} AND {literal(str(max(ids)))}"
    return f"(SELECT * FROM {source(read)} WHERE {within} AND id IN ({listed}){newest})"


def count(files: Sequence[File], matching: Filter) -> int:
    conditions = [f"{name} = {literal(str(value))}" for name, value in matching if value is not None]
    if not files or not conditions:
        return sum(file.rows for file in files)
    (row,) = fetched(f"SELECT count(*) AS rows FROM {source(files)} WHERE {' AND '.join(conditions)}")
    return row["rows"]


def groups(files: Sequence[File], workflow_id: UUID | None, since: datetime) -> list[dict[str, Any]]:
    """The executions that started since then, by status and mode."""
    if not files:
        return []
    of_workflow = f"AND workflow_id = {literal(str(workflow_id))}" if workflow_id else ""
    return fetched(
        "SELECT status, mode, count(*) AS executions, count(finished_at) AS finished,"
        " sum(greatest(epoch_us(finished_at) - epoch_us(started_at), 0))::bigint AS microseconds"
        f" FROM {source(files)} WHERE started_at >= {literal(since.isoformat())}::timestamptz {of_workflow}"
        " GROUP BY status, mode"
    )


def overlapping(files: Iterable[File], lower: UUID, upper: UUID) -> list[File]:
    return [file for file in files if file.first_id < upper and file.last_id >= lower]


def share_ids(files: Sequence[File]) -> bool:
    """Whether one row may be in two of them."""
    ordered = sorted(files, key=lambda file: file.first_id)
    return any(after.first_id <= before.last_id for before, after in pairwise(ordered))


def source(files: Sequence[File]) -> str:
    return parquet.listed([file.path for file in files])


def file_rank(files: Sequence[File]) -> str:
    """Of the row's file among these."""
    return f"list_position([{', '.join(literal(file.path) for file in files)}], filename)"
