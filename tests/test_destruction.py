"""Whatever deletes honours legal holds: what destroys is on a table that keeps the held, or is known.

A new statement or table fails until somebody has decided: see tests/support/allowed_deletes.py.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from tests.support.allowed_deletes import KNOWN, NO_CONTENT, NOT_KEPT
from tests.support.cross_tenant import stored
from tests.support.factories import Factory, Tenant, archived_file, new_id
from tests.support.full_tenant import full_tenant

ROOT = Path(__file__).parents[1]

type Connection = psycopg.Connection[Any]

DESTROYS = re.compile(
    r"(DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?\b|DROP\s+(?:TABLE|SCHEMA|DATABASE)|DETACH\s+PARTITION|THEN\s+DELETE(?!\s+FROM))"
    r"(?:\s+(?:ONLY|IF\s+EXISTS))*\s*([\w.%{}]*)|('app\.(?:moving|merging)',\s*'on')",
    re.IGNORECASE,
)
REPLACES = re.compile(
    r"(?<!FOR )(?<!KEY )(?<!BEFORE )(?<!AFTER )UPDATE\s+(?:ONLY\s+)?(app\.\w+|\{\w*\})"
    r"|(?:INSERT|MERGE)\s+INTO\s+(app\.\w+|\{\w*\})(?:(?!\bINSERT\s+INTO\b|;).)*?\b(?:DO|THEN)\s+UPDATE\b",
    re.IGNORECASE | re.DOTALL,
)
OF_OBJECTS = {"remove", "erase"}

KEEPS = """
SELECT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE t.tgfoid = 'app.keep_held'::regproc AND t.tgenabled = 'O' AND t.tgtype & 11 = 11 AND NOT c.relispartition
"""  # 11: for each row, before, DELETE
GROWS = """
SELECT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE t.tgfoid IN ('app.keep_held_values'::regproc, 'app.keep_held_content'::regproc)
  AND t.tgenabled = 'O' AND t.tgtype & 19 = 19 AND NOT c.relispartition
"""  # 19: for each row, before, UPDATE
ISOLATED = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'tenant'"
CASCADES = """
SELECT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') AND conparentid = 0 AND connamespace = 'app'::regnamespace
"""


def statements(text: str) -> Iterator[str]:
    """What destroys in an SQL text."""
    for found in DESTROYS.finditer(re.sub(r"--.*", "", text)):
        verb, table, moving = found.groups()
        yield moving or " ".join([*verb.upper().split(), table])


def replacing(text: str) -> Iterator[str]:
    """The tables whose rows an SQL text changes."""
    for found in REPLACES.finditer(re.sub(r"--.*", "", text)):
        yield found[1] or found[2]


def in_python(text: str) -> Iterator[str]:
    """In its constants, and as calls that delete objects."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(constant)):
                yield from statements(constant)
            case ast.Attribute(value=ast.Name(id="object_storage"), attr=attr) if attr in OF_OBJECTS:
                yield f"object_storage.{attr}"
            case ast.ImportFrom(module="flomastr.object_storage", names=names):
                yield from (f"object_storage.{name.name}" for name in names if name.name in OF_OBJECTS)
            case ast.Attribute(attr=attr) if attr.startswith("delete_object"):
                yield attr
            case _:
                pass


def destructive() -> Iterator[tuple[str, str]]:
    """File and statement, for everything that destroys."""
    for path in sorted((ROOT / "schema").glob("*/*.sql")):
        yield from ((str(path.relative_to(ROOT)), statement) for statement in statements(path.read_text()))
    for folder in ("layers", "functions", "dev", "schema"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT)).removeprefix("layers/flomastr/")
            yield from ((name, statement) for statement in in_python(path.read_text()))


def changed_tables() -> set[str]:
    """By any statement of the product."""
    found = set[str]()
    for path in (ROOT / "schema").glob("functions/*.sql"):
        found |= set(replacing(path.read_text()))
    for folder in ("layers", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= set(replacing(node.value))
    return {table.removeprefix("app.") for table in found}


def names(superuser: Connection, query: Any) -> set[str]:
    return {name.removeprefix("app.") for name in superuser.cursor(row_factory=scalar_row).execute(query).fetchall()}


def undecided(superuser: Connection) -> set[str]:
    """Numbered, so that another like one in the same file is not overlooked."""
    kept = {f"DELETE FROM app.{table}" for table in names(superuser, KEEPS)}
    seen = Counter[tuple[str, str]]()
    found = set[str]()
    for file, statement in destructive():
        if statement not in kept:
            seen[file, statement] += 1
            found.add(f"{file} {seen[file, statement]}) {statement}")
    return found


def test_every_statement_that_destroys_is_on_a_table_that_keeps_what_is_held_or_is_known(superuser: Connection) -> None:
    assert undecided(superuser) == KNOWN.keys()


def test_every_table_of_tenants_keeps_what_is_held_or_is_known_not_to(superuser: Connection) -> None:
    assert names(superuser, ISOLATED) - names(superuser, KEEPS) == NOT_KEPT.keys()


def test_every_table_whose_rows_are_changed_keeps_what_they_say_or_is_known_not_to(superuser: Connection) -> None:
    assert changed_tables() - names(superuser, GROWS) == NO_CONTENT.keys()


def test_what_is_kept_from_deletion_is_kept_from_being_written_over(superuser: Connection) -> None:
    assert names(superuser, KEEPS) - names(superuser, GROWS) == {
        "alert_events",
        "archive_files",
        "legal_holds",
        "n8n_rejections",  # which nothing changes
    }  # NO_CONTENT says why of the others


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("UPDATE app.things AS t SET a = 1", ["app.things"]),
        ("INSERT INTO app.things (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", ["app.things"]),
        ("INSERT INTO app.a VALUES (1); INSERT INTO app.b VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", ["app.b"]),
        ("MERGE INTO app.things USING x ON true WHEN MATCHED THEN UPDATE SET a = 1", ["app.things"]),
        ("INSERT INTO app.things VALUES (1) ON CONFLICT DO NOTHING", []),
        ("SELECT FROM app.things FOR NO KEY UPDATE", []),
        ("CREATE TRIGGER t BEFORE UPDATE ON app.things", []),
        ("-- UPDATE app.things", []),
    ],
)
def test_what_replaces_is_found(text: str, found: list[str]) -> None:
    assert list(replacing(text)) == found


def test_what_goes_with_another_row_is_kept_or_is_known_not_to_be(superuser: Connection) -> None:
    assert names(superuser, CASCADES) <= names(superuser, KEEPS) | NOT_KEPT.keys()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DELETE FROM app.things AS t WHERE true", ["DELETE FROM app.things"]),
        ("WITH gone AS (delete  from\n only app.things) SELECT", ["DELETE FROM app.things"]),
        ("EXECUTE format('DROP TABLE IF EXISTS app.%I', partition_name)", ["DROP TABLE app.%I"]),
        ("DELETE FROM ", ["DELETE FROM "]),
        ("TRUNCATE app.things; TRUNCATE TABLE other", ["TRUNCATE app.things", "TRUNCATE TABLE other"]),
        ("ALTER TABLE app.things DETACH PARTITION app.part", ["DETACH PARTITION app.part"]),
        ("MERGE INTO app.things USING x ON true WHEN MATCHED THEN DELETE", ["THEN DELETE "]),
        ("PERFORM set_config('app.moving', 'on', true)", ["'app.moving', 'on'"]),
        ("SELECT 1 -- DELETE FROM app.things", []),
        ("GRANT DELETE ON app.things TO flo_job; CREATE TRIGGER t BEFORE DELETE ON app.things", []),
    ],
)
def test_what_destroys_is_found_in_sql(text: str, found: list[str]) -> None:
    assert list(statements(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Query('DELETE FROM app.things' ' WHERE true')", ["DELETE FROM app.things"]),
        ("f'DELETE FROM {table}'", ["DELETE FROM "]),
        ("object_storage.remove(keys)", ["object_storage.remove"]),
        ("go = object_storage.erase", ["object_storage.erase"]),
        ("from flomastr.object_storage import put, remove", ["object_storage.remove"]),
        ("client().delete_object(Key=key)", ["delete_object"]),
        ("files.remove(file)", []),
    ],
)
def test_what_destroys_is_found_in_python(text: str, found: list[str]) -> None:
    assert list(in_python(text)) == found


@pytest.fixture(scope="module")
def held(make: Factory, superuser: Connection) -> Tenant:
    """A tenant under a hold, with a row in every table that keeps what is held."""
    tenant = full_tenant(make)
    archived_file(superuser, tenant, new_id())
    make.hold(tenant)
    return tenant


def attack(conn: Connection, tenant: Tenant, table: str) -> str | None:
    """The refusal's SQLSTATE."""
    column = "id" if table == "tenants" else "tenant_id"
    statement = sql.SQL("DELETE FROM {} WHERE {} = %s").format(sql.Identifier("app", table), sql.Identifier(column))
    with pytest.raises(psycopg.Error) as refusal, conn.transaction():
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        conn.execute("SELECT set_config('app.role', 'super_admin', true)")
        conn.execute(statement, (tenant.id,))
    return refusal.value.sqlstate


def test_under_a_hold_no_row_is_deleted_from_a_table_that_keeps_it(
    make: Factory, superuser: Connection, job_url: str, held: Tenant
) -> None:
    before = stored(superuser, held)
    kept = names(superuser, KEEPS)
    assert [table for table in kept if not before[table]] == []
    outcomes: dict[str, set[str | None]] = {}
    with psycopg.connect(job_url, autocommit=True) as job:
        for table in kept:
            outcomes[table] = {attack(conn, held, table) for conn in (make.conn, job)}
    assert stored(superuser, held) == before
    by_rights = {"tenants", "legal_holds", "archive_files", "alert_events"}  # which flo_app may not delete anyway
    assert outcomes == {table: {"FL409", "42501"} if table in by_rights else {"FL409"} for table in kept}


def test_not_even_an_owner_of_the_tables_deletes_what_is_held(superuser: Connection, held: Tenant) -> None:
    for table in names(superuser, KEEPS):
        assert attack(superuser, held, table) == "FL409"


@pytest.mark.parametrize("table", ["tenants", "archive_files", "legal_holds"])
def test_any_hold_within_a_tenant_keeps_it_its_stored_files_and_the_records_of_its_holds(
    make: Factory, superuser: Connection, job_url: str, table: str
) -> None:
    tenant = make.tenant()
    archived_file(superuser, tenant, new_id())
    make.hold(tenant, execution_id=uuid4())
    with psycopg.connect(job_url, autocommit=True) as job:
        assert attack(job, tenant, table) == "FL409"


def test_files_that_do_not_count_can_be_removed_under_a_hold(
    make: Factory, superuser: Connection, job_url: str
) -> None:
    tenant = make.tenant()
    make.hold(tenant)
    for state in ("writing", "verified", "replaced"):
        archived_file(superuser, tenant, new_id(), state=state)
    with psycopg.connect(job_url, autocommit=True) as job:
        assert job.execute("DELETE FROM app.archive_files WHERE tenant_id = %s", (tenant.id,)).rowcount == 3


def test_neither_role_truncates_or_drops_a_table(make: Factory, superuser: Connection, job_url: str) -> None:
    with psycopg.connect(job_url, autocommit=True) as job:
        for conn in (make.conn, job):
            for table in names(superuser, ISOLATED):
                for verb in ("TRUNCATE {} CASCADE", "DROP TABLE {} CASCADE"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        conn.execute(sql.SQL(verb).format(sql.Identifier("app", table)))


def test_to_say_that_a_row_moves_deletes_nothing_but_executions(superuser: Connection, held: Tenant) -> None:
    """What says so is on the list of what is known."""
    superuser.execute("SET app.moving = 'on'")
    try:
        for table in names(superuser, KEEPS) - {"workflow_executions"}:
            assert attack(superuser, held, table) == "FL409"
    finally:
        superuser.execute("RESET app.moving")
