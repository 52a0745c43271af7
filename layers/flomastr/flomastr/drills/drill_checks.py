"""What a drill compares: a fork with the live database, and a restored backup with itself."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from psycopg import sql
from psycopg.conninfo import make_conninfo

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.drills.backup_watch import OLDEST
from flomastr.drills.drills import Drill, Result
from flomastr.jobs import Job
from flomastr.recovery import backup_catalogue, backup_manifest, restore
from flomastr.recovery.backup_manifest import DamagedError, Manifest
from flomastr.recovery.restore import CatalogueError, RefusedError
from flomastr.recovery.restore_load import DifferentError

RESTORED = "flomastr_drill"  # the database into which a backup is restored
WORKERS = 2
NEAR = 0.001
KEPT = ("schema_functions", "schema_migrations")

ROOTS = """
SELECT relname::text FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""
NEWEST = "SELECT max(finished_at) FROM app.job_runs WHERE finished_at <= %s"
# Of some vector, the distance of the nearest that its tenant has: its own.
NEAREST = """
SELECT (
  SELECT n.embedding_vector OPERATOR(public.<=>) e.embedding_vector
  FROM app.embeddings AS n WHERE n.tenant_id = e.tenant_id AND n.embedding_vector IS NOT NULL
  ORDER BY n.embedding_vector OPERATOR(public.<=>) e.embedding_vector LIMIT 1
)
FROM app.embeddings AS e WHERE e.embedding_vector IS NOT NULL LIMIT 1
"""


@contextmanager
def opened(uri: str, database: str, role: str | None = None) -> Generator[Connection]:
    """As the fork's administrator, or as a role that it makes itself a member of."""
    with connection.open_connection(make_conninfo(uri, dbname=database), float("inf")) as conn:
        if role:
            conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
            conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        conn.execute("SET search_path = ''")  # so that names in definitions are whole
        yield conn


def database_of(conn: Connection) -> str:
    return conn.execute("SELECT current_database()").fetchall()[0][0]


def compare_fork(job: Job, drill: Drill, uri: str, result: Result) -> None:
    """What was committed before its moment is there, and nothing from after it. Raises psycopg.Error."""
    at = drill.restored_to
    job.conn.execute("SET search_path = ''")
    with opened(uri, database_of(job.conn), "flo_job") as fork:
        live_ledger = job.conn.execute(
            "SELECT name, sha256 FROM app.schema_migrations WHERE applied_at <= %s ORDER BY name", (at,)
        ).fetchall()
        if dict(live_ledger) != backup_catalogue.ledger(fork):
            result.failed("fork", "Its migrations are not those that the database had.")
            return
        for name in ("tenants", "workflows"):
            compare_rows(job.conn, fork, name, at, result)
        compare_rights(job.conn, fork, result)
        ((newest,),) = fork.execute(NEWEST, (at,)).fetchall()
        if newest:
            result.fork_lost_seconds = (at - newest).total_seconds()


def compare_rows(live: Connection, fork: Connection, name: str, at: datetime, result: Result) -> None:
    """Rows that are older than the moment and still there."""
    table = sql.Identifier("app", name)
    older = sql.SQL("SELECT id FROM {} WHERE created_at <= %s").format(table)
    there = {id for (id,) in fork.execute(sql.SQL("SELECT id FROM {}").format(table)).fetchall()}
    missing = {id for (id,) in live.execute(older, (at,)).fetchall()} - there
    ((later,),) = fork.execute(sql.SQL("SELECT count(*) FROM {} WHERE created_at > %s").format(table), (at,)).fetchall()
    if missing:
        result.failed("fork", f"app.{name} lacks {len(missing)} rows from before the moment.")
    if later:
        result.failed("fork", f"app.{name} has {later} rows from after the moment.")


def compare_rights(live: Connection, fork: Connection, result: Result) -> None:
    """Where a migration came later than the moment, they may differ."""
    if backup_catalogue.ledger(live) != backup_catalogue.ledger(fork):
        return
    names = [name for (name,) in live.execute(ROOTS).fetchall()]
    different = set(backup_catalogue.catalogue(live, names)) ^ set(backup_catalogue.catalogue(fork, names))
    if different:
        result.failed("fork", f"Roles, grants or policies differ: {'; '.join(sorted(different)[:3])}.")


def restore_backup(job: Job, drill: Drill, uri: str, result: Result) -> None:
    """Into a database of the fork. Raises psycopg.Error, StorageUnavailableError."""
    try:
        manifest = backup_manifest.find("latest")
        result.backup_id = manifest.id
        age = drill.started_at - manifest.taken_at
        result.backup_lost_seconds = age.total_seconds()
        if age > OLDEST:
            result.failed("backup", f"The newest one is {age} old.")
        make_empty(uri, database_of(job.conn))
        started = time.monotonic()
        restore.restore(make_conninfo(uri, dbname=RESTORED), manifest, workers=WORKERS)
        result.restore_seconds = time.monotonic() - started
        compare_restored(uri, manifest, result)
    except (DamagedError, DifferentError, CatalogueError) as error:
        result.failed("backup", str(error).partition("\n")[0])
    except RefusedError as error:
        result.failed("drill", str(error))


def make_empty(uri: str, database: str) -> None:
    """A copy of the fork's database, without its rows. Raises psycopg.Error."""
    with opened(uri, "template1") as conn:  # nobody may be connected to what is copied
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        conn.execute(drop.format(sql.Identifier(RESTORED)))
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        conn.execute(made.format(sql.Identifier(RESTORED), sql.Identifier(database)))
    with opened(uri, RESTORED) as conn:
        conn.execute("SET ROLE flo_owner")
        tables = [sql.Identifier("app", name) for (name,) in conn.execute(ROOTS).fetchall() if name not in KEPT]
        conn.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))


def compare_restored(uri: str, manifest: Manifest, result: Result) -> None:
    """That a search finds something; the rows themselves were compared while they were restored."""
    with opened(uri, RESTORED, "flo_job") as conn:
        nearest = conn.execute(NEAREST).fetchall()
    embedded = next((part.rows for part in manifest.parts if part.relation.name == "embeddings"), 0)
    if (embedded and not nearest) or (nearest and nearest[0][0] > NEAR):
        result.failed("backup", "A search does not find a vector by itself.")
