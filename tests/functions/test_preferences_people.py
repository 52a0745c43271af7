"""Whose preferences one reads and writes: the own ones, and in a tenant those of its members if one administers it."""

import re
from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from tests.functions.test_preferences import PREFERENCES, ask, of, store
from tests.support.events import Answer
from tests.support.factories import Factory, Tenant, machine
from tests.support.problems import refused

SECRET = {"secret": "mine"}


def member(make: Factory, tenant: Tenant, role: str = "member", status: str = "active") -> Caller:
    person = make.person()
    make.member(tenant.id, person, role, status)
    return person


def who(make: Factory, tenant: Tenant, kind: str) -> Caller:
    match kind:
        case "key":
            return machine(make.api_key(tenant))
        case "owner":
            return tenant.owner
        case "super admin":
            return make.super_admin()
        case _:
            return member(make, tenant, kind)


def not_yours(answer: Answer) -> None:
    refused(answer, 403)
    assert answer.json["code"] == "not_yours"
    assert answer.json["detail"] == "You may act for yourself alone. Admins, owners and API keys act for others."


def stored(superuser: psycopg.Connection[Any], person: Caller) -> list[Any]:
    return superuser.execute(
        "SELECT to_jsonb(p) FROM app.user_preferences AS p WHERE user_id = %s ORDER BY id", (person.user_id,)
    ).fetchall()


@pytest.mark.parametrize("kind", ["key", "owner", "admin", "super admin"])
def test_who_administers_a_tenant_reads_and_writes_what_its_members_prefer_there(make: Factory, kind: str) -> None:
    tenant = make.tenant()
    caller, person = who(make, tenant, kind), member(make, tenant)
    assert store(caller, {"a": 1}, tenant, whose=person).status == 201
    assert store(caller, {"a": 2}, tenant, whose=person).status == 200
    assert ask(caller, "PUT", of(person, tenant, "b"), body={"value": 3}).status == 200
    assert ask(caller, "GET", of(person, tenant, "b")).json["value"] == 3
    assert [row["preferences"] for row in ask(caller, "GET", of(person, tenant)).json] == [{"a": 2, "b": 3}]
    assert [row["preferences"] for row in ask(person, "GET", of(person, tenant)).json] == [{"a": 2, "b": 3}]
    assert ask(caller, "DELETE", of(person, tenant, "b")).status == 200
    assert ask(caller, "PUT", of(person, tenant), body={"preferences": {}}).status == 200
    assert ask(caller, "DELETE", of(person, tenant)).status == 200


def test_a_member_has_no_part_in_what_another_prefers(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant = make.tenant()
    caller, person = member(make, tenant), member(make, tenant)
    store(person, SECRET, tenant)
    before = stored(superuser, person)
    assert ask(caller, "GET", of(person, tenant)).json == []
    refused(ask(caller, "GET", of(person, tenant, "secret")), 404)
    not_yours(store(caller, {}, tenant, whose=person))
    not_yours(ask(caller, "PUT", of(person, tenant, "secret"), body={"value": 1}))
    refused(ask(caller, "PUT", of(person, tenant), body={"preferences": {}}), 404)
    refused(ask(caller, "DELETE", of(person, tenant)), 404)
    refused(ask(caller, "DELETE", of(person, tenant, "secret")), 404)
    assert stored(superuser, person) == before


@pytest.mark.parametrize("kind", ["key", "owner", "admin", "super admin", "member"])
def test_the_row_without_tenant_is_seen_and_written_by_its_person_alone(
    make: Factory, superuser: psycopg.Connection[Any], kind: str
) -> None:
    tenant = make.tenant()
    caller, person = who(make, tenant, kind), member(make, tenant)
    store(person, SECRET)
    before = stored(superuser, person)
    for where in (tenant, None):
        assert ask(caller, "GET", of(person, where)).json == []
        refused(ask(caller, "GET", of(person, where, "secret")), 404)
        given = f"{of(person, where, 'secret')}&default_value=given"
        assert ask(caller, "GET", given).json["value"] == "given"
        refused(ask(caller, "PUT", of(person, where), body={"preferences": {}}), 404)
        refused(ask(caller, "DELETE", of(person, where)), 404)
    if kind != "key":
        not_yours(store(caller, {}, whose=person))
        not_yours(ask(caller, "PUT", of(person, key="secret"), body={"value": 1}))
    assert stored(superuser, person) == before


def test_in_a_tenant_people_see_its_row_and_their_default_and_no_other(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    person = tenant.owner
    make.member(other.id, person)
    for where in (None, tenant, other):
        store(person, {"where": str(where and where.slug)}, where)
    rows = ask(person, "GET", of(person, tenant)).json
    assert [row["tenant_id"] for row in rows] == [str(tenant.id), None]


def test_outside_people_see_the_rows_of_the_live_tenants_where_they_are_active(make: Factory) -> None:
    person = make.person()
    belongs_to = [make.tenant() for _ in range(6)]
    for tenant in belongs_to:
        make.member(tenant.id, person)
        assert store(person, {"where": tenant.slug}, tenant).status == 201
    store(person, {"where": "none"})
    left, invited, deleted, suspended, *seen = belongs_to
    change = "UPDATE app.tenant_memberships SET status = %(status)s WHERE user_id = %(user_id)s"
    make.within(left.id, change, {"user_id": person.user_id, "status": "inactive"})
    make.within(invited.id, change, {"user_id": person.user_id, "status": "pending"})
    make.within(deleted.id, "UPDATE app.tenants SET deleted_at = now()", {})
    make.within(suspended.id, "UPDATE app.tenants SET status = 'suspended'", {})
    listed = [row["tenant_id"] for row in ask(person, "GET", of(person)).json]
    assert listed == [None, *(str(tenant.id) for tenant in reversed(seen))]


def test_a_super_admin_sees_no_rows_of_others_outside_tenants(make: Factory) -> None:
    person, admin = make.person(), make.super_admin()
    store(person, SECRET)
    assert ask(admin, "GET", of(person)).json == []


def test_a_super_admin_does_not_see_a_row_of_a_deleted_tenant(make: Factory) -> None:
    admin, tenant = make.super_admin(), make.tenant()
    make.member(tenant.id, admin)
    store(admin, {}, tenant)
    assert len(ask(admin, "GET", of(admin)).json) == 1
    make.within(tenant.id, "UPDATE app.tenants SET deleted_at = now()", {})
    assert ask(admin, "GET", of(admin)).json == []


@pytest.mark.parametrize("kind", ["key", "owner", "super admin"])
def test_who_is_no_member_has_no_preferences_in_the_tenant_and_the_answer_says_so(make: Factory, kind: str) -> None:
    tenant, stranger = make.tenant(), make.person()
    caller = who(make, tenant, kind)
    sentence = "This person is no member of the tenant."
    for header in ({}, {"idempotency-key": "k"}):
        body = {"user_id": stranger.user_id, "tenant_id": tenant.slug}
        answer = ask(caller, "POST", body=body, headers=header)
        refused(answer, 404)
        assert answer.json["detail"] == sentence
    answer = ask(caller, "PUT", of(stranger, tenant, "k"), body={"value": 1})
    refused(answer, 404)
    assert answer.json["detail"] == sentence


def test_a_refused_post_leaves_no_key_behind(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    body = {"user_id": person.user_id, "tenant_id": tenant.slug}
    request: dict[str, Any] = {"body": body, "headers": {"idempotency-key": "k"}}
    refused(ask(tenant.owner, "POST", **request), 404)
    make.member(tenant.id, person)
    assert ask(tenant.owner, "POST", **request).status == 201


def test_strangers_find_no_tenant(make: Factory) -> None:
    tenant, stranger = make.tenant(), make.person()
    for answer in (store(stranger, {}, tenant), ask(stranger, "GET", of(stranger, tenant))):
        refused(answer, 404)
        assert answer.json["code"] == "tenant_not_found"


def test_who_leaves_a_tenant_leaves_no_preferences_there(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant = make.tenant()
    person = member(make, tenant)
    store(person, {}, tenant)
    store(person, {})
    removal = "DELETE FROM app.tenant_memberships WHERE user_id = %(user_id)s"
    make.within(tenant.id, removal, {"user_id": person.user_id})
    assert [row["tenant_id"] for (row,) in stored(superuser, person)] == [None]


def test_what_was_set_for_somebody_invited_is_theirs_when_they_accept(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    make.invitation(tenant.id, person)
    invited = Caller(user_id=f"mailto:{person.email}")
    assert store(tenant.owner, {"theme": "dark"}, tenant, whose=invited).status == 201
    acceptance = "UPDATE app.tenant_memberships SET user_id = %(new)s, status = 'active' WHERE user_id = %(old)s"
    make.within(tenant.id, acceptance, {"new": person.user_id, "old": invited.user_id})
    (row,) = ask(person, "GET", of(person, tenant)).json
    assert (row["user_id"], row["preferences"]) == (person.user_id, {"theme": "dark"})


def test_a_repeated_post_answers_that_it_made_them_and_what_they_are_now(make: Factory) -> None:
    tenant = make.tenant()
    person = tenant.owner
    for where in ({}, {"tenant_id": tenant.slug}):
        request: dict[str, Any] = {"body": where | {"user_id": person.user_id}, "headers": {"idempotency-key": "k"}}
        first = ask(person, "POST", **request)
        assert first.status == 201
        ask(person, "PUT", f"/{person.user_id}/setting/k", query=where, body={"value": 1})
        again = ask(person, "POST", **request)
        assert (again.status, again.json["id"], again.json["preferences"]) == (201, first.json["id"], {"k": 1})
        assert ask(person, "GET", f"/{person.user_id}/setting/k", query=where).json["value"] == 1


@pytest.mark.parametrize(
    ("user_id", "written"),
    [
        ("\u7528\u6237", "%E7%94%A8%E6%88%B7"),
        ("caf\u00e9", "caf%C3%A9"),
        ("a b>c", "a%20b%3Ec"),
    ],
)
def test_the_next_page_of_anyone_can_be_followed(make: Factory, user_id: str, written: str) -> None:
    person = make.person(user_id=user_id)
    for _ in range(2):
        tenant = make.tenant()
        make.member(tenant.id, person, "member")
        store(person, {"a": 1}, tenant)
    first = ask(person, "GET", f"/{written}?limit=1")
    (link,) = re.findall(f"<{PREFERENCES}(.*)>", first.headers["link"])
    assert link.startswith(f"/{written}?limit=1&cursor=")
    second = ask(person, "GET", link)
    assert [len(page.json) for page in (first, second)] == [1, 1]
    assert first.json != second.json
