"""app.authorize asked directly: whom it lets into a tenant, onto the platform and to themselves, and as what."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from flomastr.caller import Caller
from flomastr.database import access
from tests.support.factories import Factory, machine

ROLES = ["member", "admin", "owner", "super_admin"]
NEEDED = {
    "member": ["workflows:read", "workflows:write", "tenant:read", "members:read", "membership:write", "webchat:write"],
    "admin": ["tenant:write", "members:write", "keys:read", "keys:write"],
    "owner": ["tenant:delete"],
}
PLATFORM, ME = ["platform:read", "platform:write"], ["me:read", "me:write"]
INVITED = "invitation:write"

TOO_LOW = "role_too_low"
NOT_FOUND = "tenant_not_found"
SUSPENDED = "tenant_suspended"


class Context(NamedTuple):
    tenant: UUID | None
    role: str | None
    person: str | None


@contextmanager
def authorized(make: Factory, caller: Caller, scope: str, tenant: object = None) -> Generator[psycopg.Connection[Any]]:
    asked = {"tenant": None if tenant is None else str(tenant), "scope": scope, "milliseconds": 2001, "request_id": "1"}
    with make.conn.transaction(force_rollback=True):
        make.conn.execute(access.AUTHORIZE, caller.model_dump() | asked)
        yield make.conn


def context(make: Factory, caller: Caller, scope: str, tenant: object = None) -> Context | str | None:
    """Where the caller then is, and as whom. Or the code of the refusal."""
    try:
        with authorized(make, caller, scope, tenant) as conn:
            return Context(*conn.execute("SELECT app.tenant(), app.role(), app.person()").fetchall()[0])
    except psycopg.Error as refusal:
        return refusal.diag.constraint_name


def with_role(make: Factory, tenant: UUID, role: str) -> Caller:
    if role == "super_admin":
        return make.super_admin()
    person = make.person()
    make.member(tenant, person, role)
    return person


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("needed", "scope"), [(role, scope) for role, scopes in NEEDED.items() for scope in scopes])
def test_a_role_is_enough_for_the_scopes_that_need_it_or_a_lower_one(
    make: Factory, needed: str, scope: str, role: str
) -> None:
    tenant = make.tenant()
    person = with_role(make, tenant.id, role)
    enough = ROLES.index(role) >= ROLES.index(needed)
    assert context(make, person, scope, tenant.slug) == (
        Context(tenant.id, role, person.user_id) if enough else TOO_LOW
    )


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_a_role_in_one_tenant_is_none_in_another(make: Factory, role: str) -> None:
    here, there = make.tenant(), make.tenant()
    person = with_role(make, here.id, role)
    assert context(make, person, "tenant:write", there.slug) == NOT_FOUND
    make.member(there.id, person)
    assert context(make, person, "tenant:write", there.slug) == TOO_LOW
    assert context(make, person, "tenant:write", here.slug) == Context(here.id, role, person.user_id)


def test_super_admins_alone_come_to_the_platform_whatever_tenant_they_name(make: Factory) -> None:
    tenant = make.tenant()
    super_admin = make.super_admin()
    others = (tenant.owner, make.person(), make.global_role("admin"), super_admin.model_copy(update={"email": None}))
    for scope in PLATFORM:
        for named in (None, tenant.slug, "nowhere"):
            assert context(make, super_admin, scope, named) == Context(None, "super_admin", super_admin.user_id)
        assert [context(make, person, scope) for person in others] == ["super_admin_only"] * len(others)


def test_whoever_is_signed_in_comes_to_themselves_as_what_they_are_on_the_platform(make: Factory) -> None:
    tenant = make.tenant()
    people = [(person, "user") for person in (tenant.owner, make.person(), make.person(email=None))]
    people += [(make.global_role(role), role) for role in ("user", "admin", "super_admin")]
    for scope in ME:
        for person, role in people:
            assert context(make, person, scope, tenant.slug) == Context(None, role, person.user_id)


@pytest.mark.parametrize("scope", [*PLATFORM, *ME, INVITED, *NEEDED["admin"], *NEEDED["owner"], "members:read"])
def test_what_people_do_no_key_may(make: Factory, scope: str) -> None:
    tenant = make.tenant()
    assert context(make, machine(make.api_key(tenant)), scope, tenant.slug) == "missing_scope"
    with pytest.raises(psycopg.errors.CheckViolation):
        make.api_key(tenant, scopes=[scope])


def test_a_key_is_a_key_and_no_person(make: Factory) -> None:
    tenant = make.tenant()
    key = machine(make.api_key(tenant)).model_copy(update={"user_id": tenant.owner.user_id, "email": "a@example.com"})
    assert context(make, key, "workflows:read") == Context(tenant.id, "key", None)
    with authorized(make, key, "workflows:read") as conn:
        assert conn.execute("SELECT app.invited_person()").fetchone() == (None,)


def test_nobody_comes_anywhere(make: Factory) -> None:
    tenant = make.tenant()
    for scope in ("workflows:read", *PLATFORM, *ME, INVITED):
        assert context(make, Caller(), scope, tenant.slug) == "not_signed_in"


def test_the_invited_come_in_to_accept_by_their_id_or_their_verified_e_mail_and_for_nothing_else(make: Factory) -> None:
    tenant = make.tenant()
    known, by_mail = make.person(), make.person()
    make.member(tenant.id, known, "admin", "pending")
    make.invitation(tenant.id, by_mail)
    in_capitals = by_mail.model_copy(update={"email": str(by_mail.email).upper()})
    assert context(make, known, INVITED, tenant.id) == Context(tenant.id, "admin", known.user_id)
    for person in (by_mail, in_capitals):
        assert context(make, person, INVITED, tenant.slug) == Context(tenant.id, "member", by_mail.user_id)
    unverified = by_mail.model_copy(update={"email": None})
    posing = make.person(user_id=f"user_{by_mail.user_id}", email=known.email)
    for person in (unverified, posing, make.person(), make.super_admin()):
        assert context(make, person, INVITED, tenant.slug) == NOT_FOUND
    for person in (known, by_mail):
        assert context(make, person, INVITED) == NOT_FOUND
        assert context(make, person, "tenant:read", tenant.slug) == NOT_FOUND
        assert context(make, person, "membership:write", tenant.slug) == NOT_FOUND


def test_who_has_accepted_may_accept_again_and_who_has_left_may_not(make: Factory) -> None:
    tenant = make.tenant()
    member, left = make.person(), make.person()
    make.member(tenant.id, member)
    make.member(tenant.id, left, "owner", "inactive")
    assert context(make, member, INVITED, tenant.slug) == Context(tenant.id, "member", member.user_id)
    assert context(make, left, INVITED, tenant.slug) == NOT_FOUND


@pytest.mark.parametrize("status", ["suspended", "inactive"])
def test_in_a_tenant_that_is_not_active_owners_and_super_admins_read_and_nobody_writes(
    make: Factory, status: str
) -> None:
    tenant = make.tenant(status=status)
    invited = make.person()
    make.member(tenant.id, invited, status="pending")
    for role in ROLES:
        person = with_role(make, tenant.id, role)
        for scope in (
            scope for needed in NEEDED if ROLES.index(needed) <= ROLES.index(role) for scope in NEEDED[needed]
        ):
            may = scope.endswith(":read") and role in ("owner", "super_admin")
            expected = Context(tenant.id, role, person.user_id) if may else SUSPENDED
            assert context(make, person, scope, tenant.slug) == expected, (role, scope)
    assert context(make, invited, INVITED, tenant.slug) == SUSPENDED
    assert context(make, machine(make.api_key(tenant)), "workflows:read") == SUSPENDED


def test_a_deleted_tenant_is_a_scope_for_nobody(make: Factory) -> None:
    tenant = make.tenant(deleted_at=datetime.now(UTC))
    invited = make.person()
    make.member(tenant.id, invited, status="pending")
    for person, scope in ((tenant.owner, "tenant:read"), (make.super_admin(), "tenant:read"), (invited, INVITED)):
        assert context(make, person, scope, tenant.slug) == NOT_FOUND


SETTINGS = """
SELECT
  current_setting('app.actor'), current_setting('statement_timeout'), current_setting('lock_timeout'),
  current_setting('jit'), current_setting('search_path'), current_user, current_setting('transaction_read_only')
"""


def test_it_sets_who_acts_how_long_a_statement_may_take_and_whether_it_may_write(make: Factory) -> None:
    tenant = make.tenant()
    key, person = machine(make.api_key(tenant)), tenant.owner
    for caller, actor in ((key, f"key:{key.key_id}"), (person, f"user:{person.user_id}")):
        for scope, read_only in (("workflows:read", "on"), ("workflows:write", "off")):
            with authorized(make, caller, scope) as conn:
                set_to = conn.execute(SETTINGS).fetchone()
                assert set_to == (actor, "2001ms", "2s", "off", '"$user", public', "flo_app", read_only)


@pytest.mark.parametrize("scope", ["workflows:read", "platform:read", "me:read"])
def test_under_a_scope_that_reads_nothing_can_be_written(make: Factory, scope: str) -> None:
    person = make.super_admin()
    tenant = make.tenant()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), authorized(make, person, scope, tenant.slug) as conn:
        conn.execute("INSERT INTO app.workflows (name) VALUES ('x')")


def test_only_super_admins_on_the_platform_see_roles_and_all_tenants(make: Factory) -> None:
    tenant, other, super_admin = make.tenant(), make.tenant(), make.super_admin()
    make.member(tenant.id, super_admin)
    seen = (
        "SELECT (SELECT count(*) FROM app.user_roles WHERE email = %(email)s),"
        " (SELECT count(*) FROM app.tenants WHERE id = ANY (%(tenants)s)),"
        " (SELECT count(*) FROM app.tenant_memberships WHERE tenant_id = ANY (%(tenants)s))"
    )
    asked = {"email": super_admin.email, "tenants": [tenant.id, other.id]}
    expected: list[tuple[Caller, str, tuple[int, int, int]]] = [
        (super_admin, "platform:read", (1, 2, 3)),
        (super_admin, "me:read", (1, 2, 3)),
        (super_admin, "tenant:read", (0, 1, 2)),
        (tenant.owner, "tenant:read", (0, 1, 2)),
        (tenant.owner, "me:read", (0, 1, 1)),
        (make.person(), "me:read", (0, 0, 0)),
    ]
    for person, scope, counts in expected:
        with authorized(make, person, scope, tenant.slug) as conn:
            assert conn.execute(seen, asked).fetchone() == counts, scope
