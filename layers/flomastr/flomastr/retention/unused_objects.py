"""Removes objects with large data of executions that nothing refers to any more.

What refers to one: a hot execution with its marker; the history of such an execution, from which it may be recovered;
an archived version with its marker. Archived history does not, since nothing is recovered from it: the audit trail goes
on to tell what the row had. A tenant with legal holds keeps all. Who is about to write an object claims it, which
postpones its check by a day, and waits for a removal under way.

Objects are removed before the commit that forgets them, while their claims and the tenant's holds are locked. Outside
of the lock a writer might find an object there that is gone when its row names it, or a new hold come too late for it.
It is one request of at most 24 seconds; who waits are reports with the same data, and a new hold of this tenant.

Files are read before the transaction that removes objects, which is short: what has been archived meanwhile is in a
file that was not read, and leaves its objects to the next run.
"""

from collections import deque
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

import duckdb
from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel

from flomastr import object_storage
from flomastr.archive import duckdb_filesystem, manifest, parquet
from flomastr.archive.duckdb_filesystem import FileUnreadableError
from flomastr.archive.file_lifecycle import safe_message
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

BATCH = 200
DUE: LiteralString = """
SELECT o.sha256 FROM app.execution_objects AS o
WHERE o.tenant_id = %(tenant)s AND o.check_at <= %(moment)s AND NOT app.has_holds(o.tenant_id)
ORDER BY o.check_at LIMIT %(most)s
"""
STILL_DUE: LiteralString = """
SELECT o.sha256 FROM app.execution_objects AS o
WHERE o.tenant_id = %(tenant)s AND o.check_at <= %(moment)s AND NOT app.has_holds(o.tenant_id)
  AND o.sha256 = ANY (%(hashes)s)
FOR UPDATE SKIP LOCKED
"""
CHECK_AGAIN: LiteralString = """
UPDATE app.execution_objects SET check_at = %(moment)s + interval '7 days'
WHERE tenant_id = %(tenant)s AND sha256 = ANY (%(used)s)
"""
REFERENCES: LiteralString = """
SELECT r.sha256, r.execution_id, EXISTS (
  SELECT FROM app.workflow_executions AS e
  WHERE e.tenant_id = r.tenant_id AND e.id = r.execution_id
    AND e.execution_data #>> '{flomastr_object,sha256}' = r.sha256
) OR EXISTS (
  SELECT FROM app.row_history AS h WHERE h.tenant_id = r.tenant_id AND h.row_id = r.execution_id
) AS is_alive
FROM app.execution_object_references AS r
WHERE r.tenant_id = %(tenant)s AND r.sha256 = ANY (%(hashes)s)
"""


class Reference(BaseModel):
    sha256: str
    execution_id: UUID
    is_alive: bool


@dataclass(frozen=True)
class Archive:
    """What the archived versions of some executions name, and the files that were read for it."""

    executions: set[UUID]
    paths: set[str]
    named: set[str]


def remove(job: Job) -> None:
    """Of tenants in turn. One whose archive cannot be read keeps its objects until the next run."""
    due = job.conn.cursor(row_factory=scalar_row).execute(
        "SELECT DISTINCT o.tenant_id FROM app.execution_objects AS o"
        " WHERE o.check_at <= %s AND NOT app.has_holds(o.tenant_id)",
        (job.moment,),
    )
    tenants = deque(due.fetchall())
    while tenants and job.has_time():
        tenant = tenants.popleft()
        try:
            with job.unless_busy():
                if check(job, tenant):
                    tenants.append(tenant)
        except (StorageUnavailableError, ObjectMissingError, FileUnreadableError, duckdb.Error) as error:
            job.failed(f"Unused objects could not be removed: {safe_message(error)}", "ObjectsNotRemoved")


def check(job: Job, tenant: UUID) -> bool:
    """A batch of a tenant. Whether there may be another. Its objects are removed before the commit that forgets them.

    Raises StorageUnavailableError, ObjectMissingError, FileUnreadableError, duckdb.Error.
    """
    due = {"tenant": tenant, "moment": job.moment, "most": BATCH}
    hashes = job.conn.cursor(row_factory=scalar_row).execute(DUE, due).fetchall()
    archive = archived(job, tenant, gone(references_to(job, tenant, hashes)))
    with job.conn.transaction():
        job.conn.execute("SELECT pg_advisory_xact_lock_shared(app.lock_of_holds(%s))", (tenant,))
        hashes = job.conn.cursor(row_factory=scalar_row).execute(STILL_DUE, due | {"hashes": hashes}).fetchall()
        references = references_to(job, tenant, hashes)
        executions = gone(references)
        if not (executions <= archive.executions and paths_of(job, tenant, executions) <= archive.paths):
            job.unfinished = True
            return False
        used = {reference.sha256 for reference in references if reference.is_alive} | archive.named.intersection(hashes)
        unused = [hash for hash in hashes if hash not in used]
        object_storage.remove(object_storage.key_of_data(tenant, hash) for hash in unused)
        job.conn.execute(
            "DELETE FROM app.execution_objects WHERE tenant_id = %s AND sha256 = ANY (%s)", (tenant, unused)
        )
        job.conn.execute(CHECK_AGAIN, {"tenant": tenant, "used": list(used), "moment": job.moment})
    job.counts["objects_removed"] += len(unused)
    return bool(hashes)


def references_to(job: Job, tenant: UUID, hashes: list[str]) -> list[Reference]:
    """Asked before the files are listed: what is archived in between is in a file."""
    cursor = job.conn.cursor(row_factory=class_row(Reference))
    return cursor.execute(REFERENCES, {"tenant": tenant, "hashes": hashes}).fetchall()


def gone(references: list[Reference]) -> set[UUID]:
    """The executions that may name an object in the archive alone."""
    used = {reference.sha256 for reference in references if reference.is_alive}
    return {reference.execution_id for reference in references if reference.sha256 not in used}


def archived(job: Job, tenant: UUID, executions: set[UUID]) -> Archive:
    """Raises ObjectMissingError, StorageUnavailableError, FileUnreadableError, duckdb.Error."""
    paths = paths_of(job, tenant, executions)
    if not paths:
        return Archive(executions, paths, set())
    query = f"""
        SELECT DISTINCT (execution_data ->> '$.flomastr_object.sha256') AS sha256 FROM {FILES}
        WHERE id IN (SELECT {parquet.items("ids")}) AND contains(execution_data, '"flomastr_object"')
    """
    with duckdb_filesystem.translating_storage_errors():
        found = parquet.fetch(query, {"files": sorted(paths), "ids": parquet.joined(executions)})
    return Archive(executions, paths, {row["sha256"] for row in found})


def paths_of(job: Job, tenant: UUID, executions: set[UUID]) -> set[str]:
    """The files in which these executions may be."""
    if not executions:
        return set()
    files = job.conn.cursor(row_factory=class_row(File)).execute(
        f"""
        SELECT {manifest.COLUMNS} FROM app.archive_files AS f
        WHERE f.tenant_id = %s AND f.source = 'workflow_executions' AND f.state = 'stored'
          AND EXISTS (SELECT FROM unnest(%s::uuid[]) AS id WHERE id BETWEEN f.first_id AND f.last_id)
        """,
        (tenant, list(executions)),
    )
    return {file.path for file in files.fetchall()}
