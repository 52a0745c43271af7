"""Workflows over HTTP, through what Lambda calls."""

from typing import Any

import psycopg

from functions.workflows.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine


def ask(tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/workflows{path}", caller=tenant.owner, **request)


def test_a_workflow_is_created_read_changed_and_deleted(make: Factory) -> None:
    tenant = make.tenant()
    created = ask(tenant, "POST", body={"tenant_id": tenant.slug, "name": "Order intake", "tags": ["orders"]})
    assert created.status == 201
    location = created.headers["location"]
    assert location == f"/routes/workflows/{created.json['id']}"
    assert created.json["tenant_id"] == str(tenant.id)
    path = f"/{created.json['id']}"
    assert ask(tenant, "GET", path).json == created.json
    changed = ask(tenant, "PUT", path, body={"name": "Orders", "description": "Takes orders"})
    assert changed.json == created.json | {
        "name": "Orders",
        "description": "Takes orders",
        "updated_at": changed.json["updated_at"],
    }
    assert ask(tenant, "PUT", path, body={"description": None}).json["description"] is None
    assert ask(tenant, "DELETE", path).status == 200
    assert ask(tenant, "GET", path).status == 404


def test_a_key_that_may_not_read_executions_does_not_read_those_of_a_workflow(make: Factory) -> None:
    tenant = make.tenant()
    path = f"/routes/workflows/{make.workflow(tenant)}/executions"
    for scope, status in (("workflows:read", 403), ("executions:read", 200)):
        answer = call(lambda_handler, "GET", path, caller=machine(make.api_key(tenant, scopes=[scope])))
        assert answer.status == status


def test_a_name_is_kept_composed(make: Factory) -> None:
    tenant = make.tenant()
    made = ask(tenant, "POST", body={"name": "Gro\u0308\u00dfe"})
    assert made.json["name"] == "Gr\u00f6\u00dfe"
    renamed = ask(tenant, "PUT", f"/{made.json['id']}", body={"name": "E\u0301tat"})
    assert renamed.json["name"] == "\u00c9tat"


RUNS = """
INSERT INTO app.workflow_executions (tenant_id, retention_class, id, workflow_id, status)
SELECT %(tenant)s, 0, app.uuid7(now(), gen_random_uuid()), %(workflow)s, 'running' FROM generate_series(1, 50000)
"""
RELEASE = "UPDATE app.legal_holds SET released_at = now(), released_by = 'test', release_reason = 'over' WHERE id = %s"


def test_a_workflow_with_more_than_one_request_can_delete_stays_and_says_what_to_do(
    make: Factory, superuser: psycopg.Connection[Any]
) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    make.session(tenant, workflow, "visitor")
    superuser.execute(RUNS, {"tenant": tenant.id, "workflow": workflow})
    refused = ask(tenant, "DELETE", f"/{workflow}")
    assert (refused.status, refused.json["code"]) == (409, "workflow_too_large")
    assert "delete some of them first" in refused.json["detail"]
    assert ask(tenant, "DELETE", f"/{workflow}", headers={"if-match": '"other"'}).status == 412
    assert ask(tenant, "GET", f"/{workflow}").status == 200
    hold = make.hold(tenant, workflow_id=workflow)
    assert ask(tenant, "DELETE", f"/{workflow}").json["code"] == "legal_hold"
    superuser.execute(RELEASE, (hold,))
    superuser.execute("DELETE FROM app.workflow_executions WHERE workflow_id = %s AND status = 'running'", (workflow,))
    assert ask(tenant, "DELETE", f"/{workflow}").status == 200
    assert ask(tenant, "GET", f"/{workflow}").status == 404
