"""A small schema in four migrations, one of each kind, and two files of functions; and what a database shows of it."""

from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from schema.migrate import FOLDER

ROLES = (FOLDER / "migrations/0001_roles.sql").read_text()
FILES = {
    "0001_roles": ROLES,
    "0002_things": "CREATE TABLE app.things (id integer); INSERT INTO app.things SELECT generate_series(1, 100);",
    "0003_index": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_id ON app.things (id);",
    "0004_more": "INSERT INTO app.things VALUES (101); CREATE TABLE app.more (id integer);",
}
NAMES = list(FILES)
FUNCTIONS = {
    "answers": "CREATE OR REPLACE FUNCTION app.answer() RETURNS integer LANGUAGE sql AS 'SELECT app.number() + 1';",
    "numbers": "CREATE OR REPLACE FUNCTION app.number() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
}
APPLIED = [*NAMES, *(f"functions/{name}" for name in FUNCTIONS)]


def write(folder: Path, name: str, text: str) -> None:
    """A migration where the name is numbered, else a file of functions."""
    path = folder / ("migrations" if name[0].isdigit() else "functions") / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def answers(url: str, question: LiteralString) -> list[Any]:
    with psycopg.connect(url, autocommit=True, row_factory=scalar_row) as conn:
        return conn.execute(question).fetchall()


def ledger(url: str) -> list[str]:
    return answers(url, "SELECT name FROM app.schema_migrations ORDER BY name")


def tables(url: str) -> list[str]:
    return answers(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'app' ORDER BY 1")


def indexes(url: str) -> list[str]:
    return answers(
        url,
        "SELECT indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END"
        " FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE relnamespace = 'app'::regnamespace AND relname NOT LIKE 'schema_%'",
    )


def complete(url: str) -> bool:
    counted = answers(url, "SELECT count(*) FROM app.things")
    answered = answers(url, "SELECT app.answer()")
    return (ledger(url), counted, indexes(url), answered) == (NAMES, [101], ["app.things_id"], [2])


def folder_of(folder: Path, names: list[str]) -> Path:
    part = folder / "part"
    part.mkdir()
    for name in names:
        write(part, name, FILES[name])
    return part
