"""app.authorize: who has access to which tenant for what, seen through a function's handler."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flomastr.caller import Caller
from functions.workflows.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine

type Connection = psycopg.Connection[Any]
type Outcome = int | tuple[int, str]

NOBODY = (401, "not_signed_in")
NOT_FOUND = (404, "tenant_not_found")
BAD_KEY = (401, "invalid_api_key")
OTHERS_KEY = (403, "other_tenants_key")
NO_SCOPE = (403, "missing_scope")
SUSPENDED = (403, "tenant_suspended")
NOW = datetime.now(UTC)


def outcome(answer: Answer) -> Outcome:
    return answer.status if answer.status < 400 else (answer.status, answer.json["code"])


def read(caller: Caller | None, tenant: object | None) -> Outcome:
    query = {} if tenant is None else {"tenant_id": str(tenant)}
    return outcome(call(lambda_handler, "GET", "/routes/workflows", caller=caller, query=query))


def write(caller: Caller | None, tenant: object | None) -> Outcome:
    body = {"name": "Made", "tenant_id": None if tenant is None else str(tenant)}
    return outcome(call(lambda_handler, "POST", "/routes/workflows", caller=caller, body=body))


@dataclass(frozen=True)
class People:
    """Makes a caller who stands in some relation to the tenant."""

    make: Factory

    def member(self, tenant: Tenant, role: str = "member", status: str = "active") -> Caller:
        person = self.make.person()
        self.make.member(tenant.id, person, role, status)
        return person

    def stranger(self, tenant: Tenant) -> Caller:
        return self.make.tenant().owner

    def with_role(self, role: str, **overrides: Any) -> Caller:
        return self.make.global_role(role).model_copy(update=overrides)

    def key(self, tenant: Tenant, **overrides: Any) -> Caller:
        return machine(self.make.api_key(tenant, **overrides))

    def spoilt_key(self, tenant: Tenant, **overrides: Any) -> Caller:
        return self.key(tenant).model_copy(update=overrides)


@pytest.fixture
def people(make: Factory) -> People:
    return People(make)


WHO: dict[str, tuple[Callable[[People, Tenant], Caller | None], Outcome, Outcome]] = {
    "nobody": (lambda _, t: None, NOBODY, NOBODY),
    "a caller who is neither person nor key": (lambda _, t: Caller(email="a@example.com"), NOBODY, NOBODY),
    "a stranger": (lambda p, t: p.stranger(t), NOT_FOUND, NOT_FOUND),
    "a person without any tenant": (lambda p, t: p.make.person(), NOT_FOUND, NOT_FOUND),
    "a member": (lambda p, t: p.member(t), 200, 201),
    "an admin": (lambda p, t: p.member(t, "admin"), 200, 201),
    "the owner": (lambda p, t: t.owner, 200, 201),
    "a member who has not accepted": (lambda p, t: p.member(t, status="pending"), NOT_FOUND, NOT_FOUND),
    "a member who has left": (lambda p, t: p.member(t, "owner", status="inactive"), NOT_FOUND, NOT_FOUND),
    "a super admin": (lambda p, t: p.with_role("super_admin"), 200, 201),
    "a super admin in capitals": (
        lambda p, t: (a := p.with_role("super_admin")).model_copy(update={"email": str(a.email).upper()}), 200, 201
    ),
    "a super admin whose e-mail is not verified": (
        lambda p, t: p.with_role("super_admin", email=None), NOT_FOUND, NOT_FOUND
    ),
    "a global admin": (lambda p, t: p.with_role("admin"), NOT_FOUND, NOT_FOUND),
    "a key": (lambda p, t: p.key(t), 200, 201),
    "a key that may only read": (lambda p, t: p.key(t, scopes=["workflows:read"]), 200, NO_SCOPE),
    "a key for something else": (lambda p, t: p.key(t, scopes=["executions:read", "tenant:read"]), NO_SCOPE, NO_SCOPE),
    "a key without scopes": (lambda p, t: p.key(t, scopes=[]), NO_SCOPE, NO_SCOPE),
    "a key that expires soon": (lambda p, t: p.key(t, expires_at=NOW + timedelta(hours=1)), 200, 201),
    "an expired key": (lambda p, t: p.key(t, expires_at=NOW - timedelta(seconds=1)), BAD_KEY, BAD_KEY),
    "a revoked key": (lambda p, t: p.key(t, revoked_at=NOW), BAD_KEY, BAD_KEY),
    "an unknown key": (lambda p, t: p.spoilt_key(t, key_id="A" * 12), BAD_KEY, BAD_KEY),
    "a key with a wrong secret": (lambda p, t: p.spoilt_key(t, key_hash=secrets.token_hex(32)), BAD_KEY, BAD_KEY),
    "a key with another key's secret": (
        lambda p, t: p.spoilt_key(t, key_hash=p.key(t).key_hash), BAD_KEY, BAD_KEY
    ),
    "a key without its secret": (lambda p, t: p.spoilt_key(t, key_hash=None), BAD_KEY, BAD_KEY),
    "another tenant's key": (lambda p, t: p.key(p.make.tenant()), OTHERS_KEY, OTHERS_KEY),
    "another tenant's key that names our owner too": (
        lambda p, t: p.key(p.make.tenant()).model_copy(update={"user_id": t.owner.user_id}), OTHERS_KEY, OTHERS_KEY
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("email", "expected"), [("KIM@example.com", 200), ("\N{KELVIN SIGN}im@example.com", NOT_FOUND)]
)
def test_a_letter_that_lowers_to_another_makes_no_super_admin(
    make: Factory, superuser: Connection, email: str, expected: Outcome
) -> None:
    role = "INSERT INTO app.user_roles (email, role) VALUES ('kim@example.com', 'super_admin') ON CONFLICT DO NOTHING"
    superuser.execute(role)
    assert read(make.person(email=email), make.tenant().slug) == expected


@pytest.mark.parametrize("who", WHO)
def test_who_has_access_to_an_active_tenant(people: People, make: Factory, who: str) -> None:
    tenant = make.tenant()
    caller_of, *expected = WHO[who]
    caller = caller_of(people, tenant)
    assert [read(caller, tenant.slug), write(caller, tenant.slug)] == expected


INACTIVE: dict[str, tuple[Callable[[People, Tenant], Caller], Outcome, Outcome]] = {
    "its owner": (lambda p, t: t.owner, 200, SUSPENDED),
    "its admin": (lambda p, t: p.member(t, "admin"), SUSPENDED, SUSPENDED),
    "its member": (lambda p, t: p.member(t), SUSPENDED, SUSPENDED),
    "its key": (lambda p, t: p.key(t), SUSPENDED, SUSPENDED),
    "a stranger": (lambda p, t: p.stranger(t), NOT_FOUND, NOT_FOUND),
    "a super admin": (lambda p, t: p.with_role("super_admin"), 200, SUSPENDED),
}


@pytest.mark.parametrize("who", INACTIVE)
@pytest.mark.parametrize("status", ["suspended", "inactive"])
def test_who_has_access_to_a_tenant_that_is_not_active(people: People, make: Factory, status: str, who: str) -> None:
    tenant = make.tenant(status=status)
    caller_of, *expected = INACTIVE[who]
    caller = caller_of(people, tenant)
    assert [read(caller, tenant.id), write(caller, tenant.id)] == expected


def test_nobody_has_access_to_a_deleted_tenant(people: People, make: Factory) -> None:
    tenant = make.tenant(deleted_at=NOW)
    for caller in (tenant.owner, people.member(tenant), people.with_role("super_admin")):
        assert [read(caller, tenant.id), write(caller, tenant.slug)] == [NOT_FOUND, NOT_FOUND]
    assert read(tenant.owner, None) == NOT_FOUND
    key = people.key(tenant)
    assert [read(key, tenant.id), read(key, None), write(key, None)] == [OTHERS_KEY] * 3


def test_a_tenant_goes_by_its_id_or_its_slug_in_any_case_and_by_nothing_else(people: People, make: Factory) -> None:
    tenant = make.tenant()
    for caller in (tenant.owner, people.key(tenant), people.with_role("super_admin")):
        names = (tenant.id, tenant.id.hex, str(tenant.id).upper(), tenant.slug, tenant.slug.upper())
        assert {name: read(caller, name) for name in names} == dict.fromkeys(names, 200)
        refused = OTHERS_KEY if caller.key_id else NOT_FOUND
        others = (uuid4(), tenant.slug[:-1], tenant.slug + "a", str(tenant.id)[:-1], "no-tenant-is-called-so")
        assert {name: read(caller, name) for name in others} == dict.fromkeys(others, refused)


def test_who_belongs_to_one_tenant_need_not_name_it_and_who_belongs_to_several_must(
    people: People, make: Factory
) -> None:
    one, other, deleted, invited = make.tenant(), make.tenant(), make.tenant(deleted_at=NOW), make.tenant()
    person = people.member(one)
    make.member(deleted.id, person)
    make.member(invited.id, person, status="pending")
    assert [read(person, None), write(person, None)] == [200, 201]
    make.member(other.id, person)
    required = (400, "tenant_required")
    assert [read(person, None), write(person, None)] == [required, required]
    assert [read(person, one.slug), read(person, other.slug)] == [200, 200]
    assert read(people.key(one), None) == 200
    assert read(people.with_role("super_admin"), None) == NOT_FOUND


def test_flo_app_may_not_ask_past_app_authorize(make: Factory) -> None:
    for question in (
        "SELECT * FROM app.tenant_of_person('x', 'e', true, 'y', 'z')",
        "SELECT * FROM app.identify('x', 'e', NULL, NULL, 'y', 'z')",
        "SELECT * FROM app.take_from_bucket('x', 'tenant', 1, 1)",
        "SELECT * FROM app.rate_buckets",
        "DELETE FROM app.rate_buckets",
        "CALL app.isolate('app.tenants')",
        "CALL app.add_partition('x', 'y', '0', '1')",
        "SET ROLE flo_owner",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            make.conn.execute(question)


def test_a_refusal_says_nothing_but_its_sentence(people: People, make: Factory) -> None:
    tenant, other = make.tenant(name="Hidden"), make.tenant()
    for caller, name in ((other.owner, tenant.slug), (people.key(other), tenant.slug), (people.key(other), uuid4())):
        answer = call(lambda_handler, "GET", "/routes/workflows", caller=caller, query={"tenant_id": str(name)})
        assert str(name) not in answer.body
        assert "Hidden" not in answer.body


@pytest.mark.parametrize("person", ["", "mailto:one@example.com", "MAILTO:one@example.com"])
@pytest.mark.parametrize("scope", ["me:read", "workflows:read", "invitation:write"])
def test_the_database_itself_refuses_a_person_whose_name_is_an_invitation(
    make: Factory, person: str, scope: str
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        make.conn.execute("SELECT app.authorize(%s, NULL, NULL, NULL, NULL, %s, 1000)", (person, scope))
    assert (refusal.value.sqlstate, refusal.value.diag.constraint_name) == ("FL401", "not_signed_in")
