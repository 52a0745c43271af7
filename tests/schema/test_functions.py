"""Functions of SQL: one definition each, applied again when it changes, all of one version."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import DivisionByZero

from dev.docs.schema import CURRENT, printed
from dev.services.postgres import Cluster
from schema.migrate import MigrationRefusedError, migrate, read_functions, read_migrations
from tests.support.small_schema import APPLIED, FUNCTIONS, answers, complete, write

ROOT = Path(__file__).parents[2]
PRODUCT = [ROOT / name for name in ("schema", "layers", "functions", "dev")]
DEFINITION = re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE|AGGREGATE)\s+app\.(\w+)", re.IGNORECASE)
# what runs only when the function is called
BODY = re.compile(r"(?<=\nAS )\$\$.*?\$\$|--[^\n]*", re.DOTALL)
DROP = re.compile(r"DROP\s+FUNCTION\s+IF\s+EXISTS\s+app\.\w+", re.IGNORECASE)

TWO = FUNCTIONS["numbers"].replace("SELECT 1", "SELECT 2")
WHEN = "SELECT applied_at FROM app.schema_functions ORDER BY name"


def definitions(*folders: Path) -> Counter[str]:
    """How often the files of these folders define each function, in SQL or in Python."""
    files = [path for folder in folders for path in folder.rglob("*.*")]
    texts = (path.read_text() for path in files if path.suffix in {".sql", ".py"} and path.name != CURRENT.name)
    return Counter(name for text in texts for name in DEFINITION.findall(text))


def called(migration: str) -> set[str]:
    """What a migration looks for in the schema while it is applied."""
    return set(re.findall(r"\bapp\.(\w+)", DROP.sub("", BODY.sub("", migration))))


def test_each_function_has_one_definition_in_the_whole_repository(superuser: psycopg.Connection[Any]) -> None:
    named = superuser.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'app'::regnamespace").fetchall()
    assert definitions(*PRODUCT) == Counter(name for (name,) in named)
    assert definitions(ROOT / "tests").keys() & {name for (name,) in named} == set()


@pytest.mark.parametrize("again", ["create function app.number(", "CREATE OR REPLACE\n  FUNCTION app.number ("])
def test_a_function_that_is_defined_twice_is_found(tmp_path: Path, again: str) -> None:
    write(tmp_path / "schema", "numbers", FUNCTIONS["numbers"])
    assert definitions(tmp_path / "schema") == {"number": 1}
    write(tmp_path / "schema", "0002_more", again)
    assert definitions(tmp_path / "schema") == {"number": 2}


def test_no_migration_calls_a_function_that_a_new_database_does_not_have_yet() -> None:
    later = {name for file in read_functions() for name in file.defined}
    assert {file.name: found for file in read_migrations() if (found := called(file.text) & later)} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT app.number();", {"number"}),
        ("CREATE FUNCTION app.other() RETURNS integer\nLANGUAGE sql\nRETURN app.number();", {"other", "number"}),
        ("CREATE FUNCTION app.other() RETURNS integer\nLANGUAGE sql\nAS $$ SELECT app.number() $$;", {"other"}),
        ("DO $$ BEGIN EXECUTE 'SELECT app.number()'; END $$;", {"number"}),
        ("-- app.number\nSELECT 1;", set[str]()),
        ("DROP FUNCTION IF EXISTS app.number(integer);", set[str]()),
        ("DROP FUNCTION app.number(integer);", {"number"}),
    ],
)
def test_what_a_migration_calls_is_found(text: str, found: set[str]) -> None:
    assert called(text) == found


def test_a_changed_file_is_applied_by_the_next_run_alone(nothing: str, folder: Path) -> None:
    assert migrate(nothing, folder) == APPLIED
    first = answers(nothing, WHEN)
    write(folder, "numbers", TWO)
    assert migrate(nothing, folder) == ["functions/numbers"]
    assert answers(nothing, "SELECT app.answer()") == [3]
    then = answers(nothing, WHEN)
    assert then[0] == first[0] and then[1] > first[1]
    assert migrate(nothing, folder) == []


def test_where_one_file_fails_all_functions_stay_as_they_were(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    before = answers(nothing, WHEN)
    write(folder, "numbers", TWO)
    write(folder, "zeros", "SELECT 1 / 0;")
    with pytest.raises(DivisionByZero):
        migrate(nothing, folder)
    assert complete(nothing)
    assert answers(nothing, WHEN) == before


def test_a_function_that_no_file_defines_any_more_is_refused_until_a_migration_drops_it(
    nothing: str, folder: Path
) -> None:
    migrate(nothing, folder)
    (folder / "functions/numbers.sql").unlink()
    write(folder, "answers", FUNCTIONS["answers"].replace("app.number()", "41"))
    with pytest.raises(MigrationRefusedError, match=r"app\.number\. Drop it in a migration\.$"):
        migrate(nothing, folder)
    assert complete(nothing)
    write(folder, "0005_number", "DROP FUNCTION app.number")
    assert migrate(nothing, folder) == ["0005_number", "functions/answers"]
    assert answers(nothing, "SELECT app.answer()") == [42]
    assert answers(nothing, "SELECT name FROM app.schema_functions") == ["answers"]


def test_a_function_may_move_to_another_file(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    (folder / "functions/numbers.sql").unlink()
    write(folder, "counting", FUNCTIONS["numbers"])
    assert migrate(nothing, folder) == ["functions/counting"]
    assert complete(nothing)


def test_parameters_that_change_leave_no_other_function_of_that_name_behind(nothing: str, folder: Path) -> None:
    migrate(nothing, folder)
    write(folder, "numbers", TWO.replace("number()", "number(scale integer DEFAULT 1)"))
    with pytest.raises(MigrationRefusedError, match=r"not with these parameters: app\.number\. Drop it"):
        migrate(nothing, folder)
    assert complete(nothing)
    write(folder, "0005_number", "DROP FUNCTION app.number()")
    assert migrate(nothing, folder) == ["0005_number", "functions/numbers"]
    assert answers(nothing, "SELECT app.answer()") == [3]


def test_every_body_refers_to_what_there_is_and_to_apply_it_again_changes_nothing(
    server: Cluster, scratch: str
) -> None:
    before = printed(server, scratch)
    with psycopg.connect(server.url("flomastr_admin", scratch)) as conn:
        conn.execute("SET ROLE flo_owner")
        for file in read_functions():
            conn.execute(file.text)
    assert printed(server, scratch) == before
