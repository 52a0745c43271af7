"""Who vouches for an invitation: what somebody may no longer give is no longer accepted."""

from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from functions.lifecycle.handler import lambda_handler as lifecycle
from tests.functions.test_members import accept, ask, decline, named, roles, with_role
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.problems import refused


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    return make.tenant()


@pytest.fixture
def inviter(make: Factory, tenant: Tenant) -> Caller:
    return with_role(make, tenant, "owner")


@pytest.fixture
def friend(make: Factory) -> Caller:
    return make.person()


def invite(inviter: Caller, tenant: Tenant, role: str, **whom: Any) -> Answer:
    answer = ask(inviter, "POST", tenant, body={"role": role} | whom)
    assert answer.status == 201, answer.body
    return answer


def give(giver: Caller, tenant: Tenant, path: str, role: str) -> None:
    assert ask(giver, "PUT", tenant, path, body={"role": role}).status == 200


def is_void(answer: Answer) -> None:
    refused(answer, 409)
    assert answer.json["code"] == "invitation_is_void"
    assert answer.json["detail"] == "Who invited you may not give this role any more. Ask for a new invitation."


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
def test_nobody_invites_the_own_address(tenant: Tenant, role: str) -> None:
    """Else an owner who is demoted afterwards would accept the old role."""
    for email in (str(tenant.owner.email), str(tenant.owner.email).upper()):
        answer = ask(tenant.owner, "POST", tenant, body={"email": email, "role": role})
        refused(answer, 409)
        assert answer.json["detail"] == "You belong to the tenant already."
    assert roles(tenant) == {str(tenant.owner.user_id): ("owner", "active")}


def test_a_demoted_owner_has_no_friend_made_owner(tenant: Tenant, inviter: Caller, friend: Caller) -> None:
    invite(inviter, tenant, "owner", email=friend.email)
    give(tenant.owner, tenant, named(inviter), "admin")
    is_void(accept(friend, tenant))
    assert roles(tenant)[f"mailto:{friend.email}"] == ("owner", "pending")
    assert decline(friend, tenant).status == 200


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
def test_what_a_removed_owner_has_invited_is_void(tenant: Tenant, inviter: Caller, friend: Caller, role: str) -> None:
    invite(inviter, tenant, role, user_id=friend.user_id)
    assert ask(tenant.owner, "DELETE", tenant, named(inviter)).status == 200
    is_void(accept(friend, tenant))


def test_an_inviter_who_is_no_longer_active_vouches_for_nobody(
    superuser: psycopg.Connection[Any], tenant: Tenant, inviter: Caller, friend: Caller
) -> None:
    invite(inviter, tenant, "member", user_id=friend.user_id)
    superuser.execute("UPDATE app.tenant_memberships SET status = 'inactive' WHERE user_id = %s", (inviter.user_id,))
    is_void(accept(friend, tenant))


@pytest.mark.parametrize(("now", "role", "holds"), [
    ("owner", "owner", True), ("owner", "member", True), ("admin", "admin", True), ("admin", "member", True),
    ("admin", "owner", False), ("member", "admin", False), ("member", "member", False),
])  # fmt: skip
def test_an_invitation_holds_while_the_inviter_may_still_give_its_role(
    tenant: Tenant, inviter: Caller, friend: Caller, now: str, role: str, holds: bool
) -> None:
    invite(inviter, tenant, role, email=friend.email)
    give(tenant.owner, tenant, named(inviter), now)
    accepted = accept(friend, tenant)
    if holds:
        assert (accepted.status, roles(tenant)[str(friend.user_id)]) == (200, (role, "active"))
    else:
        is_void(accepted)
        assert roles(tenant)[f"mailto:{friend.email}"] == (role, "pending")


def test_who_was_promoted_again_vouches_again(tenant: Tenant, inviter: Caller, friend: Caller) -> None:
    invite(inviter, tenant, "owner", email=friend.email)
    give(tenant.owner, tenant, named(inviter), "member")
    is_void(accept(friend, tenant))
    give(tenant.owner, tenant, named(inviter), "owner")
    assert accept(friend, tenant).json["role"] == "owner"


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_whoever_changes_the_role_of_somebody_invited_vouches_anew(
    tenant: Tenant, inviter: Caller, friend: Caller, role: str
) -> None:
    path = invite(inviter, tenant, "owner", email=friend.email).headers["location"].partition(tenant.slug)[2]
    assert ask(tenant.owner, "DELETE", tenant, named(inviter)).status == 200
    is_void(accept(friend, tenant))
    give(tenant.owner, tenant, path, role)
    assert accept(friend, tenant).json["role"] == role


def test_the_role_that_somebody_else_gave_falls_with_who_gave_it(
    tenant: Tenant, inviter: Caller, friend: Caller
) -> None:
    invite(tenant.owner, tenant, "member", user_id=friend.user_id)
    give(inviter, tenant, named(friend), "owner")
    give(tenant.owner, tenant, named(inviter), "admin")
    is_void(accept(friend, tenant))


def test_a_refused_change_of_role_leaves_who_vouches(
    make: Factory, tenant: Tenant, inviter: Caller, friend: Caller
) -> None:
    invite(inviter, tenant, "member", user_id=friend.user_id)
    give(tenant.owner, tenant, named(inviter), "member")
    admin, change = with_role(make, tenant, "admin"), {"role": "owner"}
    assert ask(admin, "PUT", tenant, named(friend), body=change).status == 403
    stale = {"if-match": '"older"'}
    assert ask(tenant.owner, "PUT", tenant, named(friend), body=change, headers=stale).status == 412
    is_void(accept(friend, tenant))


def test_super_admins_need_not_belong_to_the_tenant_to_invite(make: Factory, tenant: Tenant, friend: Caller) -> None:
    helper = make.super_admin()
    invite(helper, tenant, "owner", email=friend.email)
    assert accept(friend, tenant).json["role"] == "owner"


def test_a_super_admin_confirms_what_a_removed_owner_has_invited(
    make: Factory, tenant: Tenant, inviter: Caller, friend: Caller
) -> None:
    invite(inviter, tenant, "owner", user_id=friend.user_id)
    assert ask(tenant.owner, "DELETE", tenant, named(inviter)).status == 200
    give(make.super_admin(), tenant, named(friend), "owner")
    assert accept(friend, tenant).json["role"] == "owner"


def test_nobody_need_vouch_for_the_owner_whom_the_platform_invites(make: Factory, friend: Caller) -> None:
    slug = str(friend.user_id).replace("_", "-")
    body = {"tenant_slug": slug, "owner_email": friend.email}
    path = "/routes/api/v1/admin/tenants/provision"
    made = call(lifecycle, "POST", path, body=body, caller=make.super_admin())
    assert made.status == 201, made.body
    tenant = Tenant(made.json["tenant_id"], slug, friend)
    assert accept(friend, tenant).json["role"] == "owner"


def test_of_two_invitations_the_one_that_is_void_can_be_declined_and_the_tenant_invites_anew(
    tenant: Tenant, inviter: Caller, friend: Caller
) -> None:
    invite(inviter, tenant, "owner", email=friend.email)
    give(tenant.owner, tenant, named(inviter), "member")
    invite(tenant.owner, tenant, "member", user_id=friend.user_id)
    is_void(accept(friend, tenant))
    assert decline(friend, tenant).status == 200
    invite(tenant.owner, tenant, "admin", email=friend.email)
    assert accept(friend, tenant).json["role"] == "admin"
