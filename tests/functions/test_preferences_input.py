"""Preferences that cannot be are refused by the name of what is wrong with them."""

import json

import pytest

from flomastr.caller import Caller
from tests.functions.test_preferences import ask, of
from tests.support.factories import Factory
from tests.support.problems import nested, refused


@pytest.fixture
def person(make: Factory) -> Caller:
    return make.person()


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b", "%C3%A9", "%F0%9F%9A%80", "a.b", "'", '"', "%25", "{}", "$"])
def test_a_setting_may_have_any_name(person: Caller, key: str) -> None:
    assert ask(person, "PUT", of(person, key=key), body={"value": 1}).status == 200
    assert ask(person, "GET", of(person, key=key)).json["value"] == 1


@pytest.mark.parametrize("key", ["x" * 256, "%00", "a%00b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_setting_whose_name_cannot_be_is_refused(person: Caller, method: str, key: str) -> None:
    body = {"value": 1} if method == "PUT" else None
    refused(ask(person, method, of(person, key=key), body=body), 422, "path.setting_key")


@pytest.mark.parametrize(("body", "field"), [
    ("{}", "body.user_id"),
    ('{"user_id": ""}', "body.user_id"),
    ('{"user_id": 7}', "body.user_id"),
    (r'{"user_id": "\u0000"}', "body.user_id"),
    (json.dumps({"user_id": "x" * 256}), "body.user_id"),
    ('{"user_id": "u", "tenant_id": "no_slug"}', "body.tenant_id"),
    ('{"user_id": "u", "preferences": null}', "body.preferences"),
    ('{"user_id": "u", "preferences": []}', "body.preferences"),
    (r'{"user_id": "u", "preferences": {"a": "\u0000"}}', "body.preferences"),
    ('{"user_id": "u", "preferences": {"a": NaN}}', "body.preferences"),
    ('{"user_id": "u", "preference": {}}', "body.preference"),
])  # fmt: skip
def test_preferences_that_cannot_be_are_refused_by_the_name_of_the_field(person: Caller, body: str, field: str) -> None:
    refused(ask(person, "POST", body=body), 422, field)


@pytest.mark.parametrize(("path", "body", "field"), [
    ("", "{}", "body.preferences"),
    ("", '{"preferences": null}', "body.preferences"),
    ("", '{"preferences": {}, "user_id": "u"}', "body.user_id"),
    ("/setting/k", "{}", "body.value"),
    ("/setting/k", '{"value": 1, "key": "k"}', "body.key"),
    ("/setting/k", '{"value": 1e400}', "body.value"),
    ("/setting/k", r'{"value": "\u0000"}', "body.value"),
    ("/setting/k", r'{"value": ["\ud800"]}', "body.value"),
    ("/setting/k", '{"value": ' + nested(300) + "}", "body.value"),
])  # fmt: skip
def test_a_change_that_cannot_be_is_refused_by_the_name_of_the_field(
    person: Caller, path: str, body: str, field: str
) -> None:
    refused(ask(person, "PUT", f"/{person.user_id}{path}", body=body), 422, field)


@pytest.mark.parametrize("user_id", ["x" * 256, "%00", "a%20b", "%C3%A9"])
def test_a_user_who_cannot_be_is_refused(person: Caller, user_id: str) -> None:
    bodies = {"": '{"preferences": {}}', "/setting/k": '{"value": 1}'}
    for path, body in bodies.items():
        refused(ask(person, "GET", f"/{user_id}{path}"), 422, "path.user_id")
        refused(ask(person, "PUT", f"/{user_id}{path}", body=body), 422, "path.user_id")
        refused(ask(person, "DELETE", f"/{user_id}{path}"), 422, "path.user_id")


@pytest.mark.parametrize("default", ["%00", "x" * 100_001])
def test_a_default_value_that_cannot_be_is_refused(person: Caller, default: str) -> None:
    refused(ask(person, "GET", of(person, key="k") + f"?default_value={default}"), 422, "query.default_value")
