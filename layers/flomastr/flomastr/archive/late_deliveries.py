"""Late deliveries of what is archived: the new hot row takes up what the cold one says, as if that were told again.

In whatever order deliveries come, the same row comes out: a late one takes nothing away. What then says no more than
the archived version is gone; else it is archived again, with all that both have said.
"""

import json
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.archive import duckdb_filesystem, manifest, parquet
from flomastr.archive.file_lifecycle import UnverifiedError, UnwrittenError
from flomastr.archive.manifest import File
from flomastr.archive.parquet import literal
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

COLUMNS = """
  id, workflow_id, n8n_execution_id, status, started_at::varchar AS started_at, finished_at::varchar AS finished_at,
  error_message, execution_data
"""
OVERLAPPING: LiteralString = (
    "SELECT "
    + manifest.COLUMNS
    + """, ids
    FROM app.archive_files AS f
    CROSS JOIN LATERAL (
      SELECT array_agg(e.id) AS ids FROM app.workflow_executions AS e
      WHERE e.retention_class = 0 AND e.tenant_id = f.tenant_id AND e.id BETWEEN f.first_id AND f.last_id
        AND e.n8n_execution_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
    ) AS late
    WHERE f.state = 'stored' AND f.source = 'workflow_executions' AND late.ids IS NOT NULL
    ORDER BY f.id
    """
)


class Overlap(File):
    """A file, and the hot executions that it may have as well."""

    ids: list[UUID]


def merge_late(job: Job) -> bool:
    """Whether all that is both hot and cold has been seen."""
    overlaps = job.conn.cursor(row_factory=class_row(Overlap)).execute(OVERLAPPING).fetchall()
    for overlap in overlaps:
        if not job.has_time():
            return False
        for row in versions(overlap):
            replay(job, overlap.tenant_id, row)
    return True


def versions(overlap: Overlap) -> list[dict[str, str]]:
    """What the file has of them."""
    ids = ", ".join(literal(str(id)) for id in overlap.ids)
    try:
        with duckdb_filesystem.translating_storage_errors():
            return parquet.fetched(f"SELECT {COLUMNS} FROM {parquet.listed([overlap.path])} WHERE id IN ({ids})")
    except (ObjectMissingError, duckdb_filesystem.FileUnreadableError) as error:
        raise UnverifiedError(f"{overlap.name} is missing or cannot be read.") from error
    except StorageUnavailableError as error:
        raise UnwrittenError(f"{overlap.name} cannot be read at the moment.") from error


def replay(job: Job, tenant: UUID, row: dict[str, str]) -> None:
    delivery = row | {"execution_data": json.loads(row["execution_data"]) if row["execution_data"] else None}
    with job.conn.transaction():
        job.conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
        (became,) = job.conn.execute("SELECT app.merge_late(%s)", (Jsonb(delivery),)).fetchall()[0]
    job.counts["rows_rejoined"] += became in ("updated", "gone")
