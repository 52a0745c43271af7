"""Preferences of people over HTTP, through what Lambda calls."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from flomastr.caller import Caller
from functions.preferences.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine
from tests.support.problems import refused

PREFERENCES = "/routes/user-preferences"


def ask(caller: Caller, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"{PREFERENCES}{path}", caller=caller, **request)


def store(caller: Caller, preferences: Any, tenant: Tenant | None = None, whose: Caller | None = None) -> Answer:
    body = {"user_id": (whose or caller).user_id, "preferences": preferences}
    return ask(caller, "POST", body=body | ({"tenant_id": tenant.slug} if tenant else {}))


def of(person: Caller, tenant: Tenant | None = None, key: str | None = None) -> str:
    """The address of a person's preferences, or of one setting, in a tenant or in none."""
    named = {"user_id": person.user_id, "key": key, "tenant_id": tenant and tenant.slug}
    query = urlencode({name: value for name, value in named.items() if value is not None})
    return f"{'' if key is None else '/setting'}?{query}"


@pytest.fixture
def person(make: Factory) -> Caller:
    return make.person()


def test_preferences_are_created_read_replaced_and_deleted(make: Factory) -> None:
    tenant = make.tenant()
    person = tenant.owner
    stored = store(person, {"theme": "dark"}, tenant)
    assert stored.status == 201
    assert stored.json == {
        "id": stored.json["id"],
        "user_id": person.user_id,
        "tenant_id": str(tenant.id),
        "preferences": {"theme": "dark"},
        "created_at": stored.json["created_at"],
        "updated_at": None,
    }
    assert stored.headers["location"] == f"{PREFERENCES}?user_id={person.user_id}&tenant_id={tenant.id}"
    assert ask(person, "GET", of(person, tenant)).json == [stored.json]
    changed = ask(person, "PUT", of(person, tenant), body={"preferences": {"language": "de"}})
    assert changed.json == stored.json | {
        "preferences": {"language": "de"},
        "updated_at": changed.json["updated_at"],
    }
    assert changed.json["updated_at"]
    assert ask(person, "DELETE", of(person, tenant)).json == {"message": "The preferences are deleted."}
    assert ask(person, "GET", of(person, tenant)).json == []


def test_storing_again_replaces_the_one_row_of_a_tenant(make: Factory) -> None:
    tenant = make.tenant()
    person = tenant.owner
    for where in (None, tenant):
        first, second = store(person, {"a": 1}, where), store(person, {"b": 2}, where)
        assert (first.status, second.status) == (201, 200)
        assert second.json["id"] == first.json["id"]
        assert second.json["preferences"] == {"b": 2}
    assert len(ask(person, "GET", of(person)).json) == 2


@pytest.mark.parametrize("in_a_tenant", [True, False])
def test_what_is_not_stored_is_neither_replaced_nor_deleted(make: Factory, in_a_tenant: bool) -> None:
    tenant = make.tenant()
    person, where = tenant.owner, tenant if in_a_tenant else None
    refused(ask(person, "PUT", of(person, where), body={"preferences": {}}), 404)
    refused(ask(person, "DELETE", of(person, where)), 404)
    refused(ask(person, "PUT", of(person, where, "k"), body={"value": 1}, headers={"if-match": "*"}), 404)
    refused(ask(person, "DELETE", of(person, where, "k")), 404)
    assert ask(person, "GET", of(person, where)).json == []


def test_without_a_tenant_a_person_has_a_row_of_no_tenant(person: Caller) -> None:
    stored = store(person, {"theme": "dark"})
    assert (stored.status, stored.json["tenant_id"]) == (201, None)
    assert stored.headers["location"] == f"{PREFERENCES}?user_id={person.user_id}"
    assert ask(person, "GET", of(person)).json == [stored.json]
    assert ask(person, "PUT", of(person), body={"preferences": {"a": 1}}).json["preferences"] == {"a": 1}
    assert ask(person, "DELETE", of(person)).status == 200
    assert ask(person, "GET", of(person)).json == []


def test_writing_in_one_tenant_does_not_change_the_others(make: Factory) -> None:
    one, two = make.tenant(), make.tenant()
    person = one.owner
    make.member(two.id, person)
    tenants = (None, one, two)
    for where in tenants:
        assert store(person, {"where": str(where and where.slug)}, where).status == 201
    ask(person, "PUT", of(person), body={"preferences": {"changed": True}})
    ask(person, "PUT", of(person, one, "added"), body={"value": 1})
    ask(person, "DELETE", of(person, two))
    ask(person, "DELETE", of(person, one, "where"))
    rows = {row["tenant_id"]: row["preferences"] for row in ask(person, "GET", of(person)).json}
    assert rows == {None: {"changed": True}, str(one.id): {"added": 1}}


def test_who_belongs_to_one_tenant_and_names_none_is_in_none(make: Factory) -> None:
    tenant = make.tenant()
    assert store(tenant.owner, {}).json["tenant_id"] is None
    assert ask(tenant.owner, "PUT", of(tenant.owner, key="a"), body={"value": 1}).json["tenant_id"] is None


def test_the_tenant_is_named_in_body_query_or_header(make: Factory) -> None:
    tenant = make.tenant()
    person = tenant.owner
    body = {"user_id": person.user_id}
    ways: list[dict[str, Any]] = [
        {"body": body | {"tenant_id": str(tenant.id)}},
        {"body": body, "query": {"tenant_id": tenant.slug}},
        {"body": body, "headers": {"x-tenant": tenant.slug}},
    ]
    assert [ask(person, "POST", **way).json["tenant_id"] for way in ways] == [str(tenant.id)] * 3
    header = {"x-tenant": tenant.slug}
    assert ask(person, "PUT", of(person, key="a"), body={"value": 1}, headers=header).json["tenant_id"] == str(
        tenant.id
    )


def test_a_key_is_in_its_own_tenant_and_writes_for_its_members(make: Factory) -> None:
    tenant = make.tenant()
    key = machine(make.api_key(tenant))
    stored = store(key, {"a": 1}, whose=tenant.owner)
    assert (stored.status, stored.json["tenant_id"]) == (201, str(tenant.id))
    assert ask(key, "PUT", of(tenant.owner, key="b"), body={"value": 2}).json["tenant_id"] == str(tenant.id)
    (row,) = ask(key, "GET", of(tenant.owner)).json
    assert row["preferences"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("scope, method, status", [
    ("preferences:read", "GET", 200), ("preferences:read", "PUT", 403),
    ("preferences:write", "GET", 403), ("preferences:write", "PUT", 200),
    ("workflows:read", "GET", 403), ("workflows:write", "PUT", 403),
])  # fmt: skip
def test_a_key_needs_the_scope(make: Factory, scope: str, method: str, status: int) -> None:
    tenant = make.tenant()
    assert store(tenant.owner, {"a": 1}, tenant).status == 201
    key = machine(make.api_key(tenant, scopes=[scope]))
    body = {"value": 1} if method == "PUT" else None
    assert ask(key, method, of(tenant.owner, key="a"), body=body).status == status


VALUES: list[Any] = [
    None, True, False, 0, -7, 5, 1.5, 1.0, 10**40, "", "5", "true", 'a "quoted" \\ text', "\U0001f680 \\u0000",
    [], {}, [1, [2, None]], {"x": 1, "y": {"z": ["a"]}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_setting_keeps_its_value_and_its_type(person: Caller, value: Any) -> None:
    written = ask(person, "PUT", of(person, key="k"), body={"value": value})
    expected = {"key": "k", "value": value, "user_id": person.user_id, "tenant_id": None}
    assert (written.status, written.json) == (200, expected | {"updated": True})
    read = ask(person, "GET", of(person, key="k"), query={})
    assert json.dumps(read.json) == json.dumps(expected)
    assert read.headers["etag"] == written.headers["etag"]
    (row,) = ask(person, "GET", of(person)).json
    assert json.dumps(row["preferences"]) == json.dumps({"k": value})


def test_a_setting_replaces_the_whole_value_and_leaves_the_others(person: Caller) -> None:
    store(person, {"a": {"x": 1}, "b": 2})
    ask(person, "PUT", of(person, key="a"), body={"value": {"y": 1}})
    (row,) = ask(person, "GET", of(person)).json
    assert row["preferences"] == {"a": {"y": 1}, "b": 2}
    assert row["updated_at"]


def test_a_deleted_setting_is_gone_and_the_others_stay(person: Caller) -> None:
    store(person, {"a": None, "b": 2})
    assert ask(person, "DELETE", of(person, key="a")).json == {"message": "The setting is deleted."}
    refused(ask(person, "GET", of(person, key="a")), 404)
    refused(ask(person, "DELETE", of(person, key="a")), 404)
    (row,) = ask(person, "GET", of(person)).json
    assert row["preferences"] == {"b": 2}


def test_a_setting_in_a_tenant_is_its_value_there_else_the_own_default_else_what_was_given(make: Factory) -> None:
    tenant = make.tenant()
    person, path = tenant.owner, of(tenant.owner, tenant, "theme") + "&default_value=given"
    expected = {"key": "theme", "user_id": person.user_id}
    assert ask(person, "GET", path).json == expected | {"value": "given", "tenant_id": None}
    ask(person, "PUT", of(person, key="theme"), body={"value": "default"})
    assert ask(person, "GET", path).json == expected | {"value": "default", "tenant_id": None}
    ask(person, "PUT", of(person, tenant, "theme"), body={"value": None})
    assert ask(person, "GET", path).json == expected | {"value": None, "tenant_id": str(tenant.id)}
    assert ask(person, "GET", of(person, key="theme")).json["value"] == "default"


@pytest.mark.parametrize("given", ["", "5", "null", 'a "b"', "x" * 100_000])
def test_a_default_value_is_text_and_answered_as_given(person: Caller, given: str) -> None:
    read = ask(person, "GET", of(person, key="k"), query={"default_value": given})
    assert read.json["value"] == given
    refused(ask(person, "GET", of(person, key="k")), 404)


def test_a_setting_of_one_tenant_is_not_found_in_another(make: Factory) -> None:
    one, two = make.tenant(), make.tenant()
    make.member(two.id, one.owner)
    ask(one.owner, "PUT", of(one.owner, one, "k"), body={"value": 1})
    for where in (two, None):
        refused(ask(one.owner, "GET", of(one.owner, where, "k")), 404)
