"""Brings a database to the schema of this folder, which is also a Lambda.

First every migrations/NNNN_noun.sql that is pending, once, in order: tables, policies, triggers and what they call.
Then every functions/noun.sql that has changed, all in one transaction: CREATE OR REPLACE, so that a file may be applied
any number of times. A migration calls no function of functions/, which a new database does not have yet.

A migration runs in one transaction as flo_owner, together with its row in the ledger. Directives, each on its own line:
    -- migrate: as-login-role     as the role that connected (roles, extensions)
    -- migrate: no-transaction    one statement that forbids one and may be repeated (CREATE INDEX CONCURRENTLY)
    -- migrate: contract          takes away what the code before may need: a deployment applies it after its code
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
from psycopg.errors import DeadlockDetected, LockNotAvailable

FOLDER = Path(__file__).parent
ATTEMPTS = 60  # with the pauses between them two minutes and a half
LOCK_TIMEOUT = "500ms"  # requests wait behind a migration that waits, and give up after two seconds
INDEX_LOCK_TIMEOUT = "5min"  # nobody waits behind CREATE INDEX CONCURRENTLY, which waits for all who read
PATIENCE = "SELECT set_config('lock_timeout', %s, false)"
PGVECTOR = (0, 7, 4)  # that the files need, as NEEDED_PGVECTOR of flomastr/health.py says
MERGED = "0004_gate"  # of the migrations that were merged into these: every older database has it

LEDGER = """
CREATE SCHEMA IF NOT EXISTS app;
CREATE TABLE IF NOT EXISTS app.schema_migrations (
  name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS app.schema_functions (
  name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
"""

type Connection = psycopg.Connection[tuple[Any, ...]]


class MigrationRefusedError(Exception):
    """The database and the files disagree."""


@dataclass(frozen=True)
class File:
    name: str
    text: LiteralString

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    @property
    def directives(self) -> list[str]:
        return re.findall(r"^-- migrate: ([\w-]+)", self.text, re.MULTILINE)

    @property
    def defined(self) -> list[str]:
        """The functions and procedures that it makes."""
        return re.findall(
            r"^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|AGGREGATE) app\.(\w+)", self.text, re.MULTILINE
        )


def read_migrations(folder: Path = FOLDER) -> list[File]:
    return read_files(folder / "migrations", "[0-9][0-9][0-9][0-9]_*.sql")


def read_functions(folder: Path = FOLDER) -> list[File]:
    return read_files(folder / "functions", "*.sql")


def read_files(folder: Path, pattern: str) -> list[File]:
    # reviewed files of this folder, no input of anybody's
    return [File(path.stem, cast(LiteralString, path.read_text())) for path in sorted(folder.glob(pattern))]


def migrate(url: str, folder: Path = FOLDER, last: str = "", contract: bool = True) -> list[str]:
    """Applies what is pending or has changed and returns the files' names. May be killed anywhere and run again.

    Without `contract`, the last migrations that have this directive wait. `last` is for a backup that is restored: no
    migration after that one, and no functions, which may need later ones.
    """
    migrations = [file for file in read_migrations(folder) if not last or file.name <= last]
    functions = read_functions(folder)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        conn.execute(PATIENCE, (LOCK_TIMEOUT,))
        conn.execute("SET client_connection_check_interval = '1s'")  # else a killed run's statement keeps the lock
        retrying_lock(lambda: keep_others_out(conn))
        refuse_old_pgvector(conn)
        conn.execute(LEDGER)
        pending = find_pending(conn, migrations)
        pending = pending if contract else without_contract(pending)
        for migration in pending:
            retrying_lock(lambda migration=migration: apply(conn, migration))
        if last:
            return [file.name for file in pending]
        changed = find_changed(conn, functions)
        retrying_lock(lambda: replace(conn, changed, functions, migrations))
    return [*(file.name for file in pending), *(f"functions/{file.name}" for file in changed)]


def keep_others_out(conn: Connection) -> None:
    """Asks and does not wait: CREATE INDEX CONCURRENTLY waits for statements that wait, and neither would end."""
    (kept_out,) = conn.execute("SELECT pg_try_advisory_lock(hashtextextended('flomastr.migrate', 0))").fetchall()[0]
    if not kept_out:
        raise LockNotAvailable("Another run is migrating this database. Run again when it has ended.")


def refuse_old_pgvector(conn: Connection) -> None:
    """Before anything is made: what is there, or what CREATE EXTENSION would make. Raises MigrationRefusedError."""
    ((installed, offered),) = conn.execute(
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),"
        " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')"
    ).fetchall()
    if is_enough(installed or offered):
        return
    needed = f"pgvector {'.'.join(map(str, PGVECTOR))} or later is needed"
    if installed and is_enough(offered):
        raise MigrationRefusedError(
            f"{needed}, and this database has {installed}. As the role that owns the extension (doadmin), run"
            f" ALTER EXTENSION vector UPDATE, which brings {offered}; then run this again."
        )
    raise MigrationRefusedError(f"{needed}, and this server offers {offered or 'none'}: choose another server.")


def is_enough(version: str | None) -> bool:
    return version is not None and tuple(int(part) for part in version.split(".")) >= PGVECTOR


def find_pending(conn: Connection, migrations: list[File]) -> list[File]:
    """What the ledger lacks. Raises MigrationRefusedError when what it has is not what the files say."""
    applied = dict(conn.execute("SELECT name, sha256 FROM app.schema_migrations").fetchall())
    files = {migration.name: migration for migration in migrations}
    missing = sorted(applied.keys() - files.keys())
    if MERGED in missing:
        raise MigrationRefusedError(
            "This database was made by an earlier version, whose migrations were merged: start with an empty one"
            " (after make run: move .local away and start again)."
        )
    if missing:
        raise MigrationRefusedError(f"Applied before, but no longer here: {', '.join(missing)}. Deploy the newer code.")
    if changed := [name for name, digest in sorted(applied.items()) if files[name].sha256 != digest]:
        raise MigrationRefusedError(f"Changed after it was applied: {', '.join(changed)}. Restore it, add a new file.")
    pending = [migration for migration in migrations if migration.name not in applied]
    if applied and pending and pending[0].name < max(applied):
        raise MigrationRefusedError(f"{pending[0].name} comes before {max(applied)}, which is applied. Renumber it.")
    return pending


def without_contract(pending: list[File]) -> list[File]:
    """What code of before can live with. Raises MigrationRefusedError when what it cannot has to come first."""
    end = max((place for place, file in enumerate(pending, 1) if "contract" not in file.directives), default=0)
    if early := [file.name for file in pending[:end] if "contract" in file.directives]:
        raise MigrationRefusedError(
            f"Running code may need what {early[-1]} takes away. Deploy the version of it first."
        )
    return pending[:end]


def find_changed(conn: Connection, functions: list[File]) -> list[File]:
    applied = dict(conn.execute("SELECT name, sha256 FROM app.schema_functions").fetchall())
    return [file for file in functions if applied.get(file.name) != file.sha256]


def retrying_lock(step: Callable[[], object]) -> None:
    """Takes a step again when it could not get its locks: a short wait each time, so that no queue forms behind it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            step()
            return
        except (LockNotAvailable, DeadlockDetected):
            if attempt == ATTEMPTS:
                raise
            time.sleep(min(attempt * 0.25, 2.0))


def apply(conn: Connection, migration: File) -> None:
    if "no-transaction" in migration.directives:
        apply_alone(conn, migration)
        return
    with conn.transaction():
        record(conn, migration)
        if "as-login-role" not in migration.directives:
            conn.execute("SET LOCAL ROLE flo_owner")
        conn.execute(migration.text)


def apply_alone(conn: Connection, migration: File) -> None:
    """Killed before the ledger has it, it runs again: an index that was left half built goes first."""
    conn.execute(PATIENCE, (INDEX_LOCK_TIMEOUT,))
    conn.execute("SET ROLE flo_owner")
    for (index,) in conn.execute(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = 'app'::regnamespace"
    ).fetchall():
        conn.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.SQL(index)))
    conn.execute(migration.text)
    conn.execute("RESET ROLE")
    conn.execute(PATIENCE, (LOCK_TIMEOUT,))
    record(conn, migration)


def record(conn: Connection, migration: File) -> None:
    conn.execute("INSERT INTO app.schema_migrations (name, sha256) VALUES (%s, %s)", (migration.name, migration.sha256))


def replace(conn: Connection, changed: list[File], functions: list[File], migrations: list[File]) -> None:
    """Whole or not at all, so that functions which call each other are of one version."""
    with conn.transaction():
        record_functions(conn, changed, functions)
        conn.execute("SET LOCAL ROLE flo_owner")
        conn.execute("SET LOCAL check_function_bodies = off")  # a body may call what comes later
        for file in changed:
            conn.execute(file.text)
        refuse_undefined(conn, [name for file in (*migrations, *functions) for name in file.defined])


def record_functions(conn: Connection, changed: list[File], functions: list[File]) -> None:
    """A file that is gone is forgotten: whether its functions are gone too is asked of them."""
    conn.execute("DELETE FROM app.schema_functions WHERE name <> ALL (%s)", ([file.name for file in functions],))
    conn.cursor().executemany(
        "INSERT INTO app.schema_functions (name, sha256) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()",
        [(file.name, file.sha256) for file in changed],
    )


def refuse_undefined(conn: Connection, defined: list[str]) -> None:
    """A function that no file makes any more, and one that was left behind when its parameters changed."""
    others = """
      SELECT proname FROM pg_proc WHERE pronamespace = 'app'::regnamespace
      GROUP BY proname HAVING count(*) > 1 OR proname <> ALL (%s) ORDER BY proname
    """
    if names := ", ".join(f"app.{name}" for (name,) in conn.execute(others, (defined,)).fetchall()):
        reason = "No file defines this any more, or not with these parameters"
        raise MigrationRefusedError(f"{reason}: {names}. Drop it in a migration.")


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, list[str]]:
    """Invoked by a deployment. `last` and `contract` are as in `migrate`, `secret` is of a database to restore into."""
    from flomastr.settings import database_url, target_url

    url = target_url(event["secret"]) if event.get("secret") else database_url()
    return {"applied": migrate(url, last=event.get("last", ""), contract=event.get("contract", True))}
