"""Migrations that are killed: run again, they complete, wherever it was."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from schema.migrate import FOLDER, migrate, read_migrations
from tests.support.clock import HANGS
from tests.support.small_schema import APPLIED, FUNCTIONS, NAMES, answers, complete, folder_of, indexes, ledger, write

ROOT = Path(__file__).parents[2]
REAL = [file.name for file in read_migrations()]
STATEMENTS = [15 if "no-transaction" in file.directives else 11 for file in read_migrations()]

# Ends the process as SIGKILL does, when its n-th statement has been answered.
KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from schema.migrate import migrate

url, folder, left = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
execute = psycopg.Connection.execute

def counted(*args, **kwargs):
    global left
    answer = execute(*args, **kwargs)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

psycopg.Connection.execute = counted
migrate(url, folder)
"""


def start(url: str, folder: Path, statements: int = -1) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", KILLED, url, str(folder), str(statements)], cwd=ROOT)


def test_killed_after_any_statement_it_completes_when_it_runs_again(nothing: str, folder: Path) -> None:
    kills = 0
    while start(nothing, folder, kills + 1).wait() == -signal.SIGKILL:
        kills += 1
        migrate(nothing, folder)
        assert complete(nothing), kills
        with psycopg.connect(nothing) as conn:
            conn.execute("DROP SCHEMA app CASCADE")
    assert complete(nothing)
    assert kills >= 3 * len(NAMES)


def test_killed_in_each_migration_of_the_real_schema_it_completes(
    nothing: str, superuser: psycopg.Connection[Any]
) -> None:
    kills = 0
    applied: list[str] = []
    while applied != REAL:  # after one migration has been applied, within the next or within the functions
        assert start(nothing, FOLDER, STATEMENTS[len(applied)]).wait() == -signal.SIGKILL
        kills += 1
        before, applied = applied, ledger(nothing)
        assert applied > before
    assert kills >= len(REAL) - 3  # a file that runs as the login role is a statement shorter: the next one ends too
    migrate(nothing)
    counted: LiteralString = "SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace"
    assert answers(nothing, counted) == [row[0] for row in superuser.execute(counted)]


@pytest.mark.parametrize("name", NAMES)
def test_killed_within_a_migration_it_completes_when_it_runs_again(nothing: str, folder: Path, name: str) -> None:
    migration = folder / "migrations" / f"{name}.sql"
    text = migration.read_text()
    done = NAMES[: NAMES.index(name)]
    if "no-transaction" in text:
        migrate(nothing, folder_of(folder, done))
        half_built(nothing)
    else:
        migration.write_text(text + "; SELECT pg_sleep(60)")
        run = start(nothing, folder)
        await_sleep(nothing)
        run.kill()
        run.wait()
        migration.write_text(text)
    assert migrate(nothing, folder) == APPLIED[len(done) :]
    assert complete(nothing)


def test_killed_while_functions_are_replaced_it_leaves_the_old_set_whole(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    write(folder, "answers", FUNCTIONS["answers"].replace("+ 1", "+ 10"))
    write(folder, "numbers", FUNCTIONS["numbers"].replace("SELECT 1", "SELECT 2"))
    kills = 0
    while start(nothing, folder, kills + 1).wait() == -signal.SIGKILL:
        kills += 1
        assert complete(nothing), kills
    assert answers(nothing, "SELECT app.answer()") == [12]
    assert kills >= 10


def await_sleep(url: str) -> None:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    deadline = time.monotonic() + HANGS
    while answers(url, asked) == [0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def half_built(url: str) -> None:
    """What is left when the building of the index is broken off: an index that is there and not valid."""
    with psycopg.connect(url, autocommit=True) as reader, psycopg.connect(url, autocommit=True) as builder:
        reader.execute("SET ROLE flo_owner")
        builder.execute("SET ROLE flo_owner; SET lock_timeout = '50ms'")
        with reader.transaction():
            reader.execute("UPDATE app.things SET id = id WHERE id = 1")
            with pytest.raises(LockNotAvailable):
                builder.execute("CREATE INDEX CONCURRENTLY things_id ON app.things (id)")
    assert indexes(url) == ["app.things_id (invalid)"]
