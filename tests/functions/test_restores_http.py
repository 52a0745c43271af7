"""Asking for a restore over HTTP, and seeing how far it has come. Carrying it out is the job's."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from functions.history.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, new_id

RESTORES = "/routes/history/restores"
RANGE = {"first_at": "2026-01-01T00:00:00Z", "last_at": "2026-02-01T00:00:00Z", "days": 7}


def ask(tenant: Tenant, method: str, path: str = RESTORES, **request: Any) -> Answer:
    return call(lambda_handler, method, path, caller=tenant.owner, **request)


def test_a_restore_is_accepted_and_waits_for_the_job(make: Factory, tenant: Tenant) -> None:
    workflow = make.workflow(tenant)
    answer = ask(tenant, "POST", body=RANGE | {"workflow_id": str(workflow)})
    assert answer.status == 202
    restore = answer.json
    assert restore.items() >= (RANGE | {"workflow_id": str(workflow), "state": "pending", "rows_done": 0}).items()
    assert (restore["rows_total"], restore["expires_at"], restore["error"]) == (None, None, None)
    assert restore["created_by"] == f"user:{tenant.owner.user_id}"
    assert answer.headers["location"] == f"{RESTORES}/{restore['id']}"
    found = ask(tenant, "GET", answer.headers["location"])
    assert found.json == restore
    assert found.headers["etag"] == answer.headers["etag"]


def test_its_progress_can_be_read(make: Factory, tenant: Tenant, superuser: psycopg.Connection[Any]) -> None:
    restore = ask(tenant, "POST", body=RANGE).json
    path = f"{RESTORES}/{restore['id']}"
    tag = ask(tenant, "GET", path).headers["etag"]
    assert ask(tenant, "GET", path, headers={"if-none-match": tag}).status == 304
    superuser.execute(
        "UPDATE app.rehydrations SET state = 'running', rows_total = 10, rows_done = 4 WHERE id = %s", (restore["id"],)
    )
    answer = ask(tenant, "GET", path, headers={"if-none-match": tag})
    assert (answer.json["state"], answer.json["rows_total"], answer.json["rows_done"]) == ("running", 10, 4)


def test_one_idempotency_key_is_one_restore_and_two_are_two(make: Factory) -> None:
    tenant = make.tenant()
    ids = [ask(tenant, "POST", body=RANGE, headers={"idempotency-key": key}).json["id"] for key in ("1", "1", "2")]
    assert ids[0] == ids[1] != ids[2]
    assert [row["id"] for row in ask(tenant, "GET").json] == [ids[2], ids[0]]


def test_a_tenant_has_twenty_open_restores_and_no_more(make: Factory, superuser: psycopg.Connection[Any]) -> None:
    tenant, other = make.tenant(), make.tenant()
    asked = [ask(tenant, "POST", body=RANGE) for _ in range(21)]
    assert [answer.status for answer in asked] == [202] * 20 + [409]
    assert asked[-1].json["code"] == "too_many_open"
    assert ask(other, "POST", body=RANGE).status == 202
    superuser.execute("UPDATE app.rehydrations SET state = 'done' WHERE id = %s", (asked[0].json["id"],))
    assert ask(tenant, "POST", body=RANGE).status == 202


def test_restores_are_listed_page_by_page(make: Factory) -> None:
    tenant = make.tenant()
    ids = [ask(tenant, "POST", body=RANGE).json["id"] for _ in range(3)]
    first = ask(tenant, "GET", query={"limit": 2}, headers={"prefer": "count=exact"})
    assert ([row["id"] for row in first.json], first.headers["x-total-count"]) == (ids[:0:-1], "3")
    following = first.headers["link"].partition(">")[0][1:]
    assert [row["id"] for row in ask(tenant, "GET", following).json] == ids[:1]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"days": 0}, "body.days"),
        ({"days": 91}, "body.days"),
        ({"days": "7"}, "body.days"),
        ({"first_at": "2026-01-01"}, "body.first_at"),
        ({"workflow_id": "x"}, "body.workflow_id"),
        ({"unknown": 1}, "body.unknown"),
        ({"file_id": "x"}, "body.file_id"),
        ({"file_id": str(uuid4())}, "body"),
        ({"first_at": None}, "body"),
        ({"last_at": None}, "body"),
    ],
)
def test_what_is_wrong_is_reported(tenant: Tenant, wrong: dict[str, Any], field: str) -> None:
    answer = ask(tenant, "POST", body=RANGE | wrong)
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (422, [field])


def test_a_range_ends_after_it_begins(tenant: Tenant) -> None:
    answer = ask(tenant, "POST", body=RANGE | {"last_at": RANGE["first_at"]})
    assert (answer.status, answer.json["code"]) == (400, "invalid_range")
    assert [error["field"] for error in answer.json["errors"]] == ["body.last_at"]


@pytest.mark.parametrize("days", [1, 90])
def test_a_day_to_ninety_days_are_possible(tenant: Tenant, days: int) -> None:
    assert ask(tenant, "POST", body=RANGE | {"days": days}).status == 202


def test_another_tenants_restores_are_not_found(make: Factory, tenant: Tenant) -> None:
    restore = ask(tenant, "POST", body=RANGE).json
    stranger = make.tenant()
    assert ask(stranger, "GET", f"{RESTORES}/{restore['id']}").status == 404
    assert ask(stranger, "GET", f"{RESTORES}/{uuid4()}").status == 404
    assert ask(stranger, "GET").json == []
    assert ask(stranger, "POST", body=RANGE | {"tenant_id": tenant.slug}).status == 404


def test_members_may_not_restore_and_admins_may(make: Factory, tenant: Tenant) -> None:
    for role, status in (("member", 403), ("admin", 202)):
        person = make.person()
        make.member(tenant.id, person, role)
        answer = call(lambda_handler, "POST", RESTORES, caller=person, body=RANGE)
        assert answer.status == status
    assert UUID(ask(tenant, "GET").json[0]["id"])


def test_a_file_that_is_not_there_is_not_restored(make: Factory, tenant: Tenant) -> None:
    answer = ask(tenant, "POST", body={"file_id": str(uuid4()), "days": 1})
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    other = make.tenant()
    theirs = new_id()
    make.file(other, theirs)
    (file,) = call(lambda_handler, "GET", "/routes/history/files", caller=other.owner).json
    assert ask(tenant, "POST", body={"file_id": file["id"], "days": 1}).status == 404
    assert ask(other, "POST", body={"file_id": file["id"], "days": 1}).status == 202
