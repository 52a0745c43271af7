"""Who one is here, over HTTP: nothing but what is one's own."""

import time
from operator import itemgetter
from typing import Any

import pytest

from flomastr.caller import Caller
from functions.members.handler import lambda_handler as members
from functions.users.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.problems import refused

NOT_FOUND = {"tenant_slug": None, "tenant_name": None, "is_super_admin": False, "found": False}


def ask(caller: Caller, path: str, **request: Any) -> Any:
    answer = call(lambda_handler, "GET", f"/routes{path}", caller=caller, **request)
    assert answer.status == 200, answer.body
    return answer.json


def status(caller: Caller) -> Any:
    return ask(caller, "/api/v1/users/me/status")


def post(caller: Caller, identifier: Any) -> Answer:
    return call(lambda_handler, "POST", "/routes/resolve-tenant", body={"identifier": identifier}, caller=caller)


def resolve(caller: Caller, identifier: str) -> Any:
    """By GET, and by POST alike."""
    by_get = ask(caller, "/resolve-tenant", query={"identifier": identifier})
    assert post(caller, identifier).json == by_get
    return by_get


@pytest.mark.parametrize("role", ["user", "admin", "super_admin"])
def test_everybody_is_shown_the_own_global_role(make: Factory, role: str) -> None:
    person = make.global_role(role)
    expected = {"role": role, "is_admin": role != "user", "is_super_admin": role == "super_admin"}
    assert ask(person, "/me/role") == expected | {"email": person.email}
    assert ask(Caller(user_id="x", email=str(person.email).upper()), "/me/role")["role"] == role
    assert status(person)["is_super_admin"] == (role == "super_admin")


def test_without_a_verified_address_one_is_a_user(make: Factory) -> None:
    admin = make.super_admin()
    unverified = Caller(user_id=admin.user_id)
    nobody = {"email": None, "role": "user", "is_admin": False, "is_super_admin": False}
    assert ask(unverified, "/me/role") == nobody
    assert status(unverified) == {
        "user_id": admin.user_id,
        "email": None,
        "missing_claims": ["email", "email_verified"],
        "is_super_admin": False,
        "memberships": [],
    }


@pytest.mark.parametrize("missing", [["email"], ["email_verified"], ["email", "email_verified"]])
def test_who_is_refused_for_want_of_an_address_hears_which_claim_is_missing(make: Factory, missing: list[Any]) -> None:
    admin, tenant = make.super_admin(), make.tenant()
    make.invitation(tenant.id, admin)
    bare = Caller(user_id=admin.user_id, missing_claims=missing)
    assert status(bare)["missing_claims"] == missing
    told = f" Your token says no verified e-mail: it lacks {' and '.join(missing)}."
    users = call(lambda_handler, "GET", "/routes/users", caller=bare)
    assert (users.status, users.json["code"]) == (403, "super_admin_only")
    assert users.json["detail"] == "Only super admins may do this." + told
    accepted = call(members, "POST", f"/routes/tenants/{tenant.slug}/invitation/accept", caller=bare)
    assert (accepted.status, accepted.json["code"]) == (404, "tenant_not_found")
    assert accepted.json["detail"].endswith(told)


def test_who_has_an_address_hears_of_no_claim(make: Factory) -> None:
    person = make.person()
    assert status(person)["missing_claims"] == []
    refusal = call(lambda_handler, "GET", "/routes/users", caller=person)
    assert refusal.json["detail"] == "Only super admins may do this."


def test_an_address_that_the_caller_claims_elsewhere_counts_for_nothing(make: Factory) -> None:
    admin, person = make.super_admin(), make.person()
    claims = {name: str(admin.email) for name in ("x-user-email", "user-email", "email", "x-email")}
    found = ask(person, "/me/role", headers=claims)
    assert (found["email"], found["is_super_admin"]) == (person.email, False)
    for name in ("email", "user_email"):
        answer = call(lambda_handler, "GET", "/routes/me/role", caller=person, query={name: admin.email})
        refused(answer, 422, f"query.{name}")


def test_ones_status_shows_memberships_and_invitations_of_both_kinds(make: Factory) -> None:
    person = make.person()
    owned, by_id, by_email, inactive, gone = (make.tenant() for _ in range(5))
    make.member(owned.id, person, "owner")
    make.member(by_id.id, person, "admin", "pending")
    make.invitation(by_email.id, person)
    make.member(inactive.id, person, status="inactive")
    make.member(make.tenant(deleted_at="2026-01-01").id, person)
    make.member(gone.id, make.person())
    expected = [(owned, "owner", "active"), (by_id, "admin", "pending"), (by_email, "member", "pending")]
    memberships = status(Caller(user_id=person.user_id, email=str(person.email).upper()))["memberships"]
    assert sorted(memberships, key=itemgetter("tenant_id")) == sorted(
        (
            {"tenant_id": str(t.id), "tenant_slug": t.slug, "tenant_name": "A tenant", "role": role, "status": state}
            for t, role, state in expected
        ),
        key=itemgetter("tenant_id"),
    )
    unverified = status(Caller(user_id=person.user_id))["memberships"]
    assert {membership["tenant_slug"] for membership in unverified} == {owned.slug, by_id.slug}


def test_a_suspended_tenant_is_shown_to_its_owners_alone(make: Factory) -> None:
    tenant, member = make.tenant(status="suspended"), make.person()
    make.member(tenant.id, member, "admin")
    assert status(member)["memberships"] == []
    assert [mine["tenant_slug"] for mine in status(tenant.owner)["memberships"]] == [tenant.slug]


def test_a_super_admin_has_but_the_own_memberships(make: Factory) -> None:
    admin, tenant = make.super_admin(), make.tenant()
    make.member(make.tenant().id, admin, status="inactive")
    assert status(admin)["memberships"] == []
    assert resolve(admin, tenant.slug) == NOT_FOUND | {"is_super_admin": True}
    make.member(tenant.id, admin)
    assert [mine["tenant_slug"] for mine in status(admin)["memberships"]] == [tenant.slug]


def test_a_tenant_of_ones_own_is_found_by_slug_id_or_the_own_address(make: Factory) -> None:
    tenant = make.tenant()
    owner, identifiers = tenant.owner, [tenant.slug, str(tenant.id), str(tenant.owner.email)]
    found = {"tenant_slug": tenant.slug, "tenant_name": "A tenant", "is_super_admin": False, "found": True}
    for identifier in [*identifiers, *(identifier.upper() for identifier in identifiers)]:
        assert resolve(owner, identifier) == found
    assert ask(owner, "/resolve-tenant") == found


def test_of_several_the_one_with_the_highest_role_is_meant_and_then_the_oldest(make: Factory) -> None:
    person = make.person()
    tenants = [make.tenant() for _ in range(4)]
    for tenant, role in zip(tenants, ("member", "admin", "admin", "member"), strict=True):
        make.member(tenant.id, person, role)
        time.sleep(0.002)  # ids are in the order of their milliseconds
    assert ask(person, "/resolve-tenant")["tenant_slug"] == tenants[1].slug
    assert resolve(person, str(person.email))["tenant_slug"] == tenants[1].slug
    assert resolve(person, tenants[3].slug)["tenant_slug"] == tenants[3].slug


def test_what_belongs_to_others_is_answered_like_what_does_not_exist(make: Factory) -> None:
    person, other, admin = make.person(), make.tenant(), make.super_admin()
    pending, deleted = make.tenant(), make.tenant(deleted_at="2026-01-01")
    make.invitation(pending.id, person)
    make.member(pending.id, person, status="inactive")
    make.member(deleted.id, person)
    others = [other.slug, str(other.id), other.owner.email, other.owner.user_id, admin.email, deleted.slug]
    for identifier in [*others, pending.slug, f"mailto:{person.email}", "nowhere", "%", "_", "' OR true --"]:
        assert resolve(person, str(identifier)) == NOT_FOUND
    assert ask(person, "/resolve-tenant") == NOT_FOUND


def test_without_an_address_nothing_is_found_by_an_empty_one(make: Factory) -> None:
    tenant = make.tenant()
    unverified = Caller(user_id=tenant.owner.user_id)
    assert resolve(unverified, str(tenant.owner.email)) == NOT_FOUND
    assert resolve(unverified, " ") == NOT_FOUND


@pytest.mark.parametrize("identifier", ["", "x" * 256, "a\x00b", None, 7])
def test_an_identifier_is_a_text_that_is_not_empty(make: Factory, identifier: Any) -> None:
    refused(post(make.person(), identifier), 422, "body.identifier")


def test_keys_are_nobody_here(make: Factory) -> None:
    key = make.api_key(make.tenant())
    machine = Caller(key_id=key.id, key_hash=key.secret_hash.hex())
    for path in ("/me/role", "/api/v1/users/me/status", "/resolve-tenant", "/users"):
        answer = call(lambda_handler, "GET", f"/routes{path}", caller=machine)
        assert (answer.status, answer.json["code"]) == (403, "missing_scope")
