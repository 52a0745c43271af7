"""Branding over HTTP: a colour and a logo, harmless as it is stored, and as it was when nobody has set any."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from flomastr.tenancy.svg import MAX_BYTES
from functions.branding.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine
from tests.support.problems import refused

SVG = "http://www.w3.org/2000/svg"
LOGO = f'<svg xmlns="{SVG}" viewBox="0 0 1 1"><path d="M0 0h1" fill="#fff" /></svg>'
ACTING = f'<svg xmlns="{SVG}" viewBox="0 0 1 1" onload="x()"><script>x()</script><path d="M0 0h1" fill="#fff" /></svg>'


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Executor]:
    with ProcessPoolExecutor(3, get_context("spawn")) as sandboxes:
        yield sandboxes


def ask(tenant: Tenant, method: str, path: str = "", caller: Caller | None = None, **request: Any) -> Answer:
    query = {"tenant_id": tenant.slug}
    return call(
        lambda_handler, method, f"/routes/branding{path}", query=query, caller=caller or tenant.owner, **request
    )


def put(tenant: Tenant, **changes: Any) -> Answer:
    return ask(tenant, "PUT", body=changes)


def stored(superuser: psycopg.Connection[Any], tenant: Tenant) -> Any:
    return superuser.execute("SELECT branding_settings FROM app.tenants WHERE id = %s", (tenant.id,)).fetchall()[0][0]


def test_a_tenant_has_a_colour_and_no_logo_before_anybody_has_set_any(make: Factory) -> None:
    tenant = make.tenant()
    answer = ask(tenant, "GET")
    assert answer.json == {"tenant_id": str(tenant.id), "brand_primary": "#0052cc", "logo_svg": None}
    assert ask(tenant, "GET", headers={"if-none-match": answer.headers["etag"]}).status == 304


def test_a_change_touches_what_it_names_and_null_takes_the_logo_away(make: Factory) -> None:
    tenant = make.tenant()
    assert put(tenant, brand_primary="#A1b2C3").json["brand_primary"] == "#A1b2C3"
    both = put(tenant, logo_svg=LOGO)
    assert (both.json["brand_primary"], both.json["logo_svg"]) == ("#A1b2C3", LOGO)
    read = ask(tenant, "GET")
    assert (read.json, read.headers["etag"]) == (both.json, both.headers["etag"])
    assert put(tenant, logo_svg=None).json == both.json | {"logo_svg": None}


def test_a_reset_brings_the_defaults_back_and_leaves_other_settings(
    make: Factory, superuser: psycopg.Connection[Any]
) -> None:
    tenant = make.tenant()
    other = {"font": "Inter", "empty": None, "nested": {"empty": None}}
    superuser.execute("UPDATE app.tenants SET branding_settings = %s WHERE id = %s", (json.dumps(other), tenant.id))
    before = ask(tenant, "GET").json
    put(tenant, brand_primary="#000000", logo_svg=LOGO)
    assert stored(superuser, tenant) == other | {"brand_primary": "#000000", "logo_svg": LOGO}
    assert [ask(tenant, "DELETE", "/reset").json for _ in range(2)] == [before, before]
    assert stored(superuser, tenant) == other
    put(tenant, logo_svg=None)
    assert stored(superuser, tenant) == other


@pytest.mark.parametrize("colour", ["#000000", "#FFFFFF", "#0052cc"])
def test_a_colour_has_six_hexadecimal_digits(make: Factory, colour: str) -> None:
    assert put(make.tenant(), brand_primary=colour).json["brand_primary"] == colour


@pytest.mark.parametrize(
    "colour", ["", "#", "#fff", "#00000g", "#0000000", "000000", "red", "#000000;x", "#000000\n", " #000000", 0]
)
def test_no_other_colour_is_taken(make: Factory, colour: Any) -> None:
    tenant = make.tenant()
    refused(put(tenant, brand_primary=colour, logo_svg=LOGO), 422, "body.brand_primary")
    assert ask(tenant, "GET").json["logo_svg"] is None


def test_null_brings_the_colour_back_that_there_is_before_any_is_set(
    make: Factory, superuser: psycopg.Connection[Any]
) -> None:
    tenant = make.tenant()
    put(tenant, brand_primary="#123456", logo_svg=LOGO)
    cleared = put(tenant, brand_primary=None)
    assert cleared.json == {"tenant_id": str(tenant.id), "brand_primary": "#0052cc", "logo_svg": LOGO}
    assert stored(superuser, tenant) == {"logo_svg": LOGO}


def test_a_change_names_the_colour_the_logo_or_both(make: Factory) -> None:
    tenant = make.tenant()
    refused(put(tenant), 422, "body")
    refused(put(tenant, brand_secondary="#000000"), 422, "body.brand_secondary")


def test_what_acts_in_a_logo_is_neither_stored_nor_shown(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant = make.tenant()
    assert put(tenant, logo_svg=ACTING).json["logo_svg"] == LOGO
    assert ask(tenant, "GET").json["logo_svg"] == LOGO
    assert stored(superuser, tenant) == {"logo_svg": LOGO}
    tag = ask(tenant, "GET").headers["etag"]
    assert put(tenant, logo_svg=LOGO).headers["etag"] == tag


@pytest.mark.parametrize(
    "logo",
    [
        *("", "logo", "<svg></svg>", "<html><body/></html>", f"<svg xmlns='{SVG}'>", "\x00", "\ud800", 7, [LOGO]),
        f'<!DOCTYPE svg [<!ENTITY a "{"a" * 99}"><!ENTITY b "{"&a;" * 99}">]><svg xmlns="{SVG}"><text>&b;</text></svg>',
        f'<svg xmlns="{SVG}">{"<g>" * 200}{"</g>" * 200}</svg>',
        f'<svg xmlns="{SVG}"><desc>{"x" * MAX_BYTES}</desc></svg>',
        f'<svg xmlns="{SVG}"><desc>{"é" * (MAX_BYTES // 2)}</desc></svg>',
    ],
)
def test_what_is_no_logo_is_reported_by_field_and_changes_nothing(make: Factory, logo: Any) -> None:
    tenant = make.tenant()
    put(tenant, logo_svg=LOGO)
    refused(put(tenant, logo_svg=logo), 422, "body.logo_svg")
    assert ask(tenant, "GET").json["logo_svg"] == LOGO


def test_a_logo_of_200_000_bytes_is_stored_whole(make: Factory) -> None:
    frame = f'<svg xmlns="{SVG}"><desc></desc></svg>'
    logo = frame.replace("</desc>", "x" * (MAX_BYTES - len(frame)) + "</desc>")
    assert len(logo) == MAX_BYTES
    assert put(make.tenant(), logo_svg=logo).json["logo_svg"] == logo


def test_members_and_keys_see_the_branding_and_those_who_administer_change_it(make: Factory) -> None:
    tenant, member, admin = make.tenant(), make.person(), make.person()
    make.member(tenant.id, member)
    make.member(tenant.id, admin, "admin")
    key = machine(make.api_key(tenant))
    for caller, may in ((member, 403), (key, 403), (admin, 200)):
        assert ask(tenant, "GET", caller=caller).status == 200
        assert ask(tenant, "PUT", caller=caller, body={"brand_primary": "#000000"}).status == may
        assert ask(tenant, "DELETE", "/reset", caller=caller).status == may


def test_the_branding_of_one_tenant_is_not_that_of_another(make: Factory) -> None:
    here, there = make.tenant(), make.tenant()
    put(here, brand_primary="#111111")
    assert ask(there, "GET").json["brand_primary"] == "#0052cc"
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"brand_primary": "#222222"}),
        ("DELETE", "/reset", None),
    ):
        assert ask(here, method, path, there.owner, body=body).status == 404
    assert ask(here, "GET").json["brand_primary"] == "#111111"


def send(tenant: Tenant, method: str, path: str, body: Any, etag: str) -> int:
    return ask(tenant, method, path, body=body, headers={"if-match": etag}).status


def test_of_writes_at_once_with_one_etag_exactly_one_happens(make: Factory, sandboxes: Executor) -> None:
    tenant = make.tenant()
    for round in range(5):
        put(tenant, brand_primary=f"#00000{round}")
        etag = ask(tenant, "GET").headers["etag"]
        writes = [("PUT", "", {"brand_primary": f"#{round}{n}0000"}) for n in range(1, 4)] + [
            ("DELETE", "/reset", None)
        ]
        sent = [sandboxes.submit(send, tenant, *write, etag) for write in writes]
        assert sorted(answer.result() for answer in sent) == [200, 412, 412, 412]


def test_a_reset_of_another_state_is_refused(make: Factory) -> None:
    tenant = make.tenant()
    etag = ask(tenant, "GET").headers["etag"]
    put(tenant, brand_primary="#000000")
    assert ask(tenant, "DELETE", "/reset", headers={"if-match": etag}).json["code"] == "changed_meanwhile"
    assert ask(tenant, "GET").json["brand_primary"] == "#000000"
