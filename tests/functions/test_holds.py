"""Legal holds over HTTP: created, listed, released once, and kept as records. What they prevent: test_holds_kept.py."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from flomastr.caller import Caller
from functions.holds.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, archived_file, machine
from tests.support.problems import refused

HOLDS = "/routes/legal-holds"

type Connection = psycopg.Connection[Any]


def ask(caller: Caller, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"{HOLDS}{path}", caller=caller, **request)


def create(tenant: Tenant, caller: Caller | None = None, **fields: Any) -> Answer:
    body = {"scope": "tenant", "reason": "Case 7"} | {
        k: str(v) if isinstance(v, UUID) else v for k, v in fields.items()
    }
    return ask(caller or tenant.owner, "POST", body=body)


def release(tenant: Tenant, hold: str, reason: str = "Settled", **request: Any) -> Answer:
    return ask(tenant.owner, "POST", f"/{hold}/release", body={"reason": reason}, **request)


def test_a_tenant_has_a_thousand_active_holds_and_no_more(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    make.within(
        tenant.id,
        "INSERT INTO app.legal_holds (scope, reason, created_by)"
        " SELECT 'tenant', 'A dispute', 'test' FROM generate_series(1, 999)",
        {},
    )
    last, refused_one = create(tenant), create(tenant)
    assert (last.status, refused_one.status, refused_one.json["code"]) == (201, 409, "too_many_open")
    assert create(other).status == 201
    assert release(tenant, last.json["id"]).status == 200
    assert create(tenant).status == 201


def test_a_hold_is_created_read_and_released_and_stays_as_a_record(make: Factory) -> None:
    tenant, admin = make.tenant(), make.person()
    make.member(tenant.id, admin, "admin")
    workflow = make.workflow(tenant)
    created = create(tenant, admin, scope="workflow", workflow_id=workflow, tenant_id=tenant.slug)
    hold = created.json
    assert created.status == 201
    assert hold == {
        "id": hold["id"],
        "tenant_id": str(tenant.id),
        "scope": "workflow",
        "workflow_id": str(workflow),
        "execution_id": None,
        "reason": "Case 7",
        "created_by": f"user:{admin.user_id}",
        "created_at": hold["created_at"],
        "released_by": None,
        "released_at": None,
        "release_reason": None,
    }
    path = f"/{hold['id']}"
    assert created.headers["location"] == HOLDS + path
    assert ask(admin, "GET", path).json == hold
    released = release(tenant, hold["id"])
    assert released.status == 200
    assert released.json == hold | {
        "released_by": f"user:{tenant.owner.user_id}",
        "released_at": released.json["released_at"],
        "release_reason": "Settled",
    }
    assert released.json["released_at"] >= hold["created_at"]
    assert ask(admin, "GET", path).json == released.json
    assert [row["id"] for row in ask(admin, "GET").json] == [hold["id"]]


def test_a_hold_has_an_etag_that_its_release_changes(make: Factory) -> None:
    tenant = make.tenant()
    created = create(tenant)
    known = {"if-none-match": created.headers["etag"]}
    path = f"/{created.json['id']}"
    assert ask(tenant.owner, "GET", path, headers=known).status == 304
    after = release(tenant, created.json["id"])
    read = ask(tenant.owner, "GET", path, headers=known)
    assert (read.status, read.headers["etag"]) == (200, after.headers["etag"])


def test_a_hold_is_released_once_and_its_record_does_not_change(make: Factory) -> None:
    tenant = make.tenant()
    hold = create(tenant).json["id"]
    first = release(tenant, hold)
    again = release(tenant, hold, "Another reason")
    refused(again, 409)
    assert again.json["code"] == "hold_is_released"
    assert ask(tenant.owner, "GET", f"/{hold}").json == first.json


def test_placing_and_releasing_happen_once_under_an_idempotency_key(make: Factory) -> None:
    tenant = make.tenant()
    key: dict[str, Any] = {"headers": {"idempotency-key": "1"}}
    body = {"scope": "tenant", "reason": "Case 7"}
    created = [ask(tenant.owner, "POST", body=body, **key) for _ in range(2)]
    assert [answer.status for answer in created] == [201, 201]
    assert created[0].json == created[1].json
    assert len(ask(tenant.owner, "GET").json) == 1
    key = {"headers": {"idempotency-key": "2"}}
    released = [release(tenant, created[0].json["id"], **key) for _ in range(2)]
    assert [answer.status for answer in released] == [200, 200]
    assert released[0].json == released[1].json


def test_one_thing_may_be_under_several_holds(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    assert create(tenant, scope="workflow", workflow_id=workflow).status == 201
    assert create(tenant, scope="workflow", workflow_id=workflow).status == 201


def test_the_list_is_newest_first_in_pages_and_separates_the_active_from_the_released(make: Factory) -> None:
    tenant = make.tenant()
    ids = [create(tenant).json["id"] for _ in range(3)]
    release(tenant, ids[1])

    def listed(**query: Any) -> list[str]:
        return [row["id"] for row in ask(tenant.owner, "GET", query=query).json]

    assert listed() == [ids[2], ids[1], ids[0]]
    assert listed(active="true") == [ids[2], ids[0]]
    assert listed(active="false") == [ids[1]]
    first = ask(tenant.owner, "GET", query={"active": "true", "limit": 1}, headers={"prefer": "count=exact"})
    assert first.headers["x-total-count"] == "2"
    following = first.headers["link"].partition("<")[2].partition(">")[0].removeprefix(HOLDS)
    assert [row["id"] for row in ask(tenant.owner, "GET", following).json] == [ids[0]]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scope": "tenant", "workflow_id": uuid4()}, "body"),
        ({"scope": "tenant", "execution_id": uuid4()}, "body"),
        ({"scope": "workflow"}, "body"),
        ({"scope": "workflow", "workflow_id": uuid4(), "execution_id": uuid4()}, "body"),
        ({"scope": "workflow", "execution_id": uuid4()}, "body"),
        ({"scope": "execution"}, "body"),
        ({"scope": "execution", "workflow_id": uuid4()}, "body"),
        ({"scope": "execution", "workflow_id": uuid4(), "execution_id": uuid4()}, "body"),
        ({"scope": "session"}, "body.scope"),
        ({"scope": "workflow", "workflow_id": "7"}, "body.workflow_id"),
        ({"reason": ""}, "body.reason"),
        ({"reason": "x" * 1001}, "body.reason"),
        ({"until": "2030-01-01"}, "body.until"),
    ],
)
def test_a_hold_names_what_its_scope_needs_and_nothing_else(make: Factory, fields: dict[str, Any], named: str) -> None:
    tenant = make.tenant()
    refused(create(tenant, **fields), 422, named)
    assert ask(tenant.owner, "GET").json == []


def test_a_reason_may_have_a_thousand_characters_and_a_release_needs_one(make: Factory) -> None:
    tenant = make.tenant()
    hold = create(tenant, reason="\u00e9" * 1000).json["id"]
    refused(ask(tenant.owner, "POST", f"/{hold}/release", body={}), 422, "body.reason")
    refused(release(tenant, hold, "\u00e9" * 1001), 422, "body.reason")
    assert release(tenant, hold, "\u00e9" * 1000).status == 200


def test_only_what_the_tenant_has_can_be_held(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    others = make.workflow(other)
    for workflow in (uuid4(), others):
        refused(create(tenant, scope="workflow", workflow_id=workflow), 404, "body.workflow_id")
    for execution in (uuid4(), make.execution(other, others)):
        refused(create(tenant, scope="execution", execution_id=execution), 404, "body.execution_id")
    mine = make.execution(tenant, make.workflow(tenant))
    assert create(tenant, scope="execution", execution_id=mine).json["execution_id"] == str(mine)


def test_an_execution_may_be_held_when_a_stored_file_of_the_tenant_spans_its_id(
    make: Factory, superuser: Connection
) -> None:
    tenant = make.tenant()
    before, first, between, last, after = (UUID(int=(1 << 100) + number) for number in range(5))
    archived_file(superuser, tenant, first, last)
    statuses = [
        create(tenant, scope="execution", execution_id=id).status for id in (before, first, between, last, after)
    ]
    assert statuses == [404, 201, 201, 201, 404]


@pytest.mark.parametrize("state", ["writing", "verified", "replaced"])
def test_a_file_that_does_not_count_has_no_executions(make: Factory, superuser: Connection, state: str) -> None:
    tenant, other, id = make.tenant(), make.tenant(), uuid4()
    archived_file(superuser, tenant, id, state=state)
    archived_file(superuser, other, id)
    assert create(tenant, scope="execution", execution_id=id).status == 404


def test_holds_are_for_admins_and_owners(make: Factory) -> None:
    tenant, member = make.tenant(), make.person()
    make.member(tenant.id, member)
    hold = create(tenant).json["id"]
    for caller in (member, machine(make.api_key(tenant))):
        for method, path in (("GET", ""), ("GET", f"/{hold}"), ("POST", f"/{hold}/release")):
            assert ask(caller, method, path, body={"reason": "x"} if method == "POST" else None).status == 403
        assert create(tenant, caller).status == 403


def test_what_a_hold_was_created_for_cannot_be_rewritten(make: Factory) -> None:
    tenant = make.tenant()
    make.hold(tenant)
    for statement in (
        "UPDATE app.legal_holds SET reason = 'Nothing'",
        "UPDATE app.legal_holds SET scope = 'execution'",
        "DELETE FROM app.legal_holds",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            make.within(tenant.id, statement, {})
