"""Brings a database to the schema of this folder: every NNNN_name.sql once, in order. The folder is also a Lambda.

A file runs in one transaction as flo_owner, together with its row in the ledger. Directives, each on its own line:
    -- migrate: as-login-role     as the role that connected (roles, extensions)
    -- migrate: no-transaction    one statement that forbids a transaction (CREATE INDEX CONCURRENTLY IF NOT EXISTS:
                                  a run that was killed may have built it and not recorded it)
Connect directly and not through a transaction pool: the lock that keeps two runs apart belongs to the session.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.errors import LockNotAvailable

FOLDER = Path(__file__).parent
ATTEMPTS = 20
LOCK_TIMEOUT = "2s"

LEDGER = """
CREATE SCHEMA IF NOT EXISTS app;
CREATE TABLE IF NOT EXISTS app.schema_migrations (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
"""

type Connection = psycopg.Connection[tuple[Any, ...]]


class MigrationRefused(Exception):
    """The database and the files disagree."""


@dataclass(frozen=True)
class Migration:
    name: str
    text: LiteralString
    directives: frozenset[str]

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    return [read_migration(path) for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))]


def read_migration(path: Path) -> Migration:
    text = cast(LiteralString, path.read_text())  # reviewed files of this folder, no input of anybody's
    return Migration(path.stem, text, frozenset(re.findall(r"^-- migrate: ([\w-]+)", text, re.MULTILINE)))


def migrate(url: str, folder: Path = FOLDER) -> list[str]:
    """Applies what is pending and returns its names. May be killed anywhere and run again."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        conn.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_TIMEOUT,))
        conn.execute("SET client_connection_check_interval = '1s'")  # else a killed run's statement keeps the lock
        patiently(lambda: keep_others_out(conn))
        conn.execute(LEDGER)
        pending = find_pending(conn, read_migrations(folder))
        for migration in pending:
            patiently(lambda migration=migration: apply(conn, migration))
    return [migration.name for migration in pending]


def keep_others_out(conn: Connection) -> None:
    """Asks and does not wait: CREATE INDEX CONCURRENTLY waits for statements that wait, and neither would end."""
    (kept_out,) = conn.execute("SELECT pg_try_advisory_lock(hashtextextended('flomastr.migrate', 0))").fetchall()[0]
    if not kept_out:
        raise LockNotAvailable("Another run is migrating this database. Run again when it has ended.")


def find_pending(conn: Connection, migrations: list[Migration]) -> list[Migration]:
    """What the ledger lacks. Raises MigrationRefused when what it has is not what the files say."""
    applied = dict(conn.execute("SELECT name, sha256 FROM app.schema_migrations").fetchall())
    files = {migration.name: migration for migration in migrations}
    if missing := sorted(applied.keys() - files.keys()):
        raise MigrationRefused(f"Applied before, but no longer here: {', '.join(missing)}. Deploy the newer code.")
    if changed := [name for name, digest in sorted(applied.items()) if files[name].sha256 != digest]:
        raise MigrationRefused(f"Changed after it was applied: {', '.join(changed)}. Restore it, add a new file.")
    pending = [migration for migration in migrations if migration.name not in applied]
    if applied and pending and pending[0].name < max(applied):
        raise MigrationRefused(f"{pending[0].name} comes before {max(applied)}, which is applied. Renumber it.")
    return pending


def patiently(step: Callable[[], object]) -> None:
    """Takes a step again when it could not get its lock: a short wait each time, so that no queue forms behind it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            step()
        except LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(min(attempt * 0.25, 2.0))
        else:
            return


def apply(conn: Connection, migration: Migration) -> None:
    if "no-transaction" in migration.directives:
        apply_alone(conn, migration)
        return
    with conn.transaction():
        record(conn, migration)
        if "as-login-role" not in migration.directives:
            conn.execute("SET LOCAL ROLE flo_owner")
        conn.execute(migration.text)


def apply_alone(conn: Connection, migration: Migration) -> None:
    """Killed before the ledger has it, it runs again: an index that was left half built goes first."""
    conn.execute("SET ROLE flo_owner")
    for (index,) in conn.execute(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = 'app'::regnamespace"
    ).fetchall():
        conn.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.SQL(index)))
    conn.execute(migration.text)
    conn.execute("RESET ROLE")
    record(conn, migration)


def record(conn: Connection, migration: Migration) -> None:
    conn.execute("INSERT INTO app.schema_migrations (name, sha256) VALUES (%s, %s)", (migration.name, migration.sha256))


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, list[str]]:
    """Invoked by the deployment before the code that needs the new schema goes live."""
    from flomastr.settings import database_url

    return {"applied": migrate(database_url())}
