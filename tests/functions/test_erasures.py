"""Erasures over HTTP: owners ask for those of persons, super admins see all, nobody sees those of other tenants."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.caller import Caller
from functions.erasures.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, archived_file, new_id
from tests.support.problems import refused


def ask(caller: Caller, method: str, path: str, **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes{path}", caller=caller, **request)


def known(make: Factory, tenant: Tenant, *persons: str) -> None:
    """The tenant has a chat with each of them."""
    workflow = make.workflow(tenant)
    for person in persons:
        make.session(tenant, workflow, person)


def ask_for(tenant: Tenant, user_id: Any, caller: Caller | None = None, **request: Any) -> Answer:
    path = f"/tenants/{tenant.slug}/erasures"
    return ask(caller or tenant.owner, "POST", path, body={"user_id": user_id}, **request)


def test_an_owner_asks_for_the_erasure_of_a_persons_data_and_reads_how_it_stands(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    make.member(tenant.id, person)
    asked = ask_for(tenant, person.user_id)
    assert asked.status == 202
    assert asked.json | {"id": None, "created_at": None} == {
        "id": None,
        "tenant_id": str(tenant.id),
        "user_id": person.user_id,
        "state": "pending",
        "counts": {},
        "requested_by": f"user:{tenant.owner.user_id}",
        "created_at": None,
        "finished_at": None,
        "signature": None,
    }
    path = f"/tenants/{tenant.slug}/erasures"
    assert asked.headers["location"] == f"/routes{path}/{asked.json['id']}"
    read = ask(tenant.owner, "GET", f"{path}/{asked.json['id']}")
    assert (read.json, read.headers["etag"]) == (asked.json, asked.headers["etag"])
    unchanged = {"if-none-match": read.headers["etag"]}
    assert ask(tenant.owner, "GET", f"{path}/{asked.json['id']}", headers=unchanged).status == 304
    assert ask(tenant.owner, "GET", path).json == [asked.json]


def test_super_admins_see_the_erasures_of_all_tenants_newest_first(make: Factory) -> None:
    tenant, other, admin = make.tenant(), make.tenant(), make.super_admin()
    known(make, tenant, "somebody")
    ids = [ask_for(tenant, "somebody").json["id"], str(make.erasure(other))]  # ids of one millisecond have no order
    listed = ask(admin, "GET", "/erasures", query={"limit": 2}, headers={"prefer": "count=exact"})
    assert [row["id"] for row in listed.json] == ids[::-1]
    assert int(listed.headers["x-total-count"]) >= 2
    whole = ask(admin, "GET", f"/erasures/{ids[1]}").json
    assert (whole["tenant_id"], whole["user_id"]) == (str(other.id), None)
    assert ask(tenant.owner, "GET", "/erasures").status == 403
    assert ask(admin, "GET", f"/erasures/{tenant.id}").status == 404


def test_an_owner_sees_the_erasures_of_the_own_tenant_alone(make: Factory) -> None:
    here, there = make.tenant(), make.tenant()
    erasure = make.erasure(there, "somebody")
    assert ask(here.owner, "GET", f"/tenants/{here.slug}/erasures").json == []
    assert ask(here.owner, "GET", f"/tenants/{here.slug}/erasures/{erasure}").status == 404
    assert ask(here.owner, "GET", f"/tenants/{there.slug}/erasures").status == 404
    assert ask_for(there, "somebody-else", here.owner).status == 404


def test_a_person_is_erased_once_at_a_time_and_again_when_that_is_done(
    make: Factory, superuser: psycopg.Connection[Any]
) -> None:
    tenant = make.tenant()
    known(make, tenant, "somebody", "somebody-else")
    first = ask_for(tenant, "somebody")
    again = ask_for(tenant, "somebody")
    assert (again.status, again.json["detail"]) == (409, "body.user_id: the data of this person are being erased.")
    assert ask_for(tenant, "somebody-else").status == 202
    superuser.execute("UPDATE app.erasures SET state = 'done' WHERE id = %s", (UUID(first.json["id"]),))
    assert ask_for(tenant, "somebody").status == 202


def test_asked_twice_under_one_idempotency_key_it_is_one_erasure(make: Factory) -> None:
    tenant = make.tenant()
    known(make, tenant, "somebody")
    answers = [ask_for(tenant, "somebody", headers={"idempotency-key": "k"}) for _ in range(2)]
    assert answers[0] == answers[1] and answers[0].status == 202
    assert len(ask(tenant.owner, "GET", f"/tenants/{tenant.slug}/erasures").json) == 1


def test_the_last_owner_is_not_erased_and_another_is(make: Factory) -> None:
    tenant, second = make.tenant(), make.person()
    answer = ask_for(tenant, tenant.owner.user_id)
    assert (answer.status, answer.json["code"]) == (409, "last_owner")
    make.member(tenant.id, second, "owner", "pending")
    assert ask_for(tenant, tenant.owner.user_id).status == 409  # who is invited owns nothing yet
    make.member(tenant.id, make.person(), "owner")
    assert ask_for(tenant, tenant.owner.user_id).status == 202


@pytest.mark.parametrize("subject", ["tenant", "workflow"])
def test_nobody_is_erased_in_a_tenant_with_a_hold(make: Factory, subject: str) -> None:
    tenant = make.tenant()
    make.hold(tenant, workflow_id=make.workflow(tenant) if subject == "workflow" else None)
    answer = ask_for(tenant, "somebody")
    assert (answer.status, answer.json["code"]) == (409, "legal_hold")


@pytest.mark.parametrize("user_id", ["", "x" * 256, "nul\x00", None, 7])
def test_a_person_is_named_as_persons_are(make: Factory, user_id: Any) -> None:
    tenant = make.tenant()
    known(make, tenant, "x" * 255)
    refused(ask_for(tenant, user_id), 422, "body.user_id")
    assert ask_for(tenant, "x" * 255).status == 202


def test_owners_ask_and_nobody_below_them(make: Factory) -> None:
    tenant, admin = make.tenant(), make.person()
    make.member(tenant.id, admin, "admin")
    assert ask_for(tenant, "somebody", admin).status == 403
    assert ask(admin, "GET", f"/tenants/{tenant.slug}/erasures").status == 403


def test_who_left_no_data_in_the_tenant_is_not_found(make: Factory) -> None:
    here, there = make.tenant(), make.tenant()
    known(make, there, "somebody")
    answer = ask_for(here, "somebody")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert ask(here.owner, "GET", f"/tenants/{here.slug}/erasures").json == []


def test_whose_chats_are_all_archived_may_be_erased(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant = make.tenant()
    archived_file(superuser, tenant, new_id(), source="webchat_sessions")
    assert ask_for(tenant, "somebody").status == 202


@pytest.mark.parametrize("trace", ["member", "invited", "answer"])
def test_any_row_of_a_person_is_enough(make: Factory, trace: str, superuser: psycopg.Connection[Any]) -> None:
    tenant, person = make.tenant(), make.person()
    if trace == "member":
        make.member(tenant.id, person)
    if trace == "invited":
        make.invitation(tenant.id, person)
        person = Caller(user_id=f"mailto:{person.email}")
    if trace == "answer":
        superuser.execute(
            "INSERT INTO app.idempotency_keys (tenant_id, actor, key, fingerprint) VALUES (%s, %s, 'k', 'f')",
            (tenant.id, f"user:{person.user_id}"),
        )
    assert ask_for(tenant, person.user_id).status == 202


def test_a_tenant_has_twenty_open_erasures_and_no_more(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant, other = make.tenant(), make.tenant()
    known(make, tenant, *(f"person {number}" for number in range(21)))
    known(make, other, "somebody")
    asked = [ask_for(tenant, f"person {number}") for number in range(21)]
    assert [answer.status for answer in asked] == [202] * 20 + [409]
    assert asked[-1].json["code"] == "too_many_open"
    assert ask_for(other, "somebody").status == 202
    superuser.execute("UPDATE app.erasures SET state = 'done' WHERE id = %s", (UUID(asked[0].json["id"]),))
    assert ask_for(tenant, "person 20").status == 202
