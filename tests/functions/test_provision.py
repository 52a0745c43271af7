"""Provisioning over HTTP: a tenant, its owner and the record of it at once, or nothing."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from functions.lifecycle.handler import lambda_handler
from functions.members.handler import lambda_handler as members
from functions.tenants.handler import lambda_handler as tenants
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def admin(make: Factory) -> Caller:
    return make.super_admin()


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Executor]:
    with ProcessPoolExecutor(5, get_context("spawn")) as sandboxes:
        yield sandboxes


def provision(admin: Caller, body: dict[str, Any], **request: Any) -> Answer:
    return call(lambda_handler, "POST", "/routes/api/v1/admin/tenants/provision", body=body, caller=admin, **request)


def status_of(admin: Caller, body: dict[str, Any]) -> int:
    return provision(admin, body).status


def new_slug(make: Factory) -> str:
    return str(make.person().user_id).replace("_", "-")


def test_a_tenant_is_provisioned_for_an_owner_who_is_known(make: Factory, admin: Caller) -> None:
    slug, owner = new_slug(make), make.person()
    new = {"tenant_slug": slug, "owner_email": str(owner.email).upper(), "owner_user_id": owner.user_id}
    made = provision(admin, new | {"tenant_name": "Acme", "n8n_url": "https://n8n.example"})
    assert (made.status, made.headers["location"]) == (201, f"/routes/tenants/{slug}")
    assert made.json.items() >= ({"success": True, "owner_email": owner.email, "owner_user_id": owner.user_id}).items()
    shown = call(tenants, "GET", f"/routes/tenants/{slug}", caller=owner).json
    assert (shown["id"], shown["name"], shown["n8n_url"]) == (made.json["tenant_id"], "Acme", "https://n8n.example")
    status = call(lambda_handler, "GET", f"/routes/status/{slug}", caller=admin).json
    assert [(done["action"], done["actor"]) for done in status["actions"]] == [("provision", f"user:{admin.user_id}")]


def test_an_owner_who_is_known_by_e_mail_alone_accepts_first(make: Factory, admin: Caller) -> None:
    slug, owner = new_slug(make), make.person()
    made = provision(admin, {"tenant_slug": slug, "owner_email": str(owner.email).upper()})
    assert (made.status, made.json["owner_user_id"]) == (201, f"mailto:{owner.email}")
    accept = f"/routes/tenants/{slug}/invitation/accept"
    unverified, other = Caller(user_id=owner.user_id), Caller(user_id=owner.user_id, email=f"x{owner.email}")
    assert [call(members, "POST", accept, caller=caller).status for caller in (unverified, other)] == [404, 404]
    assert call(tenants, "GET", f"/routes/tenants/{slug}", caller=owner).status == 404
    accepted = call(members, "POST", accept, caller=Caller(user_id=owner.user_id, email=str(owner.email).title()))
    assert accepted.json.items() >= {"id": made.json["membership_id"], "role": "owner", "status": "active"}.items()
    assert call(tenants, "GET", f"/routes/tenants/{slug}", caller=owner).json["name"] == slug


def made_of(superuser: Superuser, slug: str) -> tuple[int, ...]:
    """How many tenants, memberships and actions there are of a slug."""
    return superuser.execute(
        "SELECT count(DISTINCT t.id), count(DISTINCT m.id), count(DISTINCT a.id)"
        " FROM app.tenant_actions AS a FULL JOIN app.tenants AS t ON a.tenant_id = t.id"
        " LEFT JOIN app.tenant_memberships AS m ON m.tenant_id = t.id WHERE %s IN (t.slug, a.slug)",
        (slug,),
    ).fetchall()[0]


def test_of_twenty_who_provision_one_slug_at_once_one_does(
    make: Factory, admin: Caller, superuser: Superuser, sandboxes: Executor
) -> None:
    slug = new_slug(make)
    new = [{"tenant_slug": slug, "owner_email": f"{n}@example.com", "owner_user_id": f"user-{n}"} for n in range(20)]
    sent = [sandboxes.submit(status_of, admin, body) for body in new]
    assert sorted(answer.result() for answer in sent) == [201] + [409] * 19
    assert made_of(superuser, slug) == (1, 1, 1)


def test_nothing_is_left_of_a_provision_whose_membership_fails(
    make: Factory, admin: Caller, superuser: Superuser
) -> None:
    slug = new_slug(make)
    new = {"tenant_slug": slug, "owner_email": "a@b.c", "owner_user_id": f"refused-{slug}"}
    superuser.execute(
        "ALTER TABLE app.tenant_memberships ADD CONSTRAINT refused CHECK (user_id NOT LIKE 'refused-%') NOT VALID"
    )
    failed = provision(admin, new, headers={"idempotency-key": slug})
    superuser.execute("ALTER TABLE app.tenant_memberships DROP CONSTRAINT refused")
    assert (failed.status, made_of(superuser, slug)) == (422, (0, 0, 0))
    assert provision(admin, new, headers={"idempotency-key": slug}).status == 201


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("tenant_slug", ["", "BAD slug!!", "-a", "a-", "A", "a" * 64, None]),
        ("owner_email", ["", "x", "a b@c", "a@b/c", None]),
        ("owner_user_id", ["", "a\nb", "x" * 256, "mailto:x@y.z"]),
        ("tenant_name", ["", "x" * 256]),
        ("n8n_url", ["javascript:x", "x"]),
        ("status", ["active"]),
    ],
)
def test_what_cannot_be_provisioned_is_reported_by_field(
    make: Factory, admin: Caller, field: str, values: list[Any]
) -> None:
    for value in values:
        body = {"tenant_slug": new_slug(make), "owner_email": "a@b.c", field: value}
        refused(provision(admin, body), 422, f"body.{field}")
