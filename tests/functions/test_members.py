"""Members over HTTP: who invites, accepts, leaves and is removed, and that an owner always stays."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest

from flomastr.caller import Caller
from functions.members.handler import lambda_handler
from tests.support.clock import until
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.problems import refused

ROLES = ["member", "admin", "owner"]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Executor]:
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=meet, initargs=(spawn.Barrier(2),)) as sandboxes:
        yield sandboxes


def meet(barrier: Barrier) -> None:
    """Both start before either does anything, so that neither waits for a lock while the other is not there yet."""
    barrier.wait()


def ask(caller: Caller, method: str, tenant: Tenant, path: str = "/members", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/tenants/{tenant.slug}{path}", caller=caller, **request)


def accept(caller: Caller, tenant: Tenant, **request: Any) -> Answer:
    return ask(caller, "POST", tenant, "/invitation/accept", **request)


def decline(caller: Caller, tenant: Tenant) -> Answer:
    return ask(caller, "POST", tenant, "/invitation/decline")


def roles(tenant: Tenant) -> dict[str, tuple[str, str]]:
    rows = ask(tenant.owner, "GET", tenant, query={"limit": 250}).json
    return {row["user_id"]: (row["role"], row["status"]) for row in rows}


def with_role(make: Factory, tenant: Tenant, role: str, status: str = "active") -> Caller:
    person = make.person()
    make.member(tenant.id, person, role, status)
    return person


def named(person: Caller) -> str:
    return f"/member?user_id={person.user_id}"


def test_an_invitation_by_id_is_pending_until_it_is_accepted(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    invited = ask(tenant.owner, "POST", tenant, body={"user_id": person.user_id})
    assert (invited.status, invited.json["role"], invited.json["status"]) == (201, "member", "pending")
    assert invited.headers["location"] == f"/routes/tenants/{tenant.slug}{named(person)}"
    assert ask(person, "GET", tenant).status == 404
    accepted = accept(person, tenant)
    found = ask(person, "GET", tenant, named(person))
    assert (accepted.status, accepted.json, accepted.headers["etag"]) == (200, found.json, found.headers["etag"])
    assert accepted.json == invited.json | {"status": "active", "updated_at": accepted.json["updated_at"]}


def test_an_invitation_by_e_mail_becomes_that_persons_on_acceptance(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    invited = ask(tenant.owner, "POST", tenant, body={"email": str(person.email).upper(), "role": "admin"})
    assert invited.json["user_id"] == f"mailto:{person.email}"
    assert ask(tenant.owner, "GET", tenant, f"/member?user_id=mailto:{person.email}").json == invited.json
    accepted = accept(Caller(user_id=person.user_id, email=str(person.email).title()), tenant)
    assert accepted.json["user_id"] == person.user_id
    assert roles(tenant)[str(person.user_id)] == ("admin", "active")
    assert ask(tenant.owner, "GET", tenant, f"/member?user_id=mailto:{person.email}").status == 404


@pytest.mark.parametrize(
    "user_id", ["a b", "a/b", "a?b", "100%", "%41", "\u00e9", ".", "https://login.example/005?x=1#2"]
)
def test_a_member_may_have_any_id(make: Factory, user_id: str) -> None:
    tenant = make.tenant()
    invited = ask(tenant.owner, "POST", tenant, body={"user_id": user_id})
    where = invited.headers["location"].partition(tenant.slug)[2]
    assert where == f"/member?{urlencode({'user_id': user_id})}"
    assert ask(tenant.owner, "GET", tenant, where).json == invited.json
    assert accept(Caller(user_id=user_id), tenant).json["user_id"] == user_id
    assert ask(tenant.owner, "PUT", tenant, where, body={"role": "admin"}).json["role"] == "admin"
    assert ask(tenant.owner, "DELETE", tenant, where).status == 200
    assert roles(tenant).keys() == {tenant.owner.user_id}


def test_nobody_else_accepts_or_declines_an_invitation(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    make.invitation(tenant.id, person)
    unverified, longer = Caller(user_id=person.user_id), Caller(user_id="x", email=f"x{person.email}")
    for other in (make.person(), unverified, longer, make.super_admin(), Caller(user_id=person.email)):
        for answer in (accept(other, tenant), decline(other, tenant)):
            assert (answer.status, answer.json["code"]) == (404, "tenant_not_found")
    member, invited = with_role(make, tenant, "member"), with_role(make, tenant, "member", "pending")
    assert (accept(member, tenant).status, decline(member, tenant).status) == (404, 404)
    assert (accept(invited, tenant).status, decline(invited, tenant).status) == (200, 404)
    assert roles(tenant)[f"mailto:{person.email}"] == ("member", "pending")


def test_accepting_twice_finds_no_invitation_but_a_repeated_request_its_answer(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    make.invitation(tenant.id, person)
    first = accept(person, tenant, headers={"idempotency-key": "k"})
    assert (first.status, accept(person, tenant).status, accept(person, tenant).json["code"]) == (200, 404, "not_found")
    assert accept(person, tenant, headers={"idempotency-key": "k"}).json == first.json


def test_who_declines_may_be_invited_again(make: Factory) -> None:
    tenant, person = make.tenant(), make.person()
    make.invitation(tenant.id, person, "owner")
    assert decline(person, tenant).status == 200
    assert (accept(person, tenant).status, decline(person, tenant).status) == (404, 404)
    assert ask(tenant.owner, "POST", tenant, body={"email": person.email}).status == 201
    assert accept(person, tenant).json["role"] == "member"


def test_a_member_who_is_invited_by_e_mail_declines_the_invitation_and_stays(make: Factory) -> None:
    tenant = make.tenant()
    person = with_role(make, tenant, "admin")
    make.invitation(tenant.id, person, "owner")
    assert accept(person, tenant).status == 409
    assert decline(person, tenant).status == 200
    assert roles(tenant) == {str(person.user_id): ("admin", "active"), str(tenant.owner.user_id): ("owner", "active")}


@pytest.mark.parametrize(("by_id", "by_email"), [("member", "admin"), ("admin", "member")])
def test_of_two_invitations_by_id_and_by_e_mail_the_higher_role_counts(
    make: Factory, by_id: str, by_email: str
) -> None:
    tenant = make.tenant()
    person = with_role(make, tenant, by_id, "pending")
    make.invitation(tenant.id, person, by_email)
    assert accept(person, tenant).json["role"] == "admin"
    assert roles(tenant) == {str(person.user_id): ("admin", "active"), str(tenant.owner.user_id): ("owner", "active")}


@pytest.mark.parametrize("status", ["active", "pending"])
def test_nobody_is_invited_twice(make: Factory, status: str) -> None:
    tenant = make.tenant()
    person = with_role(make, tenant, "member", status)
    make.invitation(tenant.id, person)
    assert ask(tenant.owner, "POST", tenant, body={"user_id": person.user_id}).status == 409
    assert ask(tenant.owner, "POST", tenant, body={"email": str(person.email).upper()}).status == 409


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, {"user_id": "x", "email": "x@y.z"}, {"email": None}])
def test_an_invitation_says_in_one_way_whom_it_is_for(make: Factory, body: dict[str, Any]) -> None:
    refused(ask((tenant := make.tenant()).owner, "POST", tenant, body=body), 422, "body")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("user_id", bad) for bad in ("", " ", "x" * 256, 7, "a\x00", "a\nb", "\x7f", "\x85", "mailto:x@y.z")),
        *(("email", bad) for bad in ("", "x", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "x" * 247 + "@y", 7)),
        *(("role", bad) for bad in ("super_admin", "Owner", "", None)),
    ],
)
def test_who_cannot_be_invited_is_reported_by_field(make: Factory, field: str, value: Any) -> None:
    tenant = make.tenant()
    somebody = {"email": "x@y.z"} if field == "role" else {}
    refused(ask(tenant.owner, "POST", tenant, body=somebody | {field: value}), 422, f"body.{field}")


def test_the_longest_address_is_invited(make: Factory) -> None:
    tenant, email = make.tenant(), "x" * 246 + "@y"
    assert ask(tenant.owner, "POST", tenant, body={"email": email}).json["user_id"] == f"mailto:{email}"


@pytest.mark.parametrize("role", ROLES)
def test_who_administers_invites_up_to_the_own_role(make: Factory, role: str) -> None:
    tenant = make.tenant()
    admin = with_role(make, tenant, "admin")
    assert ask(admin, "POST", tenant, body={"email": "x@y.z", "role": role}).status == (403 if role == "owner" else 201)
    assert ask(tenant.owner, "POST", tenant, body={"email": "a@b.c", "role": role}).status == 201


@pytest.mark.parametrize(("before", "after"), [(before, after) for before in ROLES for after in ROLES])
def test_an_admin_neither_makes_nor_touches_owners(make: Factory, before: str, after: str) -> None:
    tenant = make.tenant()
    admin, person = with_role(make, tenant, "admin"), with_role(make, tenant, before)
    answer = ask(admin, "PUT", tenant, named(person), body={"role": after})
    allowed = "owner" not in (before, after)
    assert answer.status == (200 if allowed else 403)
    assert roles(tenant)[str(person.user_id)] == (after if allowed else before, "active")


@pytest.mark.parametrize("role", ROLES)
def test_an_admin_removes_everybody_but_owners(make: Factory, role: str) -> None:
    tenant = make.tenant()
    admin, person = with_role(make, tenant, "admin"), with_role(make, tenant, role)
    assert ask(admin, "DELETE", tenant, named(person)).status == (403 if role == "owner" else 200)
    assert (str(person.user_id) in roles(tenant)) == (role == "owner")


def test_an_admin_does_not_become_owner_alone_and_may_step_down(make: Factory) -> None:
    tenant = make.tenant()
    admin = with_role(make, tenant, "admin")
    assert ask(admin, "PUT", tenant, named(admin), body={"role": "owner"}).status == 403
    assert ask(admin, "PUT", tenant, named(admin), body={"role": "member"}).json["role"] == "member"
    assert ask(admin, "PUT", tenant, named(admin), body={"role": "admin"}).status == 403


@pytest.mark.parametrize("role", ROLES)
def test_everybody_leaves_alone_but_a_member_removes_nobody_else(make: Factory, role: str) -> None:
    tenant = make.tenant()
    person, other = with_role(make, tenant, role), with_role(make, tenant, "member")
    assert ask(other, "DELETE", tenant, named(person)).status == 403
    assert ask(person, "DELETE", tenant, named(person)).status == 200
    assert ask(person, "GET", tenant).status == 404


@pytest.mark.parametrize(("method", "body"), [("PUT", {"role": "admin"}), ("DELETE", None)])
def test_the_last_owner_neither_steps_down_nor_leaves(make: Factory, method: str, body: Any) -> None:
    tenant = make.tenant()
    make.invitation(tenant.id, make.person(), "owner")
    with_role(make, tenant, "owner", "inactive")
    for caller in (tenant.owner, make.super_admin()):
        assert ask(caller, method, tenant, named(tenant.owner), body=body).json["code"] == "last_owner"
    second = with_role(make, tenant, "owner")
    assert ask(second, method, tenant, named(tenant.owner), body=body).status == 200
    assert ask(second, "DELETE", tenant, named(second)).json["code"] == "last_owner"


def send(tenant: Tenant, caller: Caller, method: str, path: str, body: Any, headers: dict[str, str]) -> int:
    return ask(caller, method, tenant, path, body=body, headers=headers).status


@pytest.mark.parametrize(("method", "body"), [("PUT", {"role": "member"}), ("DELETE", None)])
def test_of_the_two_last_owners_who_leave_at_once_one_stays(
    make: Factory, superuser: psycopg.Connection[Any], sandboxes: Executor, method: str, body: Any
) -> None:
    tenant = make.tenant()
    owners = [tenant.owner, with_role(make, tenant, "owner")]
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with superuser.transaction():
        superuser.execute("SELECT FROM app.tenants WHERE id = %s FOR UPDATE", (tenant.id,))
        leaving = [sandboxes.submit(send, tenant, owner, method, named(owner), body, {}) for owner in owners]
        until(lambda: make.conn.execute(waiting).rowcount == 2)
    assert sorted(left.result() for left in leaving) == [200, 409]
    counted = superuser.execute(
        "SELECT count(*) FROM app.tenant_memberships WHERE tenant_id = %s AND role = 'owner'", (tenant.id,)
    )
    assert counted.fetchall() == [(1,)]


def test_of_two_writes_at_once_with_one_etag_one_happens(make: Factory, sandboxes: Executor) -> None:
    tenant = make.tenant()
    person = with_role(make, tenant, "member")
    for role in ("admin", "member", "admin"):
        tag = {"if-match": ask(tenant.owner, "GET", tenant, named(person)).headers["etag"]}
        writes = [
            sandboxes.submit(send, tenant, tenant.owner, "PUT", named(person), {"role": role}, tag) for _ in range(4)
        ]
        assert sorted(write.result() for write in writes) == [200, 412, 412, 412]
    assert ask(tenant.owner, "DELETE", tenant, named(person), headers=tag).status == 412
    tag = {"if-match": ask(tenant.owner, "GET", tenant, named(person)).headers["etag"]}
    assert ask(tenant.owner, "DELETE", tenant, named(person), headers=tag).status == 200
