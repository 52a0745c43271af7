"""Late deliveries of archived executions: merges the archived version into the new hot row, as one more delivery.

Deliveries merge to the same row in any order, so a late one loses nothing. A hot row that then equals the archived
version is deleted; any other is archived again, as a newer version. What is under a legal hold waits for its release.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import batched, groupby
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.archive import duckdb_filesystem, manifest, parquet
from flomastr.archive.file_lifecycle import REFUSED, UnverifiedError, UnwrittenError, record_failure
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

MOST_LATE = 5_000  # rows of a tenant in one run, some milliseconds each
BATCH = 20  # rows in one transaction, for which deliveries of the same executions wait
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
    AND (
      e.created_at > app.uuid7_moment(e.id) + interval '6 days'  -- nothing is archived in its first seven
      OR NOT EXISTS (SELECT FROM app.keep_policies AS k WHERE k.tenant_id = e.tenant_id)
    )
) AS late
WHERE f.state = 'stored' AND f.source = 'workflow_executions' AND late.ids IS NOT NULL
ORDER BY f.tenant_id, f.stored_at DESC, f.id DESC  -- the newest version is the one that no longer counts
"""


class Overlap(File):
    """A file, and the hot executions that may be in it as well."""

    ids: list[UUID]


def merge_late(job: Job) -> set[UUID]:
    """Merges late deliveries, of tenants in turn. Returns the tenants of whom some are left.

    What these have in the overflow partition waits for the next run, since it may be in a file as well.
    """
    turns = deque((tenant, batches(files)) for tenant, files in overlaps(job).items())
    left: set[UUID] = set()
    merged: Counter[UUID] = Counter()
    while turns and job.has_time():
        tenant, rest = turns.popleft()
        left.add(tenant)
        try:
            if merged[tenant] >= MOST_LATE:
                continue
            if rows := next(rest, None):
                with job.unless_busy():
                    deliver_again(job, tenant, rows)
                    merged[tenant] += len(rows)
                    turns.append((tenant, rest))
            else:
                left.remove(tenant)
        except REFUSED as error:
            record_failure(job, error)
    return left | {tenant for tenant, _ in turns}


def overlaps(job: Job) -> dict[UUID, list[Overlap]]:
    """Files with executions that are hot again, by tenant."""
    found = job.conn.cursor(row_factory=class_row(Overlap)).execute(OVERLAPPING).fetchall()
    return {tenant: list(files) for tenant, files in groupby(found, lambda overlap: overlap.tenant_id)}


def batches(files: list[Overlap]) -> Iterator[Sequence[dict[str, str]]]:
    """The archived versions of what is hot again. Raises UnverifiedError, UnwrittenError."""
    for file in files:
        yield from batched(versions(file), BATCH, strict=False)


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


def deliver_again(job: Job, tenant: UUID, rows: Sequence[dict[str, str]]) -> None:
    """Merges a batch of archived versions, all or nothing."""
    deliveries = [
        row | {"execution_data": json.loads(row["execution_data"]) if row["execution_data"] else None} for row in rows
    ]
    with job.conn.transaction():
        job.conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
        job.conn.execute("SELECT app.lock_n8n_ids(%s)", ([row["n8n_execution_id"] for row in rows],))
        merge = "SELECT app.merge_late(d.value) FROM jsonb_array_elements(%s) AS d"
        outcomes = job.conn.execute(merge, (Jsonb(deliveries),)).fetchall()
    job.counts["rows_rejoined"] += sum(outcome in ("updated", "gone") for (outcome,) in outcomes)
