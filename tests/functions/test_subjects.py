"""What a token may call a person: whatever issuers call their own, and never somebody who is invited."""

from typing import Any
from uuid import uuid4

import pytest

from flomastr.caller import Caller
from functions.api_keys.handler import lambda_handler as api_keys
from functions.erasures.handler import lambda_handler as erasures
from functions.lifecycle.handler import lambda_handler as lifecycle
from functions.members.handler import lambda_handler as members
from functions.preferences.handler import lambda_handler as preferences
from functions.users.handler import lambda_handler as users
from functions.webchat.handler import lambda_handler as webchat
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

NAMES = [
    "https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P",  # Salesforce
    "cn=Zoë Müller, ou=Büro/Köln, o=Acme",  # SAML
    "acme\\zoë",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "利用者 一",
    "'; DROP TABLE app.tenants; --",
    "100% ?&#%2F+",
    "x" * 255,
]
NO_NAMES = [
    *("", " ", "\u00a0\u3000", "a\x00b", "a\nb", "\t", "\x7f", "a\x85b", "\ud800", "a\udfffb", "x" * 256),
    *("mailto:one@example.com", "mailto:", "MAILTO:one@example.com", "MailTo:x"),
]


def status(caller: Caller) -> Answer:
    return call(users, "GET", "/routes/api/v1/users/me/status", caller=caller)


@pytest.mark.parametrize("name", NO_NAMES)
def test_who_cannot_be_named_is_nobody(name: str) -> None:
    answer = status(Caller.model_construct(user_id=name))
    assert (answer.status, answer.json["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("email", ["a\x00@example.com", "a\n@example.com", "\ud800@example.com"])
def test_an_address_that_cannot_be_kept_is_nobodys(email: Any) -> None:
    assert status(Caller.model_construct(user_id="user_1", email=email)).status == 401


@pytest.mark.parametrize("address", ["mailto:{}", "MAILTO:{}"])
def test_nobody_accepts_an_invitation_by_being_called_like_it(make: Factory, address: str) -> None:
    tenant, invited = make.tenant(), make.person()
    make.invitation(tenant.id, invited, "owner")
    thief = Caller(user_id=address.format(invited.email))
    for action in ("accept", "decline"):
        path = f"/routes/tenants/{tenant.slug}/invitation/{action}"
        assert call(members, "POST", path, caller=thief).status == 401
    assert call(members, "POST", f"/routes/tenants/{tenant.slug}/invitation/accept", caller=invited).status == 200


@pytest.fixture(params=NAMES)
def person(request: pytest.FixtureRequest) -> Caller:
    return Caller(user_id=request.param)


@pytest.fixture
def joined(make: Factory, person: Caller) -> Tenant:
    """A tenant that the person was invited to by name, and has joined."""
    tenant = make.tenant()
    path = f"/routes/tenants/{tenant.slug}"
    invited = call(members, "POST", f"{path}/members", body={"user_id": person.user_id}, caller=tenant.owner)
    assert invited.status == 201, invited.body
    accepted = call(members, "POST", f"{path}/invitation/accept", caller=person)
    assert (accepted.status, accepted.json["user_id"]) == (200, person.user_id)
    return tenant


def test_every_name_of_an_issuer_is_known_by_its_own_status(person: Caller, joined: Tenant) -> None:
    own = status(person).json
    assert own["user_id"] == person.user_id
    assert joined.slug in {membership["tenant_slug"] for membership in own["memberships"]}


def test_every_name_of_an_issuer_has_preferences_and_chats(make: Factory, person: Caller, joined: Tenant) -> None:
    new = {"user_id": person.user_id, "preferences": {"theme": "dark"}, "tenant_id": joined.slug}
    stored = call(preferences, "POST", "/routes/user-preferences", body=new, caller=person)
    assert (stored.status, stored.json["user_id"]) == (201, person.user_id)
    assert stored.headers["location"].isascii()
    within = {"x-tenant": joined.slug}
    session = {"user_id": person.user_id, "workflow_id": str(make.workflow(joined))}
    opened = call(webchat, "POST", "/routes/webchat/sessions", body=session, caller=person, headers=within)
    assert (opened.status, opened.json["user_id"]) == (201, person.user_id)


def test_every_name_of_an_issuer_is_written_down_and_can_be_erased(
    make: Factory, person: Caller, joined: Tenant
) -> None:
    admin = {"id": joined.id, "user_id": person.user_id}
    make.within(
        joined.id, "UPDATE app.tenant_memberships SET role = 'admin' WHERE user_id = %(user_id)s RETURNING id", admin
    )
    new = {"name": "n8n", "scopes": ["events:write"]}
    issued = call(api_keys, "POST", "/routes/api-keys", body=new | {"tenant_id": joined.slug}, caller=person)
    assert (issued.status, issued.json["created_by"]) == (201, f"user:{person.user_id}")
    path = f"/routes/tenants/{joined.slug}/erasures"
    asked = call(erasures, "POST", path, body={"user_id": person.user_id}, caller=joined.owner)
    assert (asked.status, asked.json["user_id"]) == (202, person.user_id)


def test_a_tenant_is_made_for_any_name(make: Factory, person: Caller) -> None:
    made = {"tenant_slug": f"t-{uuid4().hex}", "owner_email": "o@example.com", "owner_user_id": person.user_id}
    answer = call(lifecycle, "POST", "/routes/api/v1/admin/tenants/provision", body=made, caller=make.super_admin())
    assert answer.status == 201, answer.body
    memberships = {found["tenant_slug"]: found["role"] for found in status(person).json["memberships"]}
    assert memberships[made["tenant_slug"]] == "owner"
