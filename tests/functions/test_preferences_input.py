"""Preferences that cannot be are refused by the name of what is wrong with them."""

import json
from urllib.parse import quote, unquote

import pytest

from flomastr.caller import Caller
from tests.functions.test_preferences import PREFERENCES, ask, of
from tests.support.factories import Factory
from tests.support.problems import nested, refused


@pytest.fixture
def person(make: Factory) -> Caller:
    return make.person()


KEYS = [
    "x",
    "x" * 255,
    "a b",
    "\u00e9",
    "\U0001f680",
    "a.b",
    "'",
    '"',
    "%",
    "%25",
    "{}",
    "$",
    "a/b",
    "a?b",
    "a?",
    "a%41",
    "#",
]
PEOPLE = [
    "a b",
    "\u00e9",
    "a/b",
    "a?b",
    "100%",
    "%41",
    "https://login.example/005?x=1",
    "oauth2|siwe|eip155%3A5:0xAb",
    "x" * 255,
]


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_may_have_any_name(person: Caller, key: str) -> None:
    for index, name in enumerate(KEYS):
        assert ask(person, "PUT", of(person, key=name), body={"value": index}).status == 200
    assert ask(person, "GET", of(person, key=key)).json["value"] == KEYS.index(key)
    assert ask(person, "DELETE", of(person, key=key)).status == 200
    (row,) = ask(person, "GET", of(person)).json
    assert row["preferences"].keys() == {*KEYS} - {key}


@pytest.mark.parametrize("user_id", PEOPLE)
def test_a_person_may_have_any_id(make: Factory, user_id: str) -> None:
    person = Caller(user_id=f"{user_id[:200]}{make.person().user_id}")
    stored = ask(person, "POST", body={"user_id": person.user_id, "preferences": {"a": 1}})
    location = stored.headers["location"].removeprefix(PREFERENCES)
    assert ask(person, "GET", location).json == ask(person, "GET", of(person)).json == [stored.json]
    assert ask(person, "PUT", of(person), body={"preferences": {"b": 2}}).json["preferences"] == {"b": 2}
    assert ask(person, "DELETE", of(person)).status == 200
    assert ask(person, "GET", of(person)).json == []


@pytest.mark.parametrize("key", ["x", "a b", "%C3%A9", "a.b", "%23"])
def test_the_paths_of_the_original_serve_what_a_path_can_carry(person: Caller, key: str) -> None:
    path = f"/{person.user_id}/setting/{key}"
    assert ask(person, "PUT", path, body={"value": 1}).json["key"] == unquote(key)
    assert ask(person, "GET", path).json == ask(person, "GET", of(person, key=unquote(key))).json
    assert ask(person, "GET", f"/{person.user_id}").json == ask(person, "GET", of(person)).json
    assert ask(person, "PUT", f"/{person.user_id}", body={"preferences": {}}).status == 200
    assert ask(person, "DELETE", f"/{person.user_id}").status == 200


def test_a_write_whose_body_names_another_row_than_it_addresses_is_refused(person: Caller) -> None:
    ask(person, "PUT", of(person, key="Refund"), body={"value": 1})
    whose = str(person.user_id)
    cut = f"/{whose}/setting/Refund%3F"
    refused(ask(person, "PUT", cut, body={"value": 2, "key": "Refund?"}), 422, "body.key")
    refused(ask(person, "PUT", f"/{whose}%3F", body={"preferences": {}, "user_id": f"{whose}?"}), 422, "body.user_id")
    refused(ask(person, "PUT", cut, body={"value": 2, "user_id": f"{whose}?"}), 422, "body.user_id")
    assert ask(person, "GET", of(person)).json[0]["preferences"] == {"Refund": 1}
    same = {"value": 2, "key": "Refund", "user_id": whose}
    assert ask(person, "PUT", f"/{whose}/setting/Refund", body=same).json["value"] == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "\0", "a\0b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_setting_whose_name_cannot_be_is_refused(person: Caller, method: str, key: str) -> None:
    body = {"value": 1} if method == "PUT" else None
    refused(ask(person, method, of(person, key=key), body=body), 422, "query.key")
    if key and method != "DELETE":
        refused(ask(person, method, f"/{person.user_id}/setting/{quote(key)}", body=body), 422, "path.key")


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
    ("/setting/k", '{"value": 1, "key": "l"}', "body.key"),
    ("/setting/k", '{"value": 1e400}', "body.value"),
    ("/setting/k", r'{"value": "\u0000"}', "body.value"),
    ("/setting/k", r'{"value": ["\ud800"]}', "body.value"),
    ("/setting/k", '{"value": ' + nested(300) + "}", "body.value"),
])  # fmt: skip
def test_a_change_that_cannot_be_is_refused_by_the_name_of_the_field(
    person: Caller, path: str, body: str, field: str
) -> None:
    refused(ask(person, "PUT", f"/{person.user_id}{path}", body=body), 422, field)


@pytest.mark.parametrize("user_id", ["x" * 256, "\0", "a\nb", "\x7f"])
def test_a_user_who_cannot_be_is_refused(person: Caller, user_id: str) -> None:
    nobody = Caller(user_id=user_id)
    for key, body in ((None, '{"preferences": {}}'), ("k", '{"value": 1}')):
        for method in ("GET", "PUT", "DELETE"):
            sent = body if method == "PUT" else None
            refused(ask(person, method, of(nobody, key=key), body=sent), 422, "query.user_id")
    refused(ask(person, "GET", f"/{quote(user_id)}"), 422, "path.user_id")


@pytest.mark.parametrize("default", ["%00", "x" * 100_001])
def test_a_default_value_that_cannot_be_is_refused(person: Caller, default: str) -> None:
    refused(ask(person, "GET", of(person, key="k") + f"&default_value={default}"), 422, "query.default_value")
