"""Tenants over HTTP: who sees which, what a slug may be, and what a deleted tenant still is."""

from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from functions.tenants.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.problems import refused

PATH = "/routes/tenants"


def ask(caller: Caller, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, PATH + path, caller=caller, **request)


def listed(caller: Caller, **query: Any) -> list[str]:
    """The slugs of all pages, newest first."""
    slugs: list[str] = []
    query |= {"limit": 250}
    path = ""
    while True:
        answer = ask(caller, "GET", path, query=query)
        assert answer.status == 200, answer.body
        slugs += [tenant["slug"] for tenant in answer.json]
        if "link" not in answer.headers:
            return slugs
        path, query = answer.headers["link"].split(">")[0].removeprefix(f"<{PATH}"), {}


def new_slug(make: Factory) -> str:
    return str(make.person().user_id).replace("_", "-")


def test_a_super_admin_makes_a_tenant_and_finds_it_where_location_says(make: Factory) -> None:
    admin, slug = make.super_admin(), new_slug(make)
    new = {
        "slug": slug,
        "name": "Acme",
        "n8n_url": "https://n8n.example/",
        "confidence_threshold": 0,
        "hot_ttl_days": 7,
    }
    created = ask(admin, "POST", body=new)
    assert (created.status, created.headers["location"]) == (201, f"{PATH}/{slug}")
    assert created.json.items() >= (new | {"status": "active", "deleted_at": None, "branding_settings": {}}).items()
    found = ask(admin, "GET", f"/{slug}")
    assert (found.json, found.headers["etag"]) == (created.json, created.headers["etag"])


def test_a_new_tenant_has_the_documented_defaults(make: Factory) -> None:
    made = ask(make.super_admin(), "POST", body={"slug": new_slug(make), "name": "Acme"}).json
    assert (made["confidence_threshold"], made["hot_ttl_days"], made["n8n_url"]) == (0.8, 30, None)


def test_a_slug_is_taken_once_even_by_a_deleted_tenant(make: Factory) -> None:
    admin, deleted = make.super_admin(), make.tenant(deleted_at="2026-01-01")
    for slug in (deleted.slug, make.tenant().slug):
        answer = ask(admin, "POST", body={"slug": slug, "name": "Again"})
        assert (answer.status, answer.json["detail"]) == (409, "body.slug: it is taken.")


def test_repeated_under_its_idempotency_key_a_tenant_is_made_once(make: Factory) -> None:
    admin, other, slug = make.super_admin(), make.super_admin(), new_slug(make)
    request: dict[str, Any] = {"body": {"slug": slug, "name": "Acme"}, "headers": {"idempotency-key": slug}}
    first = ask(admin, "POST", **request)
    assert first.status == 201
    assert ask(admin, "POST", **request) == first
    assert ask(other, "POST", **request).status == 409


@pytest.mark.parametrize("form", ["a", "7", "a-b", "a--b", "0-0", "{}" + "a" * 51, "not-a-uuid-{}"])
def test_a_slug_has_lower_case_letters_digits_and_hyphens_between_them(
    make: Factory, superuser: psycopg.Connection[Any], form: str
) -> None:
    slug = form.format(new_slug(make)[-12:])
    created = ask(make.super_admin(), "POST", body={"slug": slug, "name": "Acme"})
    superuser.execute("DELETE FROM app.tenants WHERE slug = %s", (slug,))
    assert (created.status, len(slug) <= 63) == (201, True)


@pytest.mark.parametrize(
    "slug", ["", "-a", "a-", "-", "A", "Acme", "a_b", "a.b", "a b", "a/b", "ä", "a\n", "\u0661", "a" * 64, 7, None]
)
def test_no_other_slug_is_taken(make: Factory, slug: Any) -> None:
    refused(ask(make.super_admin(), "POST", body={"slug": slug, "name": "Acme"}), 422, "body.slug")


@pytest.mark.parametrize(
    "slug",
    ["01a202a4-a042-7297-8f22-c03c81fc4408", "01a202a4a04272978f22c03c81fc4408", "a" * 32, "0" * 8 + "-" + "0" * 24],
)
def test_a_slug_has_not_the_form_of_an_id(make: Factory, slug: str) -> None:
    answer = ask(make.super_admin(), "POST", body={"slug": slug, "name": "Acme"})
    assert answer.status == 422


@pytest.mark.parametrize("length", [31, 33])
def test_a_slug_of_hexadecimal_digits_that_is_no_id_is_taken(make: Factory, length: int) -> None:
    slug = new_slug(make)[-12:] * 3
    answer = ask(make.super_admin(), "POST", body={"slug": slug[:length], "name": "Acme"})
    assert answer.status == 201


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", ["", "x" * 256, None, "a\x00b"]),
        (
            "n8n_url",
            ["", "n8n.example", "javascript:alert(1)", "ftp://x", "https://", "https://x y", "http://" + "x" * 249],
        ),
        ("confidence_threshold", [-0.01, 1.01, "0.5", None, True]),
        ("hot_ttl_days", [0, 366, 1.5, "30", None, True]),
        ("status", ["suspended"]),
        ("tenant_id", ["acme"]),
    ],
)
def test_what_a_tenant_cannot_be_is_reported_by_field(make: Factory, field: str, values: list[Any]) -> None:
    admin = make.super_admin()
    for value in values:
        answer = ask(admin, "POST", body={"slug": new_slug(make), "name": "Acme", field: value})
        refused(answer, 422, f"body.{field}")


@pytest.mark.parametrize("field", ["status", "slug", "deleted_at", "hot_ttl_days", "branding_settings"])
def test_a_tenant_does_not_change_by_itself_what_others_decide(make: Factory, field: str) -> None:
    tenant = make.tenant()
    refused(ask(tenant.owner, "PUT", f"/{tenant.slug}", body={field: None}), 422, f"body.{field}")


def test_a_tenant_is_renamed_and_its_address_is_cleared(make: Factory) -> None:
    tenant = make.tenant()
    before = ask(tenant.owner, "PUT", f"/{tenant.slug}", body={"n8n_url": "https://n8n.example"}).json
    renamed = ask(tenant.owner, "PUT", f"/{tenant.slug}", body={"name": "x" * 255}).json
    assert renamed == before | {"name": "x" * 255, "updated_at": renamed["updated_at"]}
    assert ask(tenant.owner, "PUT", f"/{tenant.slug}", body={"n8n_url": None}).json["n8n_url"] is None


def names_of(tenant: Tenant) -> list[str]:
    return [tenant.slug, tenant.slug.upper(), str(tenant.id), str(tenant.id).upper(), tenant.id.hex]


def test_a_path_names_a_tenant_by_its_slug_or_id_in_any_form(make: Factory) -> None:
    tenant = make.tenant()
    answers = [ask(tenant.owner, "GET", f"/{name}") for name in names_of(tenant)]
    assert [(answer.status, answer.json["slug"]) for answer in answers] == [(200, tenant.slug)] * 5


def test_the_tenant_is_that_of_the_path_whatever_a_header_says(make: Factory) -> None:
    here, there = make.tenant(), make.tenant()
    make.member(there.id, here.owner)
    assert ask(here.owner, "GET", f"/{here.slug}", headers={"x-tenant": there.slug}).json["id"] == str(here.id)
    refused(ask(here.owner, "GET", f"/{here.slug}?tenant_id={there.slug}"), 422, "query.tenant_id")


def test_a_tenant_of_others_is_like_one_that_does_not_exist(make: Factory) -> None:
    owner, other = make.tenant().owner, make.tenant()
    answers = [ask(owner, "GET", f"/{name}") for name in (other.slug, str(other.id), "nowhere", str(make.tenant().id))]
    assert [answer.status for answer in answers] == [404] * 4
    assert len({answer.body for answer in answers}) == 1


def test_people_list_the_tenants_that_they_belong_to_and_no_others(make: Factory) -> None:
    person = make.person()
    mine = [make.tenant(), make.tenant()]
    for tenant, role in zip(mine, ("member", "admin"), strict=True):
        make.member(tenant.id, person, role)
    for status in ("pending", "inactive"):
        make.member(make.tenant().id, person, status=status)
    make.invitation(make.tenant().id, person)
    make.member(make.tenant(deleted_at="2026-01-01").id, person, "owner")
    assert sorted(listed(person)) == sorted(tenant.slug for tenant in mine)
    assert listed(person, deleted=True) == []
    counted = ask(person, "GET", query={"limit": 1}, headers={"prefer": "count=exact"})
    assert (len(counted.json), counted.headers["x-total-count"]) == (1, "2")


def test_suspended_tenants_are_shown_to_their_owners_alone(make: Factory) -> None:
    suspended, member = make.tenant(status="suspended"), make.person()
    make.member(suspended.id, member, "admin")
    assert listed(member) == []
    assert listed(suspended.owner) == listed(suspended.owner, status="suspended") == [suspended.slug]
    assert listed(suspended.owner, status="active") == []


def test_a_global_admin_lists_no_more_than_anybody(make: Factory) -> None:
    make.tenant()
    assert listed(make.global_role("admin")) == []


def test_a_super_admin_lists_all_tenants_newest_first_and_deleted_ones_on_demand(make: Factory) -> None:
    admin = make.super_admin()
    kept, gone = make.tenant(status="inactive"), make.tenant(deleted_at="2026-01-01")
    newest = ask(admin, "POST", body={"slug": new_slug(make), "name": "Newest"}).json
    assert newest["slug"] in listed(admin) and kept.slug in listed(admin)
    assert gone.slug not in listed(admin)
    deleted = listed(admin, deleted=True)
    assert gone.slug in deleted and kept.slug not in deleted
    assert kept.slug in listed(admin, status="inactive") and newest["slug"] not in listed(admin, status="inactive")
    ids = [tenant["id"] for tenant in ask(admin, "GET", query={"limit": 250}).json]
    assert ids == sorted(ids, reverse=True)


def test_a_list_carries_no_logos(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant = make.tenant()
    settings = '{"logo_svg": "<svg/>", "brand_primary": "#000000"}'
    superuser.execute("UPDATE app.tenants SET branding_settings = %s WHERE id = %s", (settings, tenant.id))
    (row,) = ask(tenant.owner, "GET").json
    assert row["branding_settings"] == {"brand_primary": "#000000"}


def test_an_owner_deletes_a_tenant_by_its_slug_and_then_it_is_nowhere(make: Factory) -> None:
    tenant, admin = make.tenant(), make.super_admin()
    stale = ask(tenant.owner, "GET", f"/{tenant.slug}").headers["etag"]
    ask(tenant.owner, "PUT", f"/{tenant.slug}", body={"name": "Renamed"})
    assert ask(tenant.owner, "DELETE", f"/{tenant.slug}", headers={"if-match": stale}).status == 412
    fresh = ask(tenant.owner, "GET", f"/{tenant.slug}").headers["etag"]
    assert ask(tenant.owner, "DELETE", f"/{tenant.slug}", headers={"if-match": fresh}).status == 200
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/policies")):
        for caller in (tenant.owner, admin):
            body = {"name": "x"} if method == "PUT" else None
            assert ask(caller, method, f"/{tenant.slug}{path}", body=body).status == 404
    assert listed(tenant.owner) == []
    assert tenant.slug in listed(admin, deleted=True)


@pytest.mark.parametrize("role", ["admin", "member"])
def test_nobody_below_an_owner_deletes_a_tenant(make: Factory, role: str) -> None:
    tenant, person = make.tenant(), make.person()
    make.member(tenant.id, person, role)
    answer = ask(person, "DELETE", f"/{tenant.slug}")
    assert (answer.status, answer.json["code"]) == (403, "role_too_low")
    assert ask(person, "GET", f"/{tenant.slug}").status == 200
