"""How to get each status out of an operation. A status may have several ways to it; those that fit are all tried."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flomastr import health
from flomastr.database import connection, pipeline
from flomastr.settings import settings
from tests.support.events import Answer
from tests.support.factories import Factory
from tests.support.requests import BY_NAME, ApiClient, Operation

UNREACHABLE = "postgresql://flo_app:secret@127.0.0.1:1/nowhere"
TOO_LARGE = json.dumps({"name": "x" * 5_000_000})
UNKNOWN = {"user_id": "nobody", "key_id": "0" * 12, "session_key": "0" * 64, "key": "unheard-of"}
ABLE = {
    **dict.fromkeys(("tenant:delete", "erasures:read", "erasures:write", "recovery:write"), "owner"),
    "invitation:write": "pending",
    "events:write": "key for events:write",
}
NEED_NONE = (
    "connect_n8n_instance",
    "list_preferences",
    "store_setting",
    "store_document",
    "store_file",
    "begin_upload",
)  # nothing need be under the last name of the path
NEEDS_NO_NAME = {"preferences:read", "preferences:write", "events:write"}  # else there is no tenant, or the key's


@dataclass
class Attempt:
    """An operation, and what it takes to bring it to an answer."""

    operation: Operation
    make: Factory
    superuser: psycopg.Connection[Any]
    patch: pytest.MonkeyPatch

    @cached_property
    def client(self) -> ApiClient:
        """With somebody who may, in a tenant where it can be done."""
        client = ApiClient(self.make, able(self.operation))
        client.prepare(self.operation)
        return client

    def ask(self, **changed: Any) -> Answer:
        return self.client.ask(self.operation, **changed)

    def again(self, **request: Any) -> Answer:
        """The same request a second time."""
        self.ask(**request)
        return self.ask(**request)

    def with_header(self, name: str, value: str) -> Answer:
        return self.ask(headers=self.client.request(self.operation)["headers"] | {name: value})

    def with_field(self, name: str, value: Any) -> Answer:
        body = self.client.request(self.operation)["body"]
        changed = {name: value}
        return self.ask(body=[body[0] | changed] if isinstance(body, list) else body | changed)

    def run(self, statement: Any) -> None:
        caller = self.client.caller
        self.superuser.execute(
            statement, {"tenant": self.client.tenant.id, "person": caller and (caller.user_id or caller.key_id)}
        )


type Ask = Callable[[Attempt], Answer]


@dataclass(frozen=True)
class Trigger:
    status: int
    fits: Callable[[Operation], bool]
    ask_for_it: Ask
    name: str

    def __str__(self) -> str:
        return f"{self.status} {self.name}"


TRIGGERS: list[Trigger] = []


def to(
    status: int, fits: Callable[[Operation], bool]
) -> Callable[[Callable[[Attempt], Answer]], Callable[[Attempt], Answer]]:
    def add(ask_for_it: Callable[[Attempt], Answer]) -> Callable[[Attempt], Answer]:
        TRIGGERS.append(Trigger(status, fits, ask_for_it, ask_for_it.__name__))
        return ask_for_it

    return add


def triggers_of(operation: Operation, status: int) -> list[Trigger]:
    return [trigger for trigger in TRIGGERS if trigger.status == status and trigger.fits(operation)]


def able(operation: Operation) -> str:
    """Somebody who may do it."""
    match str(operation.scope).partition(":")[0]:
        case "None":
            return "anonymous"
        case "platform":
            return "super admin"
        case "me":
            return "stranger"
        case _:
            return ABLE.get(str(operation.scope), "admin")


def anything(operation: Operation) -> bool:
    return True


def secured(operation: Operation) -> bool:
    return operation.scope is not None


def has(*parameters: str) -> Callable[[Operation], bool]:
    return lambda operation: bool(operation.parameters.keys() & set(parameters))


def called(*names: str) -> Callable[[Operation], bool]:
    return lambda operation: operation.name.removesuffix("_by_path") in names


def has_body(operation: Operation) -> bool:
    return operation.has_body


def has_json(operation: Operation) -> bool:
    return operation.has_json


def has_object(operation: Operation) -> bool:
    return operation.has_json and operation.name != "record_events"


def last_id(operation: Operation) -> str:
    """What the path or the query is about; not the tenant."""
    named = (*re.findall(r"{(\w+)}", operation.path), *(name for name in operation.required if name != "metadata"))
    return next(reversed([name for name in named if name != "slug"]), "")


@to(200, lambda operation: 201 not in operation.responses)
@to(201, anything)
@to(202, anything)
def it_succeeds(attempt: Attempt) -> Answer:
    return attempt.ask()


@to(200, lambda operation: 201 in operation.responses)
def it_was_there_already(attempt: Attempt) -> Answer:
    return attempt.again()


@to(304, lambda operation: operation.method == "GET")
def nothing_has_changed(attempt: Attempt) -> Answer:
    return attempt.with_header("if-none-match", attempt.ask().headers["etag"])


@to(400, lambda operation: "x-tenant" in operation.parameters and operation.scope not in NEEDS_NO_NAME)
def several_tenants_can_be_meant(attempt: Attempt) -> Answer:
    assert attempt.client.caller
    attempt.make.member(attempt.make.tenant().id, attempt.client.caller)
    return attempt.ask(headers={})


@to(400, has("cursor"))
def the_cursor_is_of_no_list(attempt: Attempt) -> Answer:
    return attempt.ask(query={"cursor": "AAAA"})


@to(400, has_json)
def the_body_is_no_json(attempt: Attempt) -> Answer:
    return attempt.ask(body='{"name": ')


@to(401, secured)
def nobody_asks(attempt: Attempt) -> Answer:
    return attempt.ask(caller=None, headers={})


@to(403, secured)
def somebody_asks_who_may_not(attempt: Attempt) -> Answer:
    is_for_super_admins = str(attempt.operation.scope).startswith("platform:")
    return ApiClient(attempt.make, "stranger" if is_for_super_admins else "key for nothing").ask(attempt.operation)


@to(404, lambda operation: "x-tenant" in operation.parameters)
def there_is_no_such_tenant(attempt: Attempt) -> Answer:
    return attempt.with_header("x-tenant", "no-such-tenant")


@to(404, lambda operation: "{slug}" in operation.path)
def there_is_no_such_slug(attempt: Attempt) -> Answer:
    return attempt.ask(path=attempt.client.path(attempt.operation, slug="no-such-tenant"))


@to(404, called("suspend_tenant", "reactivate_tenant", "soft_delete_tenant", "hard_delete_tenant"))
@to(404, called("undelete_tenant", "restore_tenant"))
def there_is_no_such_tenant_to_change(attempt: Attempt) -> Answer:
    return attempt.with_field("tenant_id", str(uuid4()))


@to(404, lambda operation: last_id(operation) != "" and operation.name.removesuffix("_by_path") not in NEED_NONE)
def there_is_nothing_under_that_id(attempt: Attempt) -> Answer:
    name = last_id(attempt.operation)
    unknown = {name: UNKNOWN.get(name, str(uuid4()))}
    client, operation = attempt.client, attempt.operation
    return attempt.ask(path=client.path(operation, **unknown), query=client.query(operation, **unknown))


@to(404, called("store_document", "store_file", "begin_upload"))
def there_is_no_such_base(attempt: Attempt) -> Answer:
    return attempt.ask(path=attempt.client.path(attempt.operation, knowledge_base_id=str(uuid4())))


@to(412, has("if-match"))
def it_has_changed(attempt: Attempt) -> Answer:
    return attempt.with_header("if-match", '"an older state"')


@to(413, has_body)
def the_body_is_too_large(attempt: Attempt) -> Answer:
    return attempt.ask(body=TOO_LARGE)


@to(415, has_body)
def the_body_is_compressed(attempt: Attempt) -> Answer:
    return attempt.with_header("content-encoding", "gzip")


@to(422, lambda operation: bool(operation.required))
def the_query_names_nothing(attempt: Attempt) -> Answer:
    return attempt.ask(query={})


@to(422, has_object)
def a_field_is_unknown(attempt: Attempt) -> Answer:
    return attempt.with_field("nonsense", 1)


@to(422, called("record_events"))
def the_body_is_a_number(attempt: Attempt) -> Answer:
    return attempt.ask(body=1)


@to(422, lambda operation: "{" in operation.path)
def a_part_of_the_path_is_too_long(attempt: Attempt) -> Answer:
    return attempt.ask(path=re.sub(r"{\w+}", "x" * 256, attempt.operation.path))


@to(422, has("x-tenant"))
def the_tenant_is_no_name(attempt: Attempt) -> Answer:
    return attempt.with_header("x-tenant", "-")


@to(422, has("limit", "days", "identifier"))
def a_parameter_is_too_small(attempt: Attempt) -> Answer:
    return attempt.ask(query={"limit": 0, "days": 0, "identifier": ""})


@to(429, lambda operation: operation.is_limited)
def the_limit_is_reached(attempt: Attempt) -> Answer:
    request = attempt.client.request(attempt.operation)
    attempt.run("UPDATE app.rate_limits SET rate_limit_per_minute = 1 WHERE tenant_id = %(tenant)s")
    assert attempt.client.beside("owner").ask(BY_NAME["get_tenant"]).status == 200
    attempt.run("INSERT INTO app.rate_buckets SELECT 'user:' || %(person)s, now() + interval '1 minute'")
    return attempt.ask(**request)


@to(503, lambda operation: secured(operation) or operation.path.endswith("/ready"))
def the_database_is_gone(attempt: Attempt) -> Answer:
    request = attempt.client.request(attempt.operation)
    attempt.patch.setenv("DATABASE_URL", UNREACHABLE)
    attempt.patch.setattr(pipeline, "ATTEMPTS", 1)
    attempt.patch.setattr(health, "verdict", health.Verdict())
    settings.cache_clear()
    connection.discard()
    return attempt.ask(**request)
