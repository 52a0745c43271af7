"""Builds a tenant's rollups anew, from its executions of both tiers, in one transaction.

What started before `kept_before` is left as it is: its archived executions have expired, and only rollups tell of them.
"""

import time
from collections.abc import Iterator
from itertools import batched
from typing import Any
from uuid import UUID

from psycopg.errors import (
    DataError,
    IntegrityError,
    LockNotAvailable,
    ProgramLimitExceeded,
    QueryCanceled,
    SerializationFailure,
)
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from flomastr.archive import manifest, parquet, reader
from flomastr.archive.duckdb_filesystem import FileUnreadableError
from flomastr.archive.file_lifecycle import REFUSED
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

ROWS = 10_000  # in one statement
SECONDS = 600  # of a run, so that others are counted every ten minutes at least
POSTPONED = "1 day"  # what does not fit into that
UNCOUNTABLE = (DataError, IntegrityError, ProgramLimitExceeded)  # what Postgres says of sums that it cannot keep
UNREADABLE = (*REFUSED, FileUnreadableError, ObjectMissingError, StorageUnavailableError)


class OutOfTimeError(Exception):
    """The transaction is rolled back."""


def run(job: Job) -> None:
    """Builds what is asked for, the longest waiting first.

    What cannot be built is reported, and tried by each run; what does not fit into a run, a day later.
    """
    until = min(job.deadline, time.monotonic() + SECONDS)
    asked = "SELECT tenant_id FROM app.rollup_settings WHERE rebuild_asked_at <= now() ORDER BY rebuild_asked_at"
    for place, (tenant,) in enumerate(job.conn.execute(asked).fetchall()):
        try:
            rebuild(job, tenant, until)
        except (OutOfTimeError, QueryCanceled):
            if place == 0 and until < job.deadline:  # it had all the time that there is for one
                postpone(job, tenant)
            job.unfinished = True
            return
        except (LockNotAvailable, SerializationFailure):  # an erasure of the tenant came between
            job.unfinished = True
        except (*UNREADABLE, *UNCOUNTABLE) as error:
            job.failed(f"Rollups cannot be built anew: {type(error).__name__}", "RollupsNotRebuilt")


def postpone(job: Job, tenant: UUID) -> None:
    """Has it tried again a day later, and reports it."""
    later = "UPDATE app.rollup_settings SET rebuild_asked_at = now() + %s::interval WHERE tenant_id = %s"
    job.conn.execute(later, (POSTPONED, tenant))
    job.failed(f"Rollups of tenant {tenant} cannot be built anew in {SECONDS} seconds.", "RollupsNotRebuilt")


def ask(job: Job, tenant: UUID) -> None:
    """Has the next run build the tenant's rollups anew."""
    job.conn.execute(
        """
        INSERT INTO app.rollup_settings AS s (tenant_id, rebuild_asked_at) VALUES (%s, now())
        ON CONFLICT (tenant_id) DO UPDATE SET rebuild_asked_at = greatest(s.rebuild_asked_at, now())
        """,
        (tenant,),
    )


def rebuild(job: Job, tenant: UUID, until: float) -> None:
    """All of it sees one state of the database, in which every execution is hot, archived or a delta of neither."""
    with job.conn.transaction():
        job.conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        job.conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # while files are read
        left = max(1, int((until - time.monotonic()) * 1000))
        job.conn.execute("SELECT set_config('statement_timeout', %s, true)", (str(left),))
        job.conn.execute("SELECT app.begin_rebuild(%s)", (tenant,))
        for rows in batched(archived(job, tenant), ROWS, strict=False):
            job.conn.execute("SELECT app.add_archived_deltas(%s, %s)", (tenant, Jsonb(rows)))
        folded = 1
        while folded:
            if time.monotonic() > until:
                raise OutOfTimeError
            (folded,) = job.conn.execute("SELECT app.fold_deltas_of(%s, %s)", (tenant, ROWS)).fetchall()[0]
    job.counts["rollups_rebuilt"] += 1


def archived(job: Job, tenant: UUID) -> Iterator[dict[str, Any]]:
    """The tenant's archived executions as deltas, alike ones together; without versions that do not count."""
    files = (
        job.conn.cursor(row_factory=class_row(File))
        .execute(
            f"SELECT {manifest.COLUMNS} FROM {manifest.EXECUTIONS} AND f.tenant_id = %s"
            " ORDER BY f.stored_at DESC, f.id DESC",
            (tenant,),
        )
        .fetchall()
    )
    superseded = job.conn.execute("SELECT id::text FROM app.superseded_versions WHERE tenant_id = %s", (tenant,))
    if not files:
        return iter(())
    return iter(reader.fetch(deltas(files), files, {"superseded": parquet.joined(id for (id,) in superseded)}))


def deltas(files: list[File]) -> str:
    """As app.execution_delta has them."""
    return f"""
        SELECT
          workflow_id, epoch_us(started_at) // 900000000 * 900 AS quarter, status, mode,
          CASE WHEN status IN ('crashed', 'canceled', 'error', 'success')
            THEN greatest(epoch_us(finished_at) - epoch_us(started_at), 0 * epoch_us(finished_at)) END AS microseconds,
          CASE WHEN status IN ('error', 'crashed') THEN n8n_execution_id END AS failed,
          CASE
            WHEN status = 'success' AND mode = 'retry' THEN (execution_data ->> '$.retryOf')
            WHEN status IN ('error', 'crashed') AND (execution_data ->> '$.retrySuccessId') IS NOT NULL
              THEN n8n_execution_id
          END AS retried,
          count(*) AS runs
        FROM (SELECT * FROM {FILES} {reader.versions(files)})
        WHERE id NOT IN (SELECT {parquet.items("superseded")})
        GROUP BY ALL
    """
