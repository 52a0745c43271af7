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

from flomastr.database import connection, pipeline
from flomastr.settings import settings
from tests.support.events import Answer
from tests.support.factories import Factory
from tests.support.requests import BY_NAME, Operation, Scene

UNREACHABLE = "postgresql://flo_app:secret@127.0.0.1:1/nowhere"
TOO_LARGE = json.dumps({"name": "x" * 5_000_000})
UNKNOWN = {"user_id": "nobody", "key_id": "0" * 12, "session_key": "0" * 64, "setting_key": "unheard-of"}
ABLE = {
    **dict.fromkeys(("tenant:delete", "erasures:read", "erasures:write"), "owner"),
    "invitation:write": "pending",
    "events:write": "key for events:write",
}
NEED_NONE = ("list_preferences", "store_setting", "store_document")  # nothing need be under the last name of the path
NEEDS_NO_NAME = {"preferences:read", "preferences:write", "events:write"}  # else there is no tenant, or the key's


@dataclass
class Stage:
    """An operation, and what it takes to bring it to an answer."""

    operation: Operation
    make: Factory
    superuser: psycopg.Connection[Any]
    patch: pytest.MonkeyPatch

    @cached_property
    def scene(self) -> Scene:
        """With somebody who may, in a tenant where it can be done."""
        scene = Scene(self.make, able(self.operation))
        scene.prepare(self.operation)
        return scene

    def ask(self, **changed: Any) -> Answer:
        return self.scene.ask(self.operation, **changed)

    def again(self, **request: Any) -> Answer:
        """The same request a second time."""
        self.ask(**request)
        return self.ask(**request)

    def with_header(self, name: str, value: str) -> Answer:
        return self.ask(headers=self.scene.request(self.operation)["headers"] | {name: value})

    def with_field(self, name: str, value: Any) -> Answer:
        return self.ask(body=self.scene.request(self.operation)["body"] | {name: value})

    def run(self, statement: Any) -> None:
        self.superuser.execute(statement, {"tenant": self.scene.tenant.id})


type Go = Callable[[Stage], Answer]


@dataclass(frozen=True)
class Way:
    status: int
    fits: Callable[[Operation], bool]
    go: Go
    name: str

    def __str__(self) -> str:
        return f"{self.status} {self.name}"


WAYS: list[Way] = []


def to(
    status: int, fits: Callable[[Operation], bool]
) -> Callable[[Callable[[Stage], Answer]], Callable[[Stage], Answer]]:
    def add(go: Callable[[Stage], Answer]) -> Callable[[Stage], Answer]:
        WAYS.append(Way(status, fits, go, go.__name__))
        return go

    return add


def ways_to(operation: Operation, status: int) -> list[Way]:
    return [way for way in WAYS if way.status == status and way.fits(operation)]


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
    return lambda operation: operation.name in names


def has_body(operation: Operation) -> bool:
    return operation.has_body


def has_object(operation: Operation) -> bool:
    return operation.has_body and operation.name != "record_events"


def last_id(operation: Operation) -> str:
    """What the path is about; not the tenant."""
    return next(reversed([name for name in re.findall(r"{(\w+)}", operation.path) if name != "slug"]), "")


@to(200, lambda operation: 201 not in operation.responses)
@to(201, anything)
@to(202, anything)
def it_succeeds(stage: Stage) -> Answer:
    return stage.ask()


@to(200, lambda operation: 201 in operation.responses)
def it_was_there_already(stage: Stage) -> Answer:
    return stage.again()


@to(304, lambda operation: operation.method == "GET")
def nothing_has_changed(stage: Stage) -> Answer:
    return stage.with_header("if-none-match", stage.ask().headers["etag"])


@to(400, lambda operation: "x-tenant" in operation.parameters and operation.scope not in NEEDS_NO_NAME)
def several_tenants_can_be_meant(stage: Stage) -> Answer:
    assert stage.scene.caller
    stage.make.member(stage.make.tenant().id, stage.scene.caller)
    return stage.ask(headers={})


@to(400, has("cursor"))
def the_cursor_is_of_no_list(stage: Stage) -> Answer:
    return stage.ask(query={"cursor": "AAAA"})


@to(400, has_body)
def the_body_is_no_json(stage: Stage) -> Answer:
    return stage.ask(body='{"name": ')


@to(401, secured)
def nobody_asks(stage: Stage) -> Answer:
    return stage.ask(caller=None, headers={})


@to(403, secured)
def somebody_asks_who_may_not(stage: Stage) -> Answer:
    is_for_super_admins = str(stage.operation.scope).startswith("platform:")
    return Scene(stage.make, "stranger" if is_for_super_admins else "key for nothing").ask(stage.operation)


@to(404, lambda operation: "x-tenant" in operation.parameters)
def there_is_no_such_tenant(stage: Stage) -> Answer:
    return stage.with_header("x-tenant", "no-such-tenant")


@to(404, lambda operation: "{slug}" in operation.path)
def there_is_no_such_slug(stage: Stage) -> Answer:
    return stage.ask(path=stage.scene.path(stage.operation, slug="no-such-tenant"))


@to(404, called("suspend_tenant", "reactivate_tenant", "soft_delete_tenant", "hard_delete_tenant"))
@to(404, called("undelete_tenant", "restore_tenant"))
def there_is_no_such_tenant_to_change(stage: Stage) -> Answer:
    return stage.with_field("tenant_id", str(uuid4()))


@to(404, lambda operation: last_id(operation) != "" and operation.name not in NEED_NONE)
def there_is_nothing_under_that_id(stage: Stage) -> Answer:
    name = last_id(stage.operation)
    return stage.ask(path=stage.scene.path(stage.operation, **{name: UNKNOWN.get(name, str(uuid4()))}))


@to(404, called("store_document"))
def there_is_no_such_base(stage: Stage) -> Answer:
    return stage.ask(path=stage.scene.path(stage.operation, knowledge_base_id=str(uuid4())))


@to(412, has("if-match"))
def it_has_changed(stage: Stage) -> Answer:
    return stage.with_header("if-match", '"an older state"')


@to(413, has_body)
def the_body_is_too_large(stage: Stage) -> Answer:
    return stage.ask(body=TOO_LARGE)


@to(422, has_object)
def a_field_is_unknown(stage: Stage) -> Answer:
    return stage.with_field("nonsense", 1)


@to(422, called("record_events"))
def the_body_is_a_number(stage: Stage) -> Answer:
    return stage.ask(body=1)


@to(422, lambda operation: "{" in operation.path)
def a_part_of_the_path_is_too_long(stage: Stage) -> Answer:
    return stage.ask(path=re.sub(r"{\w+}", "x" * 256, stage.operation.path))


@to(422, has("x-tenant"))
def the_tenant_is_no_name(stage: Stage) -> Answer:
    return stage.with_header("x-tenant", "-")


@to(422, has("limit", "days", "identifier"))
def a_parameter_is_too_small(stage: Stage) -> Answer:
    return stage.ask(query={"limit": 0, "days": 0, "identifier": ""})


@to(429, lambda operation: operation.is_limited)
def the_limit_is_reached(stage: Stage) -> Answer:
    request = stage.scene.request(stage.operation)
    stage.run("UPDATE app.rate_limits SET rate_limit_per_minute = 1 WHERE tenant_id = %(tenant)s")
    assert stage.scene.beside("owner").ask(BY_NAME["get_tenant"]).status == 200
    return stage.ask(**request)


@to(503, lambda operation: secured(operation) or operation.path.endswith("/ready"))
def the_database_is_gone(stage: Stage) -> Answer:
    request = stage.scene.request(stage.operation)
    stage.patch.setenv("DATABASE_URL", UNREACHABLE)
    stage.patch.setattr(pipeline, "ATTEMPTS", 1)
    settings.cache_clear()
    connection.discard()
    return stage.ask(**request)
