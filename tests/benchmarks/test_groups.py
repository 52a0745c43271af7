"""How long a warm request of each group takes in its handler, beside the same statement in bare psycopg."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flomastr.database.query import Query
from flomastr.http.paging import PageRequest
from flomastr.tenancy import api_keys, branding, me, members, policies, preferences, tenants
from flomastr.workflows import webchat
from functions.api_keys.handler import lambda_handler as ask_api_keys
from functions.branding.handler import lambda_handler as ask_branding
from functions.events.handler import lambda_handler as ask_events
from functions.members.handler import lambda_handler as ask_members
from functions.preferences.handler import lambda_handler as ask_preferences
from functions.tenants.handler import lambda_handler as ask_tenants
from functions.users.handler import lambda_handler as ask_users
from functions.webchat.handler import lambda_handler as ask_webchat
from tests.benchmarks.measure import Call, in_turn
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.support.events import Context, http_event
from tests.support.factories import Factory, Tenant

pytestmark = pytest.mark.timeout(600)

ROUNDS = 300
ROWS = 50
GOAL = Goal("over floor ms", at_most=3)
PAGE = PageRequest(limit=50, offset=0, after=None, counts=False, path="/", list_query="", tenant="")
AS_OWNER = """
SELECT set_config('app.tenant_id', %(tenant)s, true), set_config('app.role', 'owner', true),
  set_config('app.person', %(person)s, true), set_config('app.email', %(email)s, true)
"""


@pytest.fixture(scope="module")
def tenant(make: Factory) -> Tenant:
    """With fifty members, keys and sessions."""
    tenant = make.tenant()
    for _ in range(ROWS):
        make.member(tenant.id, make.person())
        make.api_key(tenant)
    workflow = str(make.workflow(tenant))
    for number in range(ROWS):
        session = {"workflow_id": workflow, "user_id": f"visitor-{number}"}
        ask(ask_webchat, tenant, "POST", "/routes/webchat/sessions", body=session)
    ask(ask_preferences, tenant, "PUT", setting(tenant), body={"value": "dark"})
    return tenant


def test_warm_latency_of_every_group(tenant: Tenant, sample: SampleTenant, make: Factory, report: Report) -> None:
    for name, (call, query) in reads(tenant).items():
        with bare_connection() as conn:
            times = in_turn({"handler": call, "floor": partial(one_pipeline, conn, tenant, query)}, ROUNDS)
        taken, floor = times["handler"], times["floor"]
        figures = {"p50 ms": taken.p50, "p99 ms": taken.p99, "over floor ms": taken.p50 - floor.p50}
        report.add("Warm, every group's reads in the handler's process", name, figures, GOAL)
    for name, taken in in_turn(writes(make, tenant), ROUNDS).items():
        report.add("Warm, writes in the handler's process", name, {"p50 ms": taken.p50, "p99 ms": taken.p99})


def reads(tenant: Tenant) -> dict[str, tuple[Call, Query[Any]]]:
    person = tenant.owner.user_id or ""
    path = f"/routes/tenants/{tenant.slug}"
    sessions = "/routes/webchat/sessions"
    return {
        "GET tenant": (lambda: ask(ask_tenants, tenant, "GET", path), tenants.get()),
        "GET policies": (lambda: ask(ask_tenants, tenant, "GET", f"{path}/policies"), policies.get()),
        "GET branding": (lambda: ask(ask_branding, tenant, "GET", "/routes/branding"), branding.get()),
        "list of 50 members": (lambda: ask(ask_members, tenant, "GET", f"{path}/members"), members.newest(PAGE)),
        "list of 50 API keys": (lambda: ask(ask_api_keys, tenant, "GET", "/routes/api-keys"), api_keys.newest(PAGE)),
        "list of 50 sessions": (
            lambda: ask(ask_webchat, tenant, "GET", sessions),
            webchat.newest(webchat.Filter(), PAGE),
        ),
        "GET setting": (
            lambda: ask(ask_preferences, tenant, "GET", setting(tenant)),
            preferences.setting(person, "theme", None),
        ),
        "GET my status": (lambda: ask(ask_users, tenant, "GET", "/routes/api/v1/users/me/status"), me.status([])),
    }


def writes(make: Factory, tenant: Tenant) -> dict[str, Call]:
    key = {"authorization": f"Bearer {make.api_key(tenant).token()}"}
    ids = iter_ids()
    return {
        "PUT setting": lambda: ask(ask_preferences, tenant, "PUT", setting(tenant), body={"value": next(ids)}),
        "POST event": lambda: ask(
            ask_events, tenant, "POST", "/routes/n8n/events", body=failure(next(ids)), headers=key
        ),
    }


def failure(number: str) -> dict[str, Any]:
    error = {"message": "card_declined", "stack": "Error: card_declined\n" * 10}
    run = {"id": number, "error": error, "lastNodeExecuted": "Charge", "mode": "webhook"}
    return {"execution": run, "workflow": {"id": "bench", "name": "Payment capture"}}


def iter_ids() -> Iterator[str]:
    while True:
        yield str(uuid4())


def setting(tenant: Tenant) -> str:
    return f"/routes/user-preferences/{tenant.owner.user_id}/setting/theme?tenant_id={tenant.slug}"


def ask(handler: Any, tenant: Tenant, method: str, path: str, **request: Any) -> None:
    answer = handler(http_event(method, path, caller=tenant.owner, **request), Context())
    assert answer["statusCode"] < 300, answer


def bare_connection() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=None)


def one_pipeline(conn: psycopg.Connection[Any], tenant: Tenant, query: Query[Any]) -> list[Any]:
    caller = {"tenant": str(tenant.id), "person": tenant.owner.user_id, "email": tenant.owner.email}
    with conn.pipeline():
        conn.execute("BEGIN READ ONLY")
        conn.execute(AS_OWNER, caller)
        cursor = conn.execute(query.sql, query.params)
        conn.execute("COMMIT")
    return cursor.fetchall()
