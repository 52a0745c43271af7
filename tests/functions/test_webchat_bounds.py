"""Webchat: how much a session takes, who sees which sessions, and how they are listed."""

import json
import re
from typing import Any

import pytest

from flomastr.caller import Caller
from tests.functions.test_webchat import Chat, ask, opened, said
from tests.support.factories import Factory, Tenant, machine
from tests.support.problems import nested, refused

MOST = 1_000_000  # bytes of a session's messages


@pytest.fixture
def chat(make: Factory) -> Chat:
    return Chat(make)


@pytest.mark.parametrize(("body", "field"), [
    ("{}", "body.messages"),
    ('{"messages": []}', "body.messages"),
    (json.dumps(said(*["x"] * 101)), "body.messages"),
    ('{"messages": [{"content": "x"}]}', "body.messages.0.role"),
    ('{"messages": [{"role": "tool", "content": "x"}]}', "body.messages.0.role"),
    ('{"messages": [{"role": "user"}]}', "body.messages.0.content"),
    ('{"messages": [{"role": "user", "content": null}]}', "body.messages.0.content"),
    (json.dumps(said("x", "x" * 100_001)), "body.messages.1.content"),
    (r'{"messages": [{"role": "user", "content": "\u0000"}]}', "body.messages.0.content"),
    (r'{"messages": [{"role": "user", "content": "\ud800"}]}', "body.messages.0.content"),
    ('{"messages": [{"role": "user", "content": "x", "metadata": []}]}', "body.messages.0.metadata"),
    ('{"messages": [{"role": "user", "content": "x", "metadata": ' + nested(300) + "}]}", "body.messages.0.metadata"),
    ('{"messages": [{"role": "user", "content": "x", "id": 7}]}', "body.messages.0.id"),
    (json.dumps(said("x") | {"fresh": True}), "body.fresh"),
])  # fmt: skip
def test_messages_that_cannot_be_are_refused_by_the_name_of_the_field(chat: Chat, body: str, field: str) -> None:
    refused(ask(chat.owner, "POST", f"{chat.path}/messages", body=body), 422, field)
    assert chat.get().json["message_count"] == 0


def test_a_message_may_have_100000_characters_and_deep_metadata(chat: Chat) -> None:
    metadata = json.loads(nested(200))
    assert chat.say("x" * 100_000, metadata=metadata).status == 201
    (message,) = chat.get().json["messages"]
    assert (len(message["content"]), message["metadata"]) == (100_000, metadata)


def test_a_session_takes_1000_messages_and_then_no_more(chat: Chat) -> None:
    for _ in range(9):
        assert chat.say(*["x"] * 100).status == 201
    assert chat.say(*["x"] * 99).json["message_count"] == 999
    refused(chat.say("x", "x"), 409)
    assert chat.say("x").json["message_count"] == 1000
    full = chat.say("x")
    refused(full, 409)
    assert full.json["code"] == "session_full"
    assert "delete the session and open it anew" in full.json["detail"]
    assert chat.get().json["message_count"] == 1000


def test_a_session_takes_1000000_bytes_and_then_no_more(chat: Chat) -> None:
    chat.say(*["é" * 50_000] * 9)
    full = chat.say("x" * 100_000)
    refused(full, 409)
    assert full.json["code"] == "session_full"
    limits = re.search(r"10 messages and (\d+) bytes", full.json["detail"])
    assert limits
    rest, some = 100_000 - (int(limits[1]) - MOST), 10  # moments are longer and shorter by a few bytes
    refused(chat.say("x" * (rest + some)), 409)
    assert chat.say("x" * (rest - some)).status == 201
    assert MOST - 1_000 < len(json.dumps(chat.get().json["messages"], ensure_ascii=False).encode()) < MOST


def test_what_is_too_large_for_any_session_is_refused_at_once(chat: Chat) -> None:
    refused(chat.say(*["x" * 100_000] * 11), 409)
    assert chat.get().json["message_count"] == 0


def test_a_full_session_can_be_read_and_listed(chat: Chat) -> None:
    assert chat.say(*['"\\' * 24_000] * 10).status == 201
    assert len(chat.get().json["messages"]) == 10
    (listed,) = ask(chat.owner, "GET").json
    assert (listed["messages"], listed["message_count"]) == (None, 10)


def member(make: Factory, tenant: Tenant, role: str = "member") -> Caller:
    person = make.person()
    make.member(tenant.id, person, role)
    return person


def test_members_have_part_in_their_own_sessions_alone(make: Factory, chat: Chat) -> None:
    person = member(make, chat.tenant)
    own = opened(person, chat.workflow, person.user_id)
    assert own.status == 201
    path = f"/{own.json['session_key']}"
    assert ask(person, "POST", f"{path}/messages", body=said("hello")).status == 201
    assert [session["id"] for session in ask(person, "GET").json] == [own.json["id"]]
    assert opened(person, chat.workflow, person.user_id).status == 200
    before = chat.get()
    for somebody in (chat.owner.user_id, "visitor"):
        answer = opened(person, chat.workflow, somebody)
        refused(answer, 403)
        assert answer.json["code"] == "not_yours"
    refused(ask(person, "GET", chat.path), 404)
    refused(ask(person, "DELETE", chat.path), 404)
    refused(ask(person, "POST", f"{chat.path}/messages", body=said("x")), 404)
    assert chat.get().json == before.json
    assert ask(person, "DELETE", path).status == 200


@pytest.mark.parametrize("kind", ["key", "admin", "owner", "super admin"])
def test_who_acts_for_all_has_part_in_all_sessions(make: Factory, chat: Chat, kind: str) -> None:
    tenant = chat.tenant
    person = member(make, tenant)
    callers = {"key": lambda: machine(make.api_key(tenant)), "super admin": make.super_admin}
    caller = callers.get(kind, lambda: member(make, tenant, kind))()
    named = {"x-tenant": tenant.slug}
    session = opened(caller, chat.workflow, person.user_id, headers=named)
    assert session.status == 201
    path = f"/{session.json['session_key']}"
    assert ask(caller, "POST", f"{path}/messages", body=said("hello"), headers=named).status == 201
    assert ask(caller, "GET", path, headers=named).json["message_count"] == 1
    assert len(ask(caller, "GET", headers=named).json) == 2
    assert ask(person, "GET", path).json["message_count"] == 1
    assert ask(caller, "DELETE", path, headers=named).status == 200


@pytest.mark.parametrize(("scope", "reads", "writes"), [
    ("webchat:read", 200, 403), ("webchat:write", 403, 201), ("workflows:write", 403, 403)
])  # fmt: skip
def test_a_key_needs_the_scope(make: Factory, chat: Chat, scope: str, reads: int, writes: int) -> None:
    key = machine(make.api_key(chat.tenant, scopes=[scope]))
    assert ask(key, "GET", chat.path).status == ask(key, "GET").status == reads
    assert ask(key, "POST", f"{chat.path}/messages", body=said("x")).status == writes


def test_another_tenants_session_is_not_found(make: Factory, chat: Chat) -> None:
    stranger = make.tenant().owner
    nobodys = ask(stranger, "GET", f"/{'0' * 64}")
    theirs = ask(stranger, "GET", chat.path)
    assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body) == (404, nobodys.body)
    for method, path, body in (("DELETE", "", None), ("POST", "/messages", said("x"))):
        refused(ask(stranger, method, chat.path + path, body=body), 404)
    assert chat.get().json["message_count"] == 0


def test_sessions_are_listed_newest_first_by_pages_and_filters(make: Factory) -> None:
    tenant = make.tenant()
    flows = [make.workflow(tenant) for _ in range(2)]
    made = [opened(tenant.owner, flow, user).json for user in ("a", "b", "c") for flow in flows]
    ids = [session["id"] for session in reversed(made)]

    def listed(**query: Any) -> list[str]:
        return [session["id"] for session in ask(tenant.owner, "GET", query=query).json]

    assert listed() == ids
    assert listed(workflow_id=flows[0]) == ids[1::2]
    assert listed(user_id="b") == ids[2:4]
    assert listed(user_id="b", workflow_id=flows[1]) == ids[2:3]
    assert listed(user_id="d") == []
    first = ask(tenant.owner, "GET", query={"limit": 4}, headers={"prefer": "count=exact"})
    assert first.headers["x-total-count"] == "6"
    link = first.headers["link"].partition(">")[0].removeprefix("</routes/webchat/sessions")
    rest = ask(tenant.owner, "GET", link)
    assert [session["id"] for session in first.json + rest.json] == ids
    assert "link" not in rest.headers
    assert all("messages" in session and session["messages"] is None for session in first.json)


@pytest.mark.parametrize("query", ["workflow_id=7", "user_id=", "user_id=%00", f"user_id={'x' * 256}", "limit=251"])
def test_a_filter_is_a_value_that_can_be(chat: Chat, query: str) -> None:
    refused(ask(chat.owner, "GET", f"?{query}"), 422, f"query.{query.partition('=')[0]}")
