"""Who may do what: every operation, asked by everybody. What an operation needs is the scope that it names."""

from typing import Any

import psycopg
import pytest

from tests.support.factories import KEY_SCOPES, Factory
from tests.support.operation_scopes import SCOPES
from tests.support.requests import MACHINES, OPERATIONS, PEOPLE, ROLES, ApiClient, Operation

# What app.needed_role says. The routes alone would not show it: app.require_rank asks again who may change members.
NEEDED = {
    "member": (
        "workflows:read workflows:write executions:read executions:write webchat:read webchat:write preferences:read "
        "preferences:write knowledge:read knowledge:write tenant:read members:read membership:write invitation:write "
        "alerts:read"
    ),
    "admin": (
        "tenant:write members:write keys:read keys:write models:write holds:read holds:write archive:read "
        "archive:write alerts:write instances:write recovery:read recovery:preview"
    ),
    "owner": "tenant:delete erasures:read erasures:write recovery:write",
}
EVERYBODY = ("anonymous", *PEOPLE, "key for nothing", *MACHINES)
MEMBERS = ("member", "admin", "owner", "super admin")
ADMINS = ("admin", "owner", "super admin")
OWNERS = ("owner", "super admin")

# The one place that says it. Keys are let in where the last part is theirs: the scope that they were given.
MAY: dict[str | None, tuple[str, ...]] = {
    None: EVERYBODY,
    "workflows:read": MEMBERS,
    "workflows:write": MEMBERS,
    "executions:read": MEMBERS,
    "executions:write": MEMBERS,
    "alerts:read": MEMBERS,
    "alerts:write": ADMINS,
    "instances:write": ADMINS,
    "webchat:read": MEMBERS,
    "webchat:write": MEMBERS,
    "preferences:read": MEMBERS,
    "preferences:write": MEMBERS,
    "knowledge:read": MEMBERS,
    "knowledge:write": MEMBERS,
    "models:write": ADMINS,
    "events:write": (),
    "tenant:read": MEMBERS,
    "tenant:write": ADMINS,
    "tenant:delete": OWNERS,
    "members:read": MEMBERS,
    "members:write": ADMINS,
    "membership:write": MEMBERS,
    "invitation:write": ("pending",),
    "keys:read": ADMINS,
    "keys:write": ADMINS,
    "archive:read": ADMINS,
    "archive:write": ADMINS,
    "holds:read": ADMINS,
    "holds:write": ADMINS,
    "recovery:read": ADMINS,
    "recovery:preview": ADMINS,
    "recovery:write": OWNERS,
    "erasures:read": OWNERS,
    "erasures:write": OWNERS,
    "me:read": PEOPLE,
    "platform:read": ("super admin",),
    "platform:write": ("super admin",),
}


def is_allowed(operation: Operation, who: str) -> bool:
    return who in MAY[operation.scope] or (who == f"key for {operation.scope}" and operation.scope in KEY_SCOPES)


def refusal(operation: Operation, who: str, *, is_suspended: bool = False) -> int:
    """401 is for who is unknown, 404 whoever finds nothing of theirs there, 403 who may not."""
    if who == "anonymous" or (operation.scope == "events:write" and who in PEOPLE):
        return 401
    if operation.scope == "invitation:write" and who in PEOPLE:
        return 403 if is_suspended and who in ("pending", *ROLES) else 404
    if operation.is_in_a_tenant and who in ("stranger", "pending"):
        return 404
    return 403


def outcome(client: ApiClient, operation: Operation) -> int | str:
    answer = client.ask(operation)
    assert answer.status < 500, answer.body
    is_last_owner = answer.status == 409 and answer.json["code"] == "last_owner"  # who may leave, were there another
    return "allowed" if answer.status < 300 or is_last_owner else answer.status


def test_every_scope_stands_in_the_table() -> None:
    assert MAY.keys() == SCOPES.keys()


@pytest.mark.parametrize("role", NEEDED)
def test_each_scope_needs_the_role_that_is_written_down(superuser: psycopg.Connection[Any], role: str) -> None:
    needed = "SELECT scope FROM unnest(%s::text[]) AS scope WHERE app.needed_role(scope) = %s"
    scopes = [scope for scope in MAY if scope and not scope.startswith(("me:", "platform:", "events:"))]
    assert {scope for (scope,) in superuser.execute(needed, (scopes, role))} == set(NEEDED[role].split())


def test_each_operation_asks_for_the_scope_that_is_written_down() -> None:
    written = {name: scope for scope, names in SCOPES.items() for name in names.split()}
    assert {operation.name: operation.scope for operation in OPERATIONS} == written


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_each_operation_lets_in_those_whom_the_table_names_and_nobody_else(make: Factory, operation: Operation) -> None:
    outcomes: dict[str, int | str] = {}
    for who in EVERYBODY:
        client = ApiClient(make, who)
        if is_allowed(operation, who):
            client.prepare(operation)
        outcomes[who] = outcome(client, operation)
    assert outcomes == {who: "allowed" if is_allowed(operation, who) else refusal(operation, who) for who in EVERYBODY}


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.is_in_a_tenant], ids=str)
def test_in_a_suspended_tenant_owners_and_super_admins_read_and_nobody_writes(
    make: Factory, superuser: psycopg.Connection[Any], operation: Operation
) -> None:
    outcomes: dict[str, int | str] = {}
    expected: dict[str, int | str] = {}
    for who in EVERYBODY:
        client = ApiClient(make, who)
        reads = str(operation.scope).endswith(":read") and who in OWNERS and is_allowed(operation, who)
        if reads:
            client.prepare(operation)
        client.request(operation)  # makes what is asked for, while that can be done
        superuser.execute("UPDATE app.tenants SET status = 'suspended' WHERE id = %s", (client.tenant.id,))
        outcomes[who] = outcome(client, operation)
        expected[who] = "allowed" if reads else refusal(operation, who, is_suspended=True)
    assert outcomes == expected
