"""No tenant can be given a slug under which one of its routes would be another's."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import psycopg
import pytest

from dev.aws.template import read_template
from dev.docs.openapi import document
from flomastr.http.patterns import SLUG
from flomastr.tenancy.slugs import RESERVED
from functions.lifecycle.handler import lambda_handler as lifecycle
from functions.tenants.handler import lambda_handler as tenants
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.problems import refused

PATHS = {route.path for route in read_template().routes} | document()["paths"].keys()
TENANT = ("{slug}", "{tenant_id}")  # the one segment of a path that may be a slug

type Superuser = psycopg.Connection[Any]


def words(paths: set[str]) -> Iterator[str]:
    """What other paths have where one has a slug, if all before it may be the same."""
    split = [path.strip("/").split("/") for path in paths]
    for one, other in product(split, split):
        for segment, word in zip(one, other, strict=False):
            if segment in TENANT and re.fullmatch(SLUG, word):
                yield word
            if segment != word and "{" not in segment + word:
                break


def test_the_words_of_paths_are_found() -> None:
    assert set(words({"/routes/{slug}/index", "/routes/users"})) == {"users"}
    assert set(words({"/routes/tenants/{slug}", "/routes/tenants/of/me", "/routes/users/me"})) == {"of"}
    assert set(words({"/routes/status/{tenant_id}", "/routes/{slug}/index"})) == {"status", "index"}
    assert set(words({"/routes/{slug}/index", "/routes/openapi.json", "/other/{id}"})) == set()


def test_every_word_of_a_path_that_a_slug_may_be_taken_for_is_reserved() -> None:
    """One that is missing here is missing in a migration too: see 0016_reserved_slugs.sql."""
    assert set(words(PATHS)) == RESERVED


def test_the_database_reserves_the_same_words(superuser: Superuser) -> None:
    assert {slug for (slug,) in superuser.execute("SELECT slug FROM app.reserved_slugs").fetchall()} == RESERVED


@pytest.mark.parametrize("slug", sorted(RESERVED))
def test_no_tenant_is_made_under_a_reserved_slug(make: Factory, slug: str) -> None:
    admin = make.super_admin()
    answer = call(tenants, "POST", "/routes/tenants", caller=admin, body={"slug": slug, "name": "x"})
    refused(answer, 422, "body.slug")
    assert answer.json["errors"][0]["message"] == "is a word of the API's own paths"
    body = {"tenant_slug": slug, "owner_email": "owner@example.com"}
    refused(
        call(lifecycle, "POST", "/routes/api/v1/admin/tenants/provision", caller=admin, body=body),
        422,
        "body.tenant_slug",
    )


@pytest.mark.parametrize("slug", ["me-too", "indexes", "tenant", "routes", "members", "documents"])
def test_what_no_slug_is_taken_for_is_free(make: Factory, slug: str) -> None:
    made = call(tenants, "POST", "/routes/tenants", caller=make.super_admin(), body={"slug": slug, "name": "x"})
    assert made.status in (201, 409)


def test_the_database_refuses_what_code_let_pass(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    for statement in (
        "INSERT INTO app.tenants (slug, name) VALUES ('me', 'x')",
        f"UPDATE app.tenants SET slug = 'me' WHERE id = '{tenant.id}'",
    ):
        with pytest.raises(psycopg.Error) as error:
            superuser.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert (error.value.sqlstate, error.value.diag.constraint_name) == ("FL422", "invalid_value")


def test_a_tenant_that_had_its_slug_before_it_was_reserved_lives_on(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    with superuser.transaction(force_rollback=True):
        superuser.execute("INSERT INTO app.reserved_slugs VALUES (%s)", (tenant.slug,))
        renamed = superuser.execute("UPDATE app.tenants SET name = 'New' WHERE id = %s RETURNING name", (tenant.id,))
        assert renamed.fetchone() == ("New",)
