"""Preferences: their ETags, how large they may be, and that settings which are written at once are all there."""

import pytest

from flomastr.database.access import AccessRequest
from flomastr.tenancy import preferences
from flomastr.tenancy.preferences import NewSetting
from tests.functions.test_preferences import ask, of, store
from tests.support.concurrency import concurrently
from tests.support.events import Answer
from tests.support.factories import Factory, Tenant
from tests.support.problems import refused

MOST = 250_000  # bytes of one row's preferences
NEW_ROW = len('{"k": ""}')


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    return make.tenant()


def etag(answer: Answer) -> str:
    assert answer.status < 300, answer.body
    return answer.headers["etag"]


def test_a_list_has_the_etag_of_the_row_that_would_be_written(tenant: Tenant) -> None:
    person = tenant.owner
    for where in (None, tenant):
        stored = store(person, {"where": str(where)}, where)
        assert etag(ask(person, "GET", of(person, where))) == etag(stored)
    assert etag(ask(person, "GET", of(person))) != etag(stored)


def test_where_there_is_no_row_to_write_a_list_has_no_etag(tenant: Tenant) -> None:
    assert store(tenant.owner, {}).status == 201
    listed = ask(tenant.owner, "GET", of(tenant.owner, tenant))
    assert len(listed.json) == 1
    assert "etag" not in listed.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_write_happens_to_the_state_that_was_read_and_to_no_other(
    tenant: Tenant, method: str, key: str | None
) -> None:
    person = tenant.owner
    path, body = of(person, tenant, key), {"value": 2} if key else {"preferences": {"k": 2}}
    stale = etag(store(person, {"k": 0}, tenant) if key is None else ask(person, "PUT", path, body={"value": 0}))
    fresh = etag(ask(person, "PUT", path, body={"value": 1} if key else {"preferences": {"k": 1}}))
    assert stale != fresh
    body = body if method == "PUT" else None
    refused(ask(person, method, path, body=body, headers={"if-match": stale}), 412)
    assert ask(person, "GET", of(person, tenant, "k")).json["value"] == 1
    assert ask(person, method, path, body=body, headers={"if-match": fresh}).status == 200


def test_a_setting_that_is_known_is_not_sent_again_until_it_changes(tenant: Tenant) -> None:
    person, path = tenant.owner, of(tenant.owner, tenant, "k")
    ask(person, "PUT", path, body={"value": 1})
    known = {"if-none-match": etag(ask(person, "GET", path))}
    ask(person, "PUT", of(person, tenant, "other"), body={"value": 1})
    answer = ask(person, "GET", path, headers=known)
    assert (answer.status, answer.body) == (304, "")
    ask(person, "PUT", path, body={"value": 2})
    assert ask(person, "GET", path, headers=known).status == 200


def test_a_value_has_another_etag_than_the_default_that_equals_it(tenant: Tenant) -> None:
    person, path = tenant.owner, of(tenant.owner, tenant, "k")
    default = etag(ask(person, "PUT", of(person, key="k"), body={"value": 1}))
    assert etag(ask(person, "GET", path)) == default
    refused(ask(person, "PUT", path, body={"value": 1}, headers={"if-match": default}), 404)
    assert etag(ask(person, "PUT", path, body={"value": 1})) != default


def test_a_change_of_another_setting_leaves_the_etag_of_a_setting(tenant: Tenant) -> None:
    person, path = tenant.owner, of(tenant.owner, tenant, "k")
    before = etag(ask(person, "PUT", path, body={"value": 1}))
    ask(person, "PUT", of(person, tenant, "other"), body={"value": 1})
    assert ask(person, "PUT", path, body={"value": 2}, headers={"if-match": before}).status == 200


@pytest.mark.parametrize("text", ["x", "é", "\U0001f680"])
def test_preferences_may_have_250000_bytes(tenant: Tenant, text: str) -> None:
    person, most = tenant.owner, (MOST - NEW_ROW) // len(text.encode())
    path = of(person, tenant)
    for add, status in ((0, 200), (1, 422)):
        settings = {"k": text * (most + add)}
        answer = ask(person, "PUT", of(person, tenant, "k"), body={"value": settings["k"]})
        assert answer.status == status, answer.body
        answers = [answer]
        answers += [store(person, settings, tenant), ask(person, "PUT", path, body={"preferences": settings})]
        assert [answer.status for answer in answers] == [status] * 3
    assert [answer.json["code"] for answer in answers] == ["preferences_too_large"] * 3
    fields = [answer.json["detail"].partition(":")[0] for answer in answers]
    assert fields == ["body.value", "body.preferences", "body.preferences"]
    assert "250000" in answers[0].json["detail"]
    assert ask(person, "GET", of(person, tenant, "k")).json["value"] == text * most


@pytest.mark.parametrize("headers", [{}, {"if-match": "*"}])
def test_settings_count_together(tenant: Tenant, headers: dict[str, str]) -> None:
    person = tenant.owner
    store(person, {"a": "x" * 200_000, "b": 0}, tenant)
    for length, status in ((49_000, 200), (50_000, 422)):
        answer = ask(person, "PUT", of(person, tenant, "b"), body={"value": "x" * length}, headers=headers)
        assert answer.status == status, answer.body
    assert ask(person, "PUT", of(person, tenant, "a"), body={"value": "y" * 201_000 + "\n"}).status == 422
    assert ask(person, "PUT", of(person, tenant, "a"), body={"value": "y" * 200_000}).status == 200


def test_a_first_setting_that_is_too_large_makes_no_row(tenant: Tenant) -> None:
    answer = ask(tenant.owner, "PUT", of(tenant.owner, tenant, "k"), body={"value": "x" * MOST})
    refused(answer, 422, "body.value")
    assert answer.json["code"] == "preferences_too_large"
    assert ask(tenant.owner, "GET", of(tenant.owner, tenant)).json == []


@pytest.mark.parametrize("scope", ["preferences:write", "me:write"])
def test_settings_written_at_once_are_all_there(tenant: Tenant, direct_url: str, scope: str) -> None:
    person = tenant.owner
    settings = {f"setting {number}": number for number in range(50)}
    queries = [
        preferences.store_setting(str(person.user_id), key, NewSetting(value=value), None)
        for key, value in settings.items()
    ]
    concurrently(direct_url, AccessRequest(person, None, scope), queries)
    (row,) = ask(person, "GET", of(person)).json
    assert row["preferences"] == settings
    assert row["tenant_id"] == (None if scope == "me:write" else str(tenant.id))
