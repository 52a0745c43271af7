"""Tenant A learns nothing of tenant B by any route: B's ids and names are answered like unknown ones, byte for byte."""

import re
from itertools import product
from typing import Any

import pytest

from flomastr.caller import Caller
from flomastr.database import pipeline
from tests.support.cross_tenant import (
    OUTSIDERS,
    SECRET,
    Connection,
    Other,
    Outsider,
    full_tenant,
    owner_whom_b_has_invited,
    stored,
    unknown,
)
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.operations import OPERATIONS, Names, Operation

EVER_NEW = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"
    r'|flo_live_\w+|whsec_[\w+/=]+|(?<=/routes/api-keys/)\w{12}|(?<="id":")\w{12}(?=")|(?<="transaction":")\d+'
)
BY_NAME = {str(operation): operation for operation in OPERATIONS}
SECURED = [operation for operation in OPERATIONS if operation.scope]
MAKE_WHAT_THEY_NAME = {"PUT /routes/n8n/instances/{instance_name}"}  # in A, whatever it is called in B
INVITED_ARE_TOLD = {  # who invites them
    "POST /routes/tenants/{slug}/invitation/accept",
    "POST /routes/tenants/{slug}/invitation/decline",
    "GET /routes/api/v1/users/me/status",
}


@pytest.fixture(scope="module")
def other(make: Factory, superuser: Connection) -> Other:
    return full_tenant(make, superuser)


def ways_to_name(operation: Operation) -> tuple[str, ...]:
    """Where a request may name B: in the query, a header or the body; nowhere, naming things of B alone."""
    match operation.dependency:
        case "in_tenant_of_path":
            return ("path", "nothing")
        case "without_tenant":
            return ("body",)
        case _:
            return ("query", "header", "body", "nothing")


def asked(operation: Operation, outsider: Outsider, names: Names, named_in: str, headers: dict[str, str]) -> Answer:
    if named_in == "nothing":
        names = {**names, "slug": outsider.tenant.slug}
    return operation.ask(outsider.caller, names, named_in, outsider.headers | headers)


def without_names(answer: Answer, outsider: Outsider, names: Names) -> tuple[int, dict[str, str], str]:
    """All of an answer. Where something was made in A, without the names that A gave it and what is ever new."""
    if answer.status >= 400:
        return answer.status, answer.headers, answer.body
    varies = ("ratelimit", "content-length")  # the body is compared itself
    headers = {name: value for name, value in answer.headers.items() if not name.startswith(varies)}
    text = f"{headers}\n{answer.body}"
    for name in (*names.values(), outsider.tenant.slug, outsider.caller.user_id, outsider.caller.email):
        text = re.sub(rf"(?<![\w-]){re.escape(str(name))}(?![\w-])", "named", text)
    return answer.status, {}, EVER_NEW.sub("new", text)


def test_the_walk_meets_the_routes_and_fills_their_bodies() -> None:
    assert len(BY_NAME) == len(OPERATIONS) >= 60
    names: Names = dict.fromkeys(("tenant_id", "workflow_id", "n8n_workflow_id", "n8n_execution_id"), "1")
    batch = BY_NAME["POST /routes/workflow-executions/batch"]
    assert batch.body
    assert batch.fill(batch.body, names)["executions"][0] == {
        "workflow_id": "1", "n8n_workflow_id": "1", "n8n_execution_id": "1", "status": "new",
        "started_at": "2026-01-02T03:04:05Z", "finished_at": "2026-01-02T03:04:05Z", "execution_data": {},
        "error_message": "text", "workflow_name": "text", "mode": "text",
    }  # fmt: skip


def test_the_other_tenant_has_a_row_in_every_table(other: Other, superuser: Connection) -> None:
    empty = {table for table, rows in stored(superuser, other.tenant).items() if not rows}
    assert empty <= {"idempotency_keys"}


@pytest.mark.parametrize("operation", SECURED, ids=str)
def test_what_is_another_tenants_is_answered_like_what_does_not_exist(
    make: Factory, other: Other, superuser: Connection, operation: Operation
) -> None:
    before = stored(superuser, other.tenant)
    by_slug = other.names | {"tenant_id": other.tenant.slug}
    if "{slug}" in operation.path:  # where an id will do as well
        by_slug["slug"] = str(other.tenant.id)
    conditions = {"if-match": '"x"', "if-none-match": "*", "prefer": "count=exact"}
    requests: list[tuple[Names, dict[str, str]]] = [(other.names, {}), (by_slug, conditions)]
    two: dict[Any, tuple[Outsider, Outsider]] = {}
    for (theirs, headers), named_in, outsider_of in product(requests, ways_to_name(operation), OUTSIDERS):
        if str(operation) in INVITED_ARE_TOLD and outsider_of is owner_whom_b_has_invited:
            continue
        nobodys = unknown(theirs)
        if outsider_of not in two or operation.method != "GET":  # what was written is not there for the next
            two[outsider_of] = outsider_of(make, other), outsider_of(make, other)
        known, not_known = two[outsider_of]
        answer = asked(operation, known, theirs, named_in, headers)
        assert answer.status not in (422, 500, 503), answer.body  # else it would not have come to the database
        expected = asked(operation, not_known, nobodys, named_in, headers)
        assert without_names(answer, known, theirs) == without_names(expected, not_known, nobodys), (
            outsider_of,
            named_in,
        )
        assert SECRET not in answer.body
    assert stored(superuser, other.tenant) == before


@pytest.mark.parametrize("operation", [o for o in SECURED if o.scope.startswith("platform:")], ids=str)
def test_the_platform_is_closed_to_people_and_keys_of_tenants(
    make: Factory, other: Other, superuser: Connection, operation: Operation
) -> None:
    """Whichever tenant they name, their own included."""
    before = superuser.execute("SELECT to_jsonb(u) FROM app.user_roles AS u ORDER BY id").fetchall()
    own = Outsider(other.tenant, other.tenant.owner, {})
    for outsider in (*(outsider_of(make, other) for outsider_of in OUTSIDERS), own):
        answer = asked(operation, outsider, other.names, "body", {})
        code = "missing_scope" if outsider.caller.key_id else "super_admin_only"
        assert (answer.status, answer.json["code"]) == (403, code)
    assert superuser.execute("SELECT to_jsonb(u) FROM app.user_roles AS u ORDER BY id").fetchall() == before


LET_INTO = """
SELECT
  set_config('app.tenant_id', '{}', true), set_config('app.role', 'super_admin', true),
  set_config('app.actor', 'user:any', true), set_config('app.email', '', true)
"""


@pytest.mark.parametrize("operation", [o for o in SECURED if not o.scope.startswith("me:")], ids=str)
def test_without_authorization_row_level_security_alone_still_keeps_the_other_tenant(
    make: Factory,
    other: Other,
    superuser: Connection,
    operation: Operation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B's own owner and key ask for what is theirs, and are let into A as super admins."""
    before = stored(superuser, other.tenant)
    asks_for_a_thing = bool({*re.findall(r"{(\w+)}", operation.path), *operation.required} - {"slug"})
    headers = {"authorization": f"Bearer {other.key.token()}"}
    for named_in in ways_to_name(operation):
        monkeypatch.setattr(pipeline, "AUTHORIZE", LET_INTO.format(make.tenant().id))
        answer = operation.ask(other.tenant.owner, other.names, named_in, headers)
        assert SECRET not in answer.body
        assert answer.status not in (422, 500, 503), answer.body
        if asks_for_a_thing and str(operation) not in MAKE_WHAT_THEY_NAME:
            assert answer.status in (403, 404) or answer.json == []
    assert stored(superuser, other.tenant) == before


def test_the_same_n8n_ids_in_two_tenants_are_two_executions(make: Factory, other: Other) -> None:
    operation = BY_NAME["POST /routes/workflow-executions/batch"]
    tenant = make.tenant()
    named = {key: other.names[key] for key in ("n8n_workflow_id", "n8n_execution_id")}
    delivery = named | {"status": "running"}

    def deliver() -> dict[str, Any]:
        answer = call(operation.handler, "POST", operation.path, caller=tenant.owner, body={"executions": [delivery]})
        return answer.json["results"][0]

    assert deliver()["outcome"] == "rejected"
    make.workflow(tenant, n8n_workflow_id=named["n8n_workflow_id"])
    made = deliver()
    assert made["outcome"] == "created"
    assert made["id"] != other.names["execution_id"]


def test_an_idempotency_key_is_its_tenants_and_its_callers_own(make: Factory, other: Other) -> None:
    operation = BY_NAME["POST /routes/workflows"]
    tenant = make.tenant()
    colleague = make.person()
    make.member(tenant.id, colleague)
    request: dict[str, Any] = {"body": {"name": "One"}, "headers": {"idempotency-key": "1"}}
    made = [
        call(operation.handler, "POST", operation.path, caller=caller, **request).json["id"]
        for caller in (other.tenant.owner, tenant.owner, colleague) * 2
    ]
    assert made[:3] == made[3:]
    assert len(set(made)) == 3


def test_an_idempotency_key_of_outside_tenants_is_the_persons_own(make: Factory) -> None:
    operation = BY_NAME["POST /routes/user-preferences"]
    one, another = make.person(), make.person()

    def store(person: Caller, colour: str) -> Answer:
        body = {"user_id": person.user_id, "preferences": {"colour": colour}}
        return call(
            operation.handler, "POST", operation.path, caller=person, body=body, headers={"idempotency-key": "1"}
        )

    stored = [store(person, "red") for person in (one, another) * 2]
    assert [answer.json["user_id"] for answer in stored] == [one.user_id, another.user_id] * 2
    assert stored[0].json["id"] == stored[2].json["id"] != stored[1].json["id"]
