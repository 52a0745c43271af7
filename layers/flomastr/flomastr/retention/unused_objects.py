"""Removes objects with large data of executions that nothing refers to any more.

What refers to one: a hot execution with its marker; the history of such an execution, from which it may be recovered;
an archived version with its marker. A tenant with legal holds keeps all. Who is about to write an object claims it,
which postpones its check by a day, and waits for a removal under way.
"""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel

from flomastr import object_storage
from flomastr.archive import duckdb_filesystem, manifest, parquet
from flomastr.archive.duckdb_filesystem import FileUnreadableError
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.jobs import Job
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError

BATCH = 200
DUE: LiteralString = """
SELECT o.sha256 FROM app.execution_objects AS o
WHERE o.tenant_id = %(tenant)s AND o.check_at <= %(moment)s AND NOT app.has_holds(o.tenant_id)
ORDER BY o.check_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
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


def remove(job: Job) -> None:
    """Of tenants one after another. One whose archive cannot be read keeps its objects until the next run."""
    due = job.conn.cursor(row_factory=scalar_row).execute(
        "SELECT DISTINCT o.tenant_id FROM app.execution_objects AS o"
        " WHERE o.check_at <= %s AND NOT app.has_holds(o.tenant_id)",
        (job.moment,),
    )
    for tenant in due.fetchall():
        try:
            with job.unless_busy():
                while job.has_time() and check(job, tenant):
                    pass
        except (StorageUnavailableError, ObjectMissingError, FileUnreadableError) as error:
            job.failed(f"Unused objects could not be removed: {error}", "ObjectsNotRemoved")


def check(job: Job, tenant: UUID) -> bool:
    """A batch of a tenant. Whether there was one. Its objects are removed before the commit that forgets them.

    Raises StorageUnavailableError, ObjectMissingError, FileUnreadableError.
    """
    with job.conn.transaction():
        job.conn.execute("SELECT pg_advisory_xact_lock_shared(app.lock_of_holds(%s))", (tenant,))
        due = {"tenant": tenant, "moment": job.moment, "most": BATCH}
        hashes = job.conn.cursor(row_factory=scalar_row).execute(DUE, due).fetchall()
        used = alive(job, tenant, hashes)
        unused = [hash for hash in hashes if hash not in used]
        object_storage.remove(object_storage.key_of_data(tenant, hash) for hash in unused)
        named = {"tenant": tenant, "unused": unused, "used": list(used), "moment": job.moment}
        job.conn.execute(
            "DELETE FROM app.execution_objects WHERE tenant_id = %(tenant)s AND sha256 = ANY (%(unused)s)", named
        )
        job.conn.execute(
            """
            UPDATE app.execution_objects SET check_at = %(moment)s + interval '7 days'
            WHERE tenant_id = %(tenant)s AND sha256 = ANY (%(used)s)
            """,
            named,
        )
    job.counts["objects_removed"] += len(unused)
    return bool(hashes)


def alive(job: Job, tenant: UUID, hashes: list[str]) -> set[str]:
    """Those that something refers to. Postgres is asked first: what is archived meanwhile is found in the files."""
    found = job.conn.cursor(row_factory=class_row(Reference)).execute(REFERENCES, {"tenant": tenant, "hashes": hashes})
    references = found.fetchall()
    used = {reference.sha256 for reference in references if reference.is_alive}
    return used | archived(job, tenant, {r.execution_id for r in references if r.sha256 not in used})


def archived(job: Job, tenant: UUID, ids: set[UUID]) -> set[str]:
    """The objects that archived versions of these executions name."""
    files = job.conn.cursor(row_factory=class_row(File)).execute(
        f"""
        SELECT {manifest.COLUMNS} FROM app.archive_files AS f
        WHERE f.tenant_id = %s AND f.source = 'workflow_executions' AND f.state = 'stored'
          AND EXISTS (SELECT FROM unnest(%s::uuid[]) AS id WHERE id BETWEEN f.first_id AND f.last_id)
        """,
        (tenant, list(ids)),
    )
    paths = [file.path for file in files.fetchall()]
    if not paths:
        return set()
    query = f"""
        SELECT DISTINCT (execution_data ->> '$.flomastr_object.sha256') AS sha256 FROM {FILES}
        WHERE id IN (SELECT {parquet.items("ids")}) AND contains(execution_data, '"flomastr_object"')
    """
    with duckdb_filesystem.translating_storage_errors():
        return {row["sha256"] for row in parquet.fetch(query, {"files": paths, "ids": parquet.joined(ids)})}
