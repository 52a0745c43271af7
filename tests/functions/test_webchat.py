"""Webchat sessions over HTTP, through what Lambda calls."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from flomastr.caller import Caller
from flomastr.database.access import AccessRequest
from flomastr.workflows import webchat
from flomastr.workflows.webchat import NewMessage, NewMessages, NewSession
from functions.webchat.handler import lambda_handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.concurrency import concurrently
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.problems import refused

SESSIONS = "/routes/webchat/sessions"
NO_WORKFLOW = "00000000-0000-4000-8000-000000000000"
NOBODYS = "0" * 64


def ask(caller: Caller, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"{SESSIONS}{path}", caller=caller, **request)


def opened(caller: Caller, workflow: UUID, user_id: str | None, **request: Any) -> Answer:
    return ask(caller, "POST", body={"workflow_id": str(workflow), "user_id": user_id}, **request)


def said(*contents: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} | more for content in contents]}


class Chat:
    """A session of the owner of a new tenant."""

    def __init__(self, make: Factory) -> None:
        self.tenant = make.tenant()
        self.workflow = make.workflow(self.tenant)
        self.owner = self.tenant.owner
        self.session = opened(self.owner, self.workflow, self.owner.user_id).json
        self.path = f"/{self.session['session_key']}"

    def say(self, *contents: str, **more: Any) -> Answer:
        return ask(self.owner, "POST", f"{self.path}/messages", body=said(*contents, **more))

    def get(self, **headers: str) -> Answer:
        return ask(self.owner, "GET", self.path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture
def chat(make: Factory) -> Chat:
    return Chat(make)


def test_a_session_is_opened_read_and_deleted(make: Factory) -> None:
    tenant = make.tenant()
    body = {"tenant_id": tenant.slug, "workflow_id": str(make.workflow(tenant)), "user_id": "visitor 7"}
    session = ask(tenant.owner, "POST", body=body)
    assert session.status == 201
    assert session.json == body | {
        "id": session.json["id"],
        "session_key": session.json["session_key"],
        "tenant_id": str(tenant.id),
        "messages": [],
        "message_count": 0,
        "created_at": session.json["created_at"],
        "updated_at": session.json["created_at"],
    }
    path = f"/{session.json['session_key']}"
    assert session.headers["location"] == f"{SESSIONS}{path}"
    assert ask(tenant.owner, "GET", path).json == session.json
    assert ask(tenant.owner, "DELETE", path).json == {"message": "The session and its messages are deleted."}
    for method in ("GET", "DELETE"):
        refused(ask(tenant.owner, method, path), 404)


def test_who_belongs_to_several_tenants_names_one_in_the_body(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    make.member(other.id, tenant.owner)
    body = {"workflow_id": str(make.workflow(tenant)), "user_id": "visitor"}
    assert ask(tenant.owner, "POST", body=body).json["code"] == "tenant_required"
    named = ask(tenant.owner, "POST", body=body | {"tenant_id": tenant.slug})
    assert (named.status, named.json["tenant_id"]) == (201, str(tenant.id))


def test_opening_a_session_again_finds_it_with_its_messages(chat: Chat) -> None:
    chat.say("hello")
    again = opened(chat.owner, chat.workflow, chat.owner.user_id)
    assert again.status == 200
    found = again.json
    assert (found["id"], found["session_key"]) == (chat.session["id"], chat.session["session_key"])
    assert [message["content"] for message in found["messages"]] == ["hello"]
    assert found["updated_at"] > chat.session["updated_at"]


def test_each_user_has_a_session_with_each_workflow(make: Factory) -> None:
    tenant = make.tenant()
    pairs = [(make.workflow(tenant), user) for _ in range(2) for user in ("a", "b")]
    keys = [opened(tenant.owner, *pair).json["session_key"] for pair in pairs]
    assert len(set(keys)) == 4
    assert [opened(tenant.owner, *pair).json["session_key"] for pair in pairs] == keys


def test_a_deleted_session_is_opened_anew_under_another_key(chat: Chat) -> None:
    assert re.fullmatch("[0-9a-f]{64}", chat.session["session_key"])
    ask(chat.owner, "DELETE", chat.path)
    anew = opened(chat.owner, chat.workflow, chat.owner.user_id)
    assert anew.status == 201
    assert anew.json["session_key"] != chat.session["session_key"]


def test_messages_are_appended_in_their_order_and_numbered(chat: Chat) -> None:
    first = chat.say("one", "two", metadata={"channel": "web"})
    assert first.status == 201
    assert first.json == {
        "session_key": chat.session["session_key"],
        "message_count": 2,
        "messages": [
            {"id": number, "role": "user", "content": content, "metadata": {"channel": "web"}}
            | {"created_at": first.json["messages"][0]["created_at"]}
            for number, content in ((1, "one"), (2, "two"))
        ],
    }
    second = ask(chat.owner, "POST", f"{chat.path}/messages", body={
        "messages": [{"role": "assistant", "content": "three"}, {"role": "system", "content": ""}]
    })  # fmt: skip
    assert [(m["id"], m["role"], m["metadata"]) for m in second.json["messages"]] == [
        (3, "assistant", None),
        (4, "system", None),
    ]
    session = chat.get().json
    assert session["messages"] == first.json["messages"] + second.json["messages"]
    assert session["message_count"] == second.json["message_count"] == 4
    assert session["updated_at"] == second.json["messages"][0]["created_at"] > session["created_at"]


def test_a_repeated_append_happens_once(chat: Chat) -> None:
    request: dict[str, Any] = {"body": said("hello"), "headers": {"idempotency-key": "k"}}
    answers = [ask(chat.owner, "POST", f"{chat.path}/messages", **request) for _ in range(2)]
    assert answers[0].status == answers[1].status == 201
    assert answers[0].json == answers[1].json
    assert chat.get().json["message_count"] == 1


def test_what_was_said_is_not_kept_under_the_key_of_its_request(chat: Chat, superuser: psycopg.Connection[Any]) -> None:
    ask(chat.owner, "POST", f"{chat.path}/messages", body=said("before"))
    request: dict[str, Any] = {"body": said("my card is 4711", "what now?"), "headers": {"idempotency-key": "k"}}
    first = ask(chat.owner, "POST", f"{chat.path}/messages", **request)
    ask(chat.owner, "POST", f"{chat.path}/messages", body=said("after"))
    assert ask(chat.owner, "POST", f"{chat.path}/messages", **request).json == first.json
    kept = "SELECT count(*) FROM app.idempotency_keys AS k WHERE k::text LIKE '%card is%'"
    assert superuser.execute(kept).fetchall() == [(0,)]
    assert ask(chat.owner, "DELETE", chat.path).status == 200
    assert ask(chat.owner, "POST", f"{chat.path}/messages", **request).status == 404


def test_a_repeated_opening_answers_that_it_was_new_and_what_is_in_it_now(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    first = opened(tenant.owner, workflow, "visitor", headers={"idempotency-key": "k"})
    ask(tenant.owner, "POST", f"/{first.json['session_key']}/messages", body=said("hello"))
    again = opened(tenant.owner, workflow, "visitor", headers={"idempotency-key": "k"})
    assert (again.status, again.json["id"], again.json["message_count"]) == (201, first.json["id"], 1)
    assert opened(tenant.owner, workflow, "visitor").status == 200


def test_appending_to_no_session_is_not_found_and_leaves_no_key_behind(chat: Chat) -> None:
    request: dict[str, Any] = {"body": said("x"), "headers": {"idempotency-key": "k"}}
    answer = ask(chat.owner, "POST", f"/{NOBODYS}/messages", **request)
    refused(answer, 404)
    assert answer.body == ask(chat.owner, "GET", f"/{NOBODYS}").body
    assert ask(chat.owner, "POST", f"{chat.path}/messages", **request).status == 201


def test_a_workflow_that_is_not_there_or_not_the_tenants_is_not_found(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    bodies: set[str] = set()
    for workflow in (uuid4(), make.workflow(other)):
        for headers in ({}, {"idempotency-key": "k" + str(workflow)}):
            answer = opened(tenant.owner, workflow, "visitor", headers=headers)
            refused(answer, 404, "body.workflow_id")
            bodies.add(answer.body)
    assert len(bodies) == 1
    assert "body.workflow_id: there is no such workflow." in bodies.pop()


def test_a_deleted_workflow_takes_its_sessions_with_it(chat: Chat) -> None:
    assert call(workflows, "DELETE", f"/routes/workflows/{chat.workflow}", caller=chat.owner).status == 200
    refused(chat.get(), 404)


def test_the_etag_changes_with_the_messages_and_what_is_known_is_not_sent_again(chat: Chat) -> None:
    before = chat.get().headers["etag"]
    answer = chat.get(if_none_match=before)
    assert (answer.status, answer.body) == (304, "")
    chat.say("hello")
    after = chat.get(if_none_match=before)
    assert after.status == 200
    assert after.headers["etag"] != before
    refused(ask(chat.owner, "DELETE", chat.path, headers={"if-match": before}), 412)
    assert ask(chat.owner, "DELETE", chat.path, headers={"if-match": after.headers["etag"]}).status == 200


def test_messages_appended_at_once_are_all_there_in_one_order(chat: Chat, direct_url: str) -> None:
    key = chat.session["session_key"]
    queries = [webchat.append(key, NewMessages(messages=[NewMessage(role="user", content=str(n))])) for n in range(50)]
    concurrently(direct_url, AccessRequest(chat.owner, None, "webchat:write"), queries)
    messages = chat.get().json["messages"]
    assert [message["id"] for message in messages] == list(range(1, 51))
    assert sorted(int(message["content"]) for message in messages) == list(range(50))
    moments = [message["created_at"] for message in messages]
    assert moments == sorted(moments)


def test_a_session_opened_at_once_is_one(make: Factory, direct_url: str) -> None:
    tenant = make.tenant()
    new = NewSession(workflow_id=make.workflow(tenant), user_id="visitor")
    concurrently(
        direct_url, AccessRequest(tenant.owner, None, "webchat:write"), [webchat.open_session(new) for _ in range(50)]
    )
    assert len(ask(tenant.owner, "GET").json) == 1


@pytest.mark.parametrize("key", ["x" * 256, "%00"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_session_key_that_cannot_be_is_refused(chat: Chat, method: str, key: str) -> None:
    refused(ask(chat.owner, method, f"/{key}"), 422, "path.session_key")


@pytest.mark.parametrize("body, field", [
    ('{"user_id": "u"}', "body.workflow_id"),
    ('{"workflow_id": "7", "user_id": "u"}', "body.workflow_id"),
    (json.dumps({"workflow_id": NO_WORKFLOW}), "body.user_id"),
    (json.dumps({"workflow_id": NO_WORKFLOW, "user_id": ""}), "body.user_id"),
    (json.dumps({"workflow_id": NO_WORKFLOW, "user_id": "x" * 256}), "body.user_id"),
    (json.dumps({"workflow_id": NO_WORKFLOW, "user_id": "a\0"}), "body.user_id"),
    (json.dumps({"workflow_id": NO_WORKFLOW, "user_id": "u", "session_key": "k"}), "body.session_key"),
])  # fmt: skip
def test_a_session_that_cannot_be_is_refused_by_the_name_of_the_field(chat: Chat, body: str, field: str) -> None:
    refused(ask(chat.owner, "POST", body=body), 422, field)
