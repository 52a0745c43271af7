"""Late deliveries of archived executions: merges the archived version into the new hot row, as one more delivery.

Deliveries merge to the same row in any order, so a late one loses nothing. A hot row that then equals the archived
version is deleted; any other is archived again, as a newer version. What is under a legal hold waits for its release.
"""

import json
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.archive import duckdb_filesystem, manifest, parquet
from flomastr.archive.file_lifecycle import UnverifiedError, UnwrittenError
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

COLUMNS = """
  id, workflow_id, n8n_execution_id, status, started_at::varchar AS started_at, finished_at::varchar AS finished_at,
  error_message, execution_data
"""
OVERLAPPING: LiteralString = f"""
SELECT {manifest.COLUMNS}, late.ids
FROM app.archive_files AS f
CROSS JOIN LATERAL (
  SELECT array_agg(e.id) AS ids FROM app.workflow_executions AS e
  WHERE e.retention_class = 0 AND e.tenant_id = f.tenant_id AND e.id BETWEEN f.first_id AND f.last_id
    AND e.n8n_execution_id IS NOT NULL AND {manifest.IS_NO_COPY}
    AND NOT app.is_held(e.tenant_id, e.workflow_id, e.id)
) AS late
WHERE f.state = 'stored' AND f.source = 'workflow_executions' AND late.ids IS NOT NULL
ORDER BY f.stored_at DESC, f.id DESC  -- the newest version is the one that no longer counts
"""


class Overlap(File):
    """A file, and the hot executions that may be in it as well."""

    ids: list[UUID]


def merge_late(job: Job) -> bool:
    """Merges what is both hot and archived. False when the time ran out before all was merged."""
    overlaps = job.conn.cursor(row_factory=class_row(Overlap)).execute(OVERLAPPING).fetchall()
    for overlap in overlaps:
        if not job.has_time():
            return False
        for row in versions(overlap):
            if not job.has_time():
                return False
            deliver_again(job, overlap.tenant_id, row)
    return True


def versions(overlap: Overlap) -> list[dict[str, str]]:
    """The file's versions of these executions. Raises UnverifiedError, UnwrittenError."""
    query = f"SELECT {COLUMNS} FROM {FILES} WHERE id IN (SELECT {parquet.items('ids')})"
    try:
        with duckdb_filesystem.translating_storage_errors():
            return parquet.fetch(query, {"files": [overlap.path], "ids": parquet.joined(overlap.ids)})
    except (ObjectMissingError, duckdb_filesystem.FileUnreadableError) as error:
        raise UnverifiedError(f"{overlap.name} is missing or cannot be read.") from error
    except StorageUnavailableError as error:
        raise UnwrittenError(f"{overlap.name} cannot be read at the moment.") from error


def deliver_again(job: Job, tenant: UUID, row: dict[str, str]) -> None:
    delivery = row | {"execution_data": json.loads(row["execution_data"]) if row["execution_data"] else None}
    with job.conn.transaction():
        job.conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
        (outcome,) = job.conn.execute("SELECT app.merge_late(%s)", (Jsonb(delivery),)).fetchall()[0]
    job.counts["rows_rejoined"] += outcome in ("updated", "gone")
