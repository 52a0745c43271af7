"""Rows of a backup into tables: each relation in one transaction, which ends with what was read back compared.

As flo_owner. COPY FROM is refused where row-level security holds for the owner, and triggers would count what is
counted already: both are off within that transaction alone.
"""

from collections.abc import Callable, Generator, Iterable
from graphlib import TopologicalSorter
from typing import Any, cast

import psycopg
from psycopg import sql

from flomastr.database.connection import Connection
from flomastr.recovery import backup_copy, backup_verify
from flomastr.recovery.backup_copy import Tally
from flomastr.recovery.backup_manifest import DamagedError, Manifest, Part

type Rows = Generator[list[bytes]]
type Choice = Callable[[Part, Rows], Rows]  # which rows of a relation


class DifferentError(Exception):
    """What was read back from the restored table is not what was written to it."""


def everything(_part: Part, rows: Rows) -> Rows:
    """All rows of every relation."""
    return rows


def tenant_column(part: Part) -> str | None:
    """Which says whose a row is."""
    name = "id" if part.relation.name == "tenants" else "tenant_id"
    return name if name in part.relation.columns else None


def of_tenant(tenant: str) -> Choice:
    """The rows of one tenant, of tables that have a column for it."""

    def chosen(part: Part, rows: Rows) -> Rows:
        place, wanted = part.relation.columns.index(tenant_column(part) or ""), tenant.encode()
        for lines in rows:
            yield [line for line in lines if line.rstrip(b"\n").split(b"\t", place + 1)[place] == wanted]

    return chosen


def has_tenant(manifest: Manifest, tenant: str) -> bool:
    """Raises DamagedError, StorageUnavailableError."""
    part = next(part for part in manifest.parts if part.relation.name == "tenants")
    return sum(map(len, of_tenant(tenant)(part, backup_copy.lines_of(backup_copy.read(part, manifest))))) > 0


def load(conn: Connection, manifest: Manifest, part: Part, choice: Choice) -> int:
    """Restores one relation, unless an earlier run has. Returns how many rows.

    Raises DamagedError, DifferentError, StorageUnavailableError, psycopg.Error.
    """
    table = sql.Identifier("app", part.relation.name)
    try:
        with conn.transaction():
            if is_loaded(conn, part):
                return 0
            exists = conn.execute("SELECT to_regclass(%s)", (f"app.{part.relation.name}",)).fetchall()[0][0]
            rows = fill(conn, manifest, part, choice, table) if exists else make(conn, manifest, part, choice, table)
            loaded = "INSERT INTO app.restored_parts VALUES (%s, %s)"
            conn.execute(loaded, (manifest.id, part.relation.name))
            return rows
    except psycopg.DataError:
        backup_verify.check(manifest, part)  # rather say that the object is damaged than what Postgres makes of it
        raise


def is_loaded(conn: Connection, part: Part) -> bool:
    found = conn.execute("SELECT FROM app.restored_parts WHERE name = %s", (part.relation.name,))
    return found.rowcount == 1


def fill(conn: Connection, manifest: Manifest, part: Part, choice: Choice, table: sql.Identifier) -> int:
    """A table that there is. What the migrations wrote is in the backup as well."""
    ((secured, forced),) = conn.execute(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = to_regclass(%s)",
        (f"app.{part.relation.name}",),
    ).fetchall()
    run(conn, "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER", table)
    run(conn, "DELETE FROM {}", table)
    rows = copy(conn, manifest, part, choice, table)
    run(conn, "ALTER TABLE {} ENABLE TRIGGER USER", table)
    if secured and forced:
        run(conn, "ALTER TABLE {} FORCE ROW LEVEL SECURITY", table)
    return rows


def make(conn: Connection, manifest: Manifest, part: Part, choice: Choice, table: sql.Identifier) -> int:
    """A partition that there is not yet: it has no index while it is filled, and is attached later."""
    parent = sql.Identifier("app", part.relation.parent or "")
    statement = "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)"
    conn.execute(sql.SQL(statement).format(table, parent))
    rows = copy(conn, manifest, part, choice, table)
    run(conn, "ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", table)
    run(conn, "ALTER TABLE {} ALTER tenant_id SET (n_distinct = 100, n_distinct_inherited = 100)", table)
    return rows


def copy(conn: Connection, manifest: Manifest, part: Part, choice: Choice, table: sql.Identifier) -> int:
    """Raises DamagedError, DifferentError, StorageUnavailableError, psycopg.Error."""
    sent = Tally()
    columns = sql.SQL(", ").join(map(sql.Identifier, part.relation.columns))
    with conn.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)) as writer:
        for lines in choice(part, backup_copy.lines_of(backup_copy.read(part, manifest))):
            sent.add(lines)
            writer.write(b"".join(lines))
    if choice is everything and sent.of() != (part.rows, part.checksum):
        raise DamagedError(f"{part.key} has rows that the manifest does not name.")
    found = Tally()
    for lines in backup_copy.copied(conn, backup_copy.selection(part.relation, table)):
        found.add(lines)
    if found.of() != sent.of():
        raise DifferentError(f"app.{part.relation.name} is not what {part.key} has.")
    return sent.rows


def attach(conn: Connection, part: Part) -> None:
    """Makes a filled partition one of its parent, which gives it its indexes, keys and triggers."""
    names = sql.Identifier("app", part.relation.parent or ""), sql.Identifier("app", part.relation.name)
    bound = sql.SQL(cast(Any, part.relation.bound))  # as Postgres wrote it
    with conn.transaction():
        if conn.execute(
            "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relispartition", (f"app.{part.relation.name}",)
        ).rowcount:
            return
        for index in part.relation.indexes:
            conn.execute(cast(Any, index))
        conn.execute(sql.SQL("ALTER TABLE {} ATTACH PARTITION {} {}").format(*names, bound))


def run(conn: Connection, statement: str, table: sql.Identifier) -> None:
    """A statement about a table, which stands there as `{}`."""
    conn.execute(sql.SQL(cast(Any, statement)).format(table))


def references(conn: Connection) -> dict[str, set[str]]:
    """Which other tables the foreign keys of a table refer to."""
    pairs = conn.execute(
        """
        SELECT r.relname::text, array_agg(DISTINCT t.relname::text)
        FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid JOIN pg_class AS t ON t.oid = c.confrelid
        WHERE c.contype = 'f' AND c.conrelid <> c.confrelid AND r.relnamespace = 'app'::regnamespace
        GROUP BY r.relname
        """
    ).fetchall()
    return {name: set(targets) for name, targets in pairs}


def in_order(conn: Connection, parts: Iterable[Part]) -> list[Part]:
    """Each table after those that it refers to."""
    by_name = {part.relation.name: part for part in parts}
    referred = references(conn)
    graph = {name: referred.get(name, set()) for name in by_name}
    return [by_name[name] for name in TopologicalSorter(graph).static_order() if name in by_name]


def with_referred(conn: Connection, tables: Iterable[str]) -> set[str]:
    """These tables and all that they need."""
    referred, found, waiting = references(conn), set[str](), list(tables)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += referred.get(name, set())
    return found
