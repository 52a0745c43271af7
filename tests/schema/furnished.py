"""A tenant with a row in every table, and a way in that asks nobody."""

from typing import Any

import psycopg

from flomastr.identity import Caller
from functions.workflows.handler import lambda_handler
from tests.events import call
from tests.factories import Factory, Tenant

type Connection = psycopg.Connection[Any]

ENTER = """
SELECT
  set_config('app.tenant_id', %(tenant)s, true), set_config('app.role', %(role)s, true),
  set_config('app.person', %(person)s, true), set_config('app.email', %(email)s, true),
  set_config('app.actor', 'user:' || %(person)s, true)
"""


def furnished(make: Factory) -> Tenant:
    """A tenant with a row in every table."""
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    make.invitation(tenant.id, make.person())
    workflow = make.workflow(tenant, n8n_workflow_id="1")
    make.execution(tenant, workflow, n8n_execution_id="1")
    make.api_key(tenant)
    make.preferences(tenant, colleague, colour="red")
    make.session(tenant, workflow, colleague.user_id)
    make.tenant_action(tenant)
    asked: dict[str, Any] = {"headers": {"idempotency-key": "1"}, "body": {"name": "Two"}}
    assert call(lambda_handler, "POST", "/routes/workflows", caller=tenant.owner, **asked).status == 201
    return tenant


def enter(conn: Connection, tenant: object, role: str = "key", person: Caller | None = None) -> None:
    caller = {
        "tenant": str(tenant),
        "role": role,
        "person": person and person.user_id,
        "email": person and person.email,
    }
    conn.execute(ENTER, caller)
