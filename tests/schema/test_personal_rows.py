"""What row-level security alone keeps to a person, from SQL that flo_app sends as it likes."""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, InsufficientPrivilege, UniqueViolation

from tests.support.factories import Factory, Tenant

type Connection = psycopg.Connection[Any]

TABLES: list[LiteralString] = ["app.user_preferences", "app.webchat_sessions"]
EVERYTHING: list[LiteralString] = ["SELECT FROM {}", "UPDATE {} SET updated_at = now()", "DELETE FROM {}"]
INSERTS: list[LiteralString] = [
    "INSERT INTO app.user_preferences (user_id, tenant_id) VALUES (%(user_id)s, %(tenant)s)",
    "INSERT INTO app.webchat_sessions (user_id, tenant_id, workflow_id) VALUES (%(user_id)s, %(tenant)s, %(workflow)s)",
]


@dataclass(frozen=True)
class TwoMembers:
    """A tenant with a member, who has a row in every table and one without tenant, and with a member without rows."""

    tenant: Tenant
    person: str
    other: str
    params: dict[str, Any]


@pytest.fixture
def two(make: Factory, superuser: Connection) -> TwoMembers:
    tenant = make.tenant()
    people = [make.person(), make.person()]
    for person in people:
        make.member(tenant.id, person)
    params = {"user_id": people[0].user_id, "tenant": tenant.id, "workflow": make.workflow(tenant)}
    for statement in INSERTS:
        superuser.execute(statement, params)
    superuser.execute(INSERTS[0], params | {"tenant": None})
    return TwoMembers(tenant, str(people[0].user_id), str(people[1].user_id), params)


def set_context(conn: Connection, tenant: Tenant | None, role: str, person: str = "") -> None:
    conn.execute(
        "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', %s, true),"
        " set_config('app.person', %s, true)",
        (str(tenant.id) if tenant else "", role, person),
    )


def reached(make: Factory, statement: LiteralString, *context: Any) -> int:
    """How many rows a statement meets, which is undone."""
    with make.conn.transaction(force_rollback=True):
        set_context(make.conn, *context)
        return make.conn.execute(statement).rowcount


@pytest.mark.parametrize("statement", EVERYTHING)
def test_in_a_tenant_a_member_reaches_no_row_of_another(
    make: Factory, two: TwoMembers, statement: LiteralString
) -> None:
    for table in TABLES:
        assert reached(make, statement.replace("{}", table), two.tenant, "member", two.other) == 0


@pytest.mark.parametrize("statement", EVERYTHING)
def test_in_a_tenant_a_member_reaches_the_own_rows(make: Factory, two: TwoMembers, statement: LiteralString) -> None:
    rows = [reached(make, statement.replace("{}", table), two.tenant, "member", two.person) for table in TABLES]
    assert rows == [2, 1]  # preferences of no tenant as well


@pytest.mark.parametrize("role", ["key", "admin", "owner", "super_admin"])
@pytest.mark.parametrize("statement", EVERYTHING)
def test_who_acts_for_all_reaches_the_rows_of_the_tenant(
    make: Factory, two: TwoMembers, statement: LiteralString, role: str
) -> None:
    rows = [reached(make, statement.replace("{}", table), two.tenant, role, two.other) for table in TABLES]
    assert rows == [1, 1]  # but not the preferences of no tenant


@pytest.mark.parametrize("role", ["user", "admin", "super_admin"])
@pytest.mark.parametrize("statement", EVERYTHING)
def test_outside_tenants_nobody_reaches_rows_of_others(
    make: Factory, two: TwoMembers, statement: LiteralString, role: str
) -> None:
    for table in TABLES:
        assert reached(make, statement.replace("{}", table), None, role, two.other) == 0
        assert reached(make, statement.replace("{}", table), None, role) == 0


def test_outside_tenants_people_read_all_their_preferences_and_write_those_of_no_tenant(
    make: Factory, two: TwoMembers
) -> None:
    for statement, rows in zip(EVERYTHING, [2, 1, 1], strict=True):
        assert reached(make, statement.replace("{}", "app.user_preferences"), None, "user", two.person) == rows
        assert reached(make, statement.replace("{}", "app.webchat_sessions"), None, "user", two.person) == 0


@pytest.mark.parametrize("context", [("member", True), ("user", False), ("super_admin", False)])
def test_rows_of_others_are_not_made(make: Factory, two: TwoMembers, context: tuple[str, bool]) -> None:
    role, inside = context
    for statement in INSERTS:
        for named in ({}, {"tenant": None}):
            with pytest.raises(InsufficientPrivilege), make.conn.transaction(force_rollback=True):
                set_context(make.conn, two.tenant if inside else None, role, two.other)
                make.conn.execute(statement, two.params | named)


@pytest.mark.parametrize("role", ["key", "admin", "owner", "super_admin"])
def test_nobody_makes_preferences_of_no_tenant_for_others(make: Factory, two: TwoMembers, role: str) -> None:
    for user_id in (two.person, "stranger"):
        with pytest.raises(InsufficientPrivilege), make.conn.transaction(force_rollback=True):
            set_context(make.conn, two.tenant, role, two.other)
            make.conn.execute(INSERTS[0], {"user_id": user_id, "tenant": None})


def test_rows_are_not_given_away(make: Factory, two: TwoMembers) -> None:
    for table in TABLES:
        statement: LiteralString = f"UPDATE {table} SET user_id = 'another'"
        with pytest.raises(InsufficientPrivilege), make.conn.transaction(force_rollback=True):
            set_context(make.conn, two.tenant, "member", two.person)
            make.conn.execute(statement)


@pytest.mark.parametrize("tenant", [True, False])
def test_there_is_one_row_of_preferences_for_each_tenant_and_one_for_none(
    superuser: Connection, two: TwoMembers, tenant: bool
) -> None:
    with pytest.raises(UniqueViolation):
        superuser.execute(INSERTS[0], two.params | ({} if tenant else {"tenant": None}))


def test_only_members_have_preferences_in_a_tenant(superuser: Connection, two: TwoMembers) -> None:
    with pytest.raises(ForeignKeyViolation):
        superuser.execute(INSERTS[0], two.params | {"user_id": "stranger"})


def test_a_session_is_not_with_a_workflow_of_another_tenant(
    make: Factory, superuser: Connection, two: TwoMembers
) -> None:
    with pytest.raises(ForeignKeyViolation):
        superuser.execute(INSERTS[1], two.params | {"user_id": "x", "workflow": make.workflow(make.tenant())})


@pytest.mark.parametrize("statement", [
    "UPDATE app.user_preferences SET preferences = '[]' WHERE user_id = %(user_id)s",
    "UPDATE app.user_preferences SET user_id = '' WHERE user_id = %(user_id)s AND tenant_id IS NULL",
    "UPDATE app.webchat_sessions SET user_id = '' WHERE user_id = %(user_id)s",
    "UPDATE app.webchat_sessions SET session_key = '' WHERE user_id = %(user_id)s",
])  # fmt: skip
def test_nonsense_is_not_stored(superuser: Connection, two: TwoMembers, statement: LiteralString) -> None:
    with pytest.raises(CheckViolation):
        superuser.execute(statement, two.params)


def test_a_session_key_does_not_follow_from_its_ids(superuser: Connection, two: TwoMembers) -> None:
    opened: LiteralString = INSERTS[1] + " RETURNING session_key"
    gone: LiteralString = "DELETE FROM app.webchat_sessions WHERE user_id = %(user_id)s"
    keys: set[str] = set()
    for _ in range(3):
        superuser.execute(gone, two.params)
        keys |= {key for (key,) in superuser.execute(opened, two.params)}
    assert [len(key) for key in keys] == [64] * 3
