"""Migrations: each once, in order, whole or not at all, whatever interrupts them."""

import threading
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DivisionByZero, LockNotAvailable

from dev.services.postgres import Cluster
from flomastr.health import NEEDED_PGVECTOR
from flomastr.settings import settings
from schema import migrate as runner
from schema.migrate import MERGED, MigrationRefusedError, lambda_handler, migrate, read_functions, read_migrations
from tests.support.small_schema import (
    APPLIED,
    FILES,
    NAMES,
    answers,
    complete,
    folder_of,
    indexes,
    ledger,
    tables,
    write,
)

MIGRATIONS = [file.name for file in read_migrations()]
REAL = [*MIGRATIONS, *(f"functions/{file.name}" for file in read_functions())]


def test_the_schema_is_made_from_nothing_by_a_role_that_is_no_superuser_and_only_once(nothing: str) -> None:
    with psycopg.connect(nothing) as conn:
        role = conn.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()
        assert role == (False, False)
    assert migrate(nothing) == REAL
    assert ledger(nothing) == MIGRATIONS
    assert migrate(nothing) == []


def test_the_function_returns_what_it_applied(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", nothing)
    settings.cache_clear()
    try:
        assert lambda_handler({}, None) == {"applied": REAL}
        assert lambda_handler({"contract": False}, None) == {"applied": []}
    finally:
        settings.cache_clear()


def test_new_files_are_applied_after_those_that_were(nothing: str, folder: Path) -> None:
    assert migrate(nothing, folder) == APPLIED
    write(folder, "0005_last", "DROP TABLE app.more")
    (folder / "notes.txt").write_text("no migration")
    (folder / "migrations/notes.txt").write_text("nor here")
    (folder / "migrations/5_draft.sql").write_text("no migration either")
    assert migrate(nothing, folder) == ["0005_last"]
    assert complete(nothing) is False and ledger(nothing) == [*NAMES, "0005_last"]


CONTRACT = "-- migrate: contract\nDROP TABLE app.more;"


def test_what_running_code_may_need_is_taken_away_by_the_second_run(nothing: str, folder: Path) -> None:
    write(folder, "0005_fewer", CONTRACT)
    assert migrate(nothing, folder, contract=False) == APPLIED
    assert "more" in tables(nothing)
    assert migrate(nothing, folder, contract=False) == []
    assert migrate(nothing, folder) == ["0005_fewer"]
    assert "more" not in tables(nothing)


def test_what_takes_away_is_refused_before_what_new_code_needs(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    write(folder, "0005_fewer", CONTRACT)
    write(folder, "0006_needed", "CREATE TABLE app.needed (id integer);")
    with pytest.raises(MigrationRefusedError, match="what 0005_fewer takes away"):
        migrate(nothing, folder, contract=False)
    assert ledger(nothing) == NAMES
    assert migrate(nothing, folder) == ["0005_fewer", "0006_needed"]


def test_what_a_file_makes_belongs_to_the_owner_and_not_to_the_login(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    owner = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('things', 'things_id', 'more')"
    assert answers(nothing, owner) == ["flo_owner"]


def test_a_changed_a_missing_and_a_belated_file_are_refused_and_nothing_is_applied(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    write(folder, "0005_pending", "CREATE TABLE app.pending ()")
    write(folder, "0002_things", "CREATE TABLE app.things (id bigint)")
    with pytest.raises(
        MigrationRefusedError, match=r"^Changed after it was applied: 0002_things\. Restore it, add a new file\.$"
    ):
        migrate(nothing, folder)
    (folder / "migrations/0002_things.sql").unlink()
    with pytest.raises(
        MigrationRefusedError, match=r"^Applied before, but no longer here: 0002_things\. Deploy the newer code\.$"
    ):
        migrate(nothing, folder)
    write(folder, "0002_things", FILES["0002_things"])
    write(folder, "0003_belated", "CREATE TABLE app.belated ()")
    with pytest.raises(
        MigrationRefusedError, match=r"^0003_belated comes before 0004_more, which is applied\. Renumber it\.$"
    ):
        migrate(nothing, folder)
    assert complete(nothing)
    assert tables(nothing) == ["more", "schema_functions", "schema_migrations", "things"]


def test_over_a_database_of_the_version_before_the_message_says_what_to_do(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    with psycopg.connect(nothing) as conn:
        conn.execute("INSERT INTO app.schema_migrations (name, sha256) VALUES (%s, '')", (MERGED,))
    with pytest.raises(
        MigrationRefusedError, match=r"^This database was made by an earlier version, .*: start with an empty one"
    ):
        migrate(nothing, folder)


def test_a_file_that_fails_leaves_nothing_behind_and_those_before_it_stay(nothing: str, folder: Path) -> None:
    write(folder, "0004_more", "CREATE TABLE app.more (id integer); SELECT 1 / 0;")
    with pytest.raises(DivisionByZero):
        migrate(nothing, folder)
    assert ledger(nothing) == NAMES[:3]
    assert tables(nothing) == ["schema_functions", "schema_migrations", "things"]
    write(folder, "0004_more", FILES["0004_more"])
    assert migrate(nothing, folder) == APPLIED[3:]


def test_an_index_of_a_partitioned_table_that_still_waits_for_its_parts_is_left_alone(
    nothing: str, folder: Path
) -> None:
    parted = "CREATE TABLE app.parted (id integer) PARTITION BY RANGE (id);"
    part = "CREATE TABLE app.part PARTITION OF app.parted DEFAULT; CREATE INDEX parted_id ON ONLY app.parted (id);"
    write(folder, "0005_parted", parted + part)
    write(
        folder,
        "0006_part",
        "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS part_id ON app.part (id)",
    )
    write(folder, "0007_attached", "ALTER INDEX app.parted_id ATTACH PARTITION app.part_id")
    assert migrate(nothing, folder)[4:7] == ["0005_parted", "0006_part", "0007_attached"]
    assert "app.parted_id" in indexes(nothing)


def test_of_two_at_once_each_applies_what_the_other_does_not(nothing: str, folder: Path) -> None:
    for name in NAMES[1:]:
        if "no-transaction" not in FILES[name]:
            write(folder, name, FILES[name] + "; SELECT pg_sleep(0.1)")
    applied: list[str] = []
    threads = [threading.Thread(target=lambda: applied.extend(migrate(nothing, folder))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == APPLIED
    assert complete(nothing)


def test_it_waits_shortly_for_a_lock_and_tries_again_until_it_gets_it(
    nothing: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(nothing, folder_of(folder, NAMES[:2]))
    for name in ("LOCK_TIMEOUT", "INDEX_LOCK_TIMEOUT"):
        monkeypatch.setattr(runner, name, "50ms")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            holder.rollback()

    monkeypatch.setattr(runner.time, "sleep", pause)
    with psycopg.connect(nothing) as holder:
        holder.execute("LOCK TABLE app.things")
        assert migrate(nothing, folder) == APPLIED[2:]
    assert len(pauses) == 3
    assert complete(nothing)


def test_it_gives_up_on_a_lock_that_is_never_free_and_leaves_no_trace(
    nothing: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(nothing, folder_of(folder, NAMES[:3]))
    monkeypatch.setattr(runner, "LOCK_TIMEOUT", "10ms")
    pauses: list[float] = []
    monkeypatch.setattr(runner.time, "sleep", pauses.append)
    with psycopg.connect(nothing) as holder:
        holder.execute("LOCK TABLE app.things")
        with pytest.raises(LockNotAvailable):
            migrate(nothing, folder)
    assert ledger(nothing) == NAMES[:3]


def test_an_index_waits_for_those_who_read_for_longer_than_a_migration_would(
    nothing: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits behind it meanwhile, so it is not begun anew."""
    migrate(nothing, folder_of(folder, NAMES[:2]))
    monkeypatch.setattr(runner, "LOCK_TIMEOUT", "50ms")
    with psycopg.connect(nothing) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM app.things LIMIT 1")
        end = threading.Timer(1.0, reader.rollback)
        end.start()
        monkeypatch.setattr(runner, "ATTEMPTS", 1)
        assert migrate(nothing, folder) == APPLIED[2:]
        end.join()
    assert complete(nothing)


def test_an_old_pgvector_is_refused_with_what_to_run(server: Cluster, nothing: str) -> None:
    """The version is what the catalogue says, so it can be made older."""
    database = conninfo_to_dict(nothing)["dbname"]
    with psycopg.connect(server.url("postgres", str(database)), autocommit=True) as conn:
        conn.execute("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
        with pytest.raises(
            MigrationRefusedError,
            match=r"^pgvector 0\.7\.4 or later is needed, .* has 0\.6\.2\. .* ALTER EXTENSION vector UPDATE",
        ):
            migrate(nothing)
        assert conn.execute("SELECT to_regnamespace('app')").fetchall() == [(None,)]
        conn.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    assert migrate(nothing) == REAL


@pytest.mark.parametrize(
    ("version", "is_taken"), [(None, False), ("0.7.3", False), ("0.7.4", True), ("0.8.5", True), ("0.10.0", True)]
)
def test_versions_are_compared_as_numbers(version: str | None, is_taken: bool) -> None:
    assert runner.is_enough(version) is is_taken
    assert runner.PGVECTOR == NEEDED_PGVECTOR
