"""Restores a backup into a database that has its schema and no rows yet. May be killed anywhere and run again."""

import time
from collections import deque
from collections.abc import Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from psycopg import sql

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.recovery import backup_catalogue, receipts, restore_load
from flomastr.recovery.backup_manifest import Manifest, Part
from flomastr.recovery.restore_load import Choice

HAVE_ROWS = ("tenants", "user_roles", "workflows", "workflow_executions")  # in any database that is in use


class RefusedError(Exception):
    """The database is not one into which this backup can be restored, or the backup has not what is asked for."""


class CatalogueError(Exception):
    """The restored database lets somebody do what the one of the backup did not, or the other way round."""


def restore(
    url: str, manifest: Manifest, *, workers: int = 2, tables: Collection[str] = (), tenant: str = ""
) -> dict[str, int]:
    """Restores a backup: all of it, or some tables with those that they refer to, or one tenant, by its id.

    `url` is an administrator's. Returns rows and seconds. Raises RefusedError, DamagedError, DifferentError,
    CatalogueError, StorageUnavailableError, psycopg.Error.
    """
    started = time.monotonic()
    refuse_unknown(manifest, tables, tenant)
    with connect(url) as conn:
        refuse(conn, manifest)
        parts = wanted(conn, manifest, tables, tenant)
        made = [part for part in parts if part.relation.parent and not is_attached(conn, part)]
        there = restore_load.in_order(conn, (part for part in parts if part not in made))
        choice = restore_load.of_tenant(tenant) if tenant else restore_load.everything
        rows = sum(restore_load.load(conn, manifest, part, choice) for part in there)
        rows += fill(url, manifest, made, workers, choice)
        for part in made:
            restore_load.attach(conn, part)
        erasures = finish(conn, manifest, parts)
    return {"rows": rows, "tables": len(parts), "erasures": erasures, "seconds": round(time.monotonic() - started)}


@contextmanager
def connect(url: str) -> Generator[Connection]:
    """As the owner of all tables, which an administrator may become."""
    with connection.open_connection(url, float("inf")) as conn:
        conn.execute("SET ROLE flo_owner")
        conn.execute("SET search_path = ''")
        conn.execute("SET client_connection_check_interval = '1s'")
        yield conn


def refuse(conn: Connection, manifest: Manifest) -> None:
    """Raises RefusedError unless the database has the schema of the backup and is empty, or half restored from it."""
    conn.execute("RESET ROLE")  # who migrated owns the ledger
    applied = backup_catalogue.ledger(conn)
    conn.execute("SET ROLE flo_owner")
    if applied != manifest.migrations:
        last = max(manifest.migrations)
        raise RefusedError(f"The schema is not that of the backup: apply the migrations up to {last}, no further.")
    with conn.transaction():
        if conn.execute("SELECT to_regclass('app.restored_parts')").fetchall()[0][0] is None:
            for name in HAVE_ROWS:
                if has_rows(conn, name):
                    raise RefusedError(f"The database is in use: app.{name} has rows.")
            conn.execute("CREATE TABLE app.restored_parts (backup text NOT NULL, name text PRIMARY KEY)")
            conn.execute("INSERT INTO app.restored_parts VALUES (%s, '')", (manifest.id,))
        ((begun,),) = conn.execute("SELECT backup FROM app.restored_parts WHERE name = ''").fetchall()
    if begun != manifest.id:
        raise RefusedError(f"The database is half restored from {begun}: go on with that one, or take an empty one.")


def refuse_unknown(manifest: Manifest, tables: Collection[str], tenant: str) -> None:
    """Raises RefusedError unless the backup has them, before anything is written."""
    there = {part.relation.root for part in manifest.parts}
    if missing := sorted(set(tables) - there):
        raise RefusedError(f"The backup {manifest.id} has no table {', '.join(missing)}.")
    if tenant and not restore_load.has_tenant(manifest, tenant):
        raise RefusedError(f"The backup {manifest.id} has no tenant whose id is {tenant}.")


def has_rows(conn: Connection, name: str) -> bool:
    """Row-level security holds for the owner too, so its size tells."""
    sizes = """
        SELECT pg_relation_size(c.oid) + coalesce((
          SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t
        ), 0)
        FROM pg_class AS c WHERE c.oid = %s::regclass
    """
    return bool(conn.execute(sizes, (f"app.{name}",)).fetchall()[0][0])


def wanted(conn: Connection, manifest: Manifest, tables: Collection[str], tenant: str) -> list[Part]:
    needed = restore_load.with_referred(conn, tables)
    return [
        part
        for part in manifest.parts
        if (not tables or part.relation.root in needed) and (not tenant or restore_load.tenant_column(part))
    ]


def is_attached(conn: Connection, part: Part) -> bool:
    """Whether the partition was made by a migration, or by an earlier run that was killed after it."""
    name = f"app.{part.relation.name}"
    return conn.execute("SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relispartition", (name,)).rowcount == 1


def fill(url: str, manifest: Manifest, parts: Collection[Part], workers: int, choice: Choice) -> int:
    """Loads partitions, several at once, each worker with a connection of its own. The largest come first."""
    waiting = deque(sorted(parts, key=lambda part: -part.text_bytes))

    def work(_worker: int) -> int:
        rows = 0
        with connect(url) as conn:
            while waiting:
                try:
                    part = waiting.popleft()
                except IndexError:
                    break
                rows += restore_load.load(conn, manifest, part, choice)
        return rows

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(work, range(workers)))


def finish(conn: Connection, manifest: Manifest, parts: Collection[Part]) -> int:
    """What is no row. Returns how many erasures were replayed. Raises CatalogueError, StorageUnavailableError."""
    names = sorted(part.relation.name for part in parts)
    kept = receipts.kept()
    with conn.transaction():
        erasures = receipts.replay(conn, kept)
        continue_sequence(conn)
        break_seals(conn)
        conn.execute("DROP TABLE app.restored_parts")
        compare_catalogue(conn, manifest, names)
    for name in sorted({part.relation.root for part in parts}):
        conn.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("app", name)))
    return erasures


def continue_sequence(conn: Connection) -> None:
    """Changes are numbered on behind those that are archived: the schema has no other sequence."""
    conn.execute(
        """
        SELECT setval('app.row_history_seq', greatest(
          (SELECT s.last_value FROM app.row_history_seq AS s),
          (SELECT app.change_seq(f.last_id) FROM app.archive_files AS f WHERE f.source = 'row_history'
            ORDER BY f.last_id DESC LIMIT 1)
        ))
        """
    )


def break_seals(conn: Connection) -> None:
    """Restored partitions have no trigger that would notice a write: the job that archives seals them anew."""
    table = sql.Identifier("app", "sealed_partitions")
    restore_load.run(conn, "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", table)
    conn.execute("UPDATE app.sealed_partitions SET broken_at = now() WHERE broken_at IS NULL")
    restore_load.run(conn, "ALTER TABLE {} FORCE ROW LEVEL SECURITY", table)


def compare_catalogue(conn: Connection, manifest: Manifest, names: Collection[str]) -> None:
    """Raises CatalogueError, which names what differs."""
    was = {line for line in manifest.catalogue if is_about(line, names)}
    is_now = set(backup_catalogue.catalogue(conn, list(names)))
    different = [f"- {line}" for line in sorted(was - is_now)] + [f"+ {line}" for line in sorted(is_now - was)]
    if different:
        raise CatalogueError("Roles, grants or policies differ from the backup's:\n" + "\n".join(different))


def is_about(line: str, names: Collection[str]) -> bool:
    kind, name, *_ = line.split(" ")
    return kind == "role" or name in names
