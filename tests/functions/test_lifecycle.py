"""The life of a tenant over HTTP: every step that there is, those that are refused, and what is left at the end."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from functions.lifecycle.handler import lambda_handler
from functions.tenants.handler import lambda_handler as tenants
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]

STATES = ["active", "inactive", "suspended", "deleted", "being erased"]
NEXT = {  # the whole state machine: all else is refused
    ("suspend", "active"): "suspended",
    ("suspend", "inactive"): "suspended",
    ("reactivate", "suspended"): "active",
    ("reactivate", "inactive"): "active",
    ("soft-delete", "active"): "deleted",
    ("soft-delete", "inactive"): "deleted",
    ("soft-delete", "suspended"): "deleted",
    ("undelete", "deleted"): "active",
    ("restore", "deleted"): "active",
    ("hard-delete", "deleted"): "being erased",
}
STEPS = ["suspend", "reactivate", "soft-delete", "undelete", "restore", "hard-delete"]


@pytest.fixture(scope="module")
def admin(make: Factory) -> Caller:
    return make.super_admin()


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Executor]:
    with ProcessPoolExecutor(5, get_context("spawn")) as sandboxes:
        yield sandboxes


def ask(caller: Caller, method: str, path: str, **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes{path}", caller=caller, **request)


def step(admin: Caller, name: str, tenant: Tenant, **body: Any) -> Answer:
    if name == "hard-delete":
        body = {"confirm": tenant.slug, "reason": "asked for"} | body
    return ask(admin, "POST", f"/{name}", body={"tenant_id": tenant.slug} | body)


def state(admin: Caller, tenant: Tenant) -> str:
    found = ask(admin, "GET", f"/status/{tenant.id}").json
    if found["is_being_erased"]:
        return "being erased"
    return "deleted" if found["is_soft_deleted"] else found["status"]


def in_state(make: Factory, state: str) -> Tenant:
    if state not in ("deleted", "being erased"):
        return make.tenant(status=state)
    tenant = make.tenant(deleted_at="2026-01-01")
    if state == "being erased":
        make.erasure(tenant)
    return tenant


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_is_taken_from_the_states_of_the_table_and_refused_from_all_others(
    make: Factory, admin: Caller, name: str, before: str
) -> None:
    tenant = in_state(make, before)
    answer = step(admin, name, tenant)
    after = NEXT.get((name, before))
    if after is None:
        assert (answer.status, answer.json["code"]) == (409, "wrong_state")
        assert (state(admin, tenant), ask(admin, "GET", f"/status/{tenant.slug}").json["actions"]) == (before, [])
    else:
        action = "restore" if name == "undelete" else name.replace("-", "_")
        expected = {"tenant_id": str(tenant.id), "action": action, "status": after}
        assert (answer.status, answer.json | expected) == (200, answer.json)
        assert state(admin, tenant) == after


def test_a_tenant_is_named_by_its_slug_or_its_id_in_any_form(make: Factory, admin: Caller) -> None:
    tenant = make.tenant()
    for name in (tenant.slug, tenant.slug.upper(), str(tenant.id), tenant.id.hex, str(tenant.id).upper()):
        assert ask(admin, "GET", f"/status/{name}").json["tenant_id"] == str(tenant.id)
        assert step(admin, "suspend", tenant, tenant_id=name).status == 200
        assert step(admin, "reactivate", tenant, tenant_id=name).status == 200


@pytest.mark.parametrize("name", STEPS)
def test_no_step_is_taken_with_a_tenant_that_is_not_there(make: Factory, admin: Caller, name: str) -> None:
    for missing in ("nowhere", "01a202a4-a042-7297-8f22-c03c81fc4408"):
        answer = step(admin, name, make.tenant(), tenant_id=missing)
        assert (answer.status, answer.json["code"]) == (404, "tenant_not_found")


@pytest.mark.parametrize("name", ["undelete", "restore"])
def test_an_undeleted_tenant_is_what_it_was(make: Factory, admin: Caller, name: str) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    step(admin, "suspend", tenant)
    step(admin, "soft-delete", tenant)
    assert call(workflows, "GET", f"/routes/workflows/{workflow}", caller=tenant.owner).status == 404
    undeleted = step(admin, name, tenant).json
    assert (undeleted["status"], undeleted["action"]) == ("suspended", "restore")
    assert step(admin, "reactivate", tenant).json["status"] == "active"
    assert call(workflows, "GET", f"/routes/workflows/{workflow}", caller=tenant.owner).status == 200


def test_what_is_done_is_kept_with_who_and_why(make: Factory, admin: Caller) -> None:
    tenant = make.tenant()
    step(admin, "suspend", tenant, reason="unpaid")
    step(admin, "reactivate", tenant, tenant_id=str(tenant.id).upper())
    call(tenants, "DELETE", f"/routes/tenants/{tenant.slug}", caller=tenant.owner)
    status = ask(admin, "GET", f"/status/{tenant.slug.upper()}").json
    assert (status["is_suspended"], status["is_soft_deleted"], status["deleted_at"] is None) == (False, True, False)
    who, owner = f"user:{admin.user_id}", f"user:{tenant.owner.user_id}"
    done = [(action["action"], action["reason"], action["actor"]) for action in status["actions"]]
    assert done == [("soft_delete", None, owner), ("reactivate", None, who), ("suspend", "unpaid", who)]


def test_the_status_has_the_last_twenty_actions(make: Factory, admin: Caller) -> None:
    tenant = make.tenant()
    for _ in range(21):
        make.tenant_action(tenant)
    step(admin, "suspend", tenant)
    actions = ask(admin, "GET", f"/status/{tenant.id}").json["actions"]
    assert (len(actions), actions[0]["action"]) == (20, "suspend")


def test_in_a_suspended_tenant_owners_read_and_nobody_writes(make: Factory, admin: Caller) -> None:
    tenant, member = make.tenant(), make.person()
    make.member(tenant.id, member, "admin")
    key = machine(make.api_key(tenant))
    step(admin, "suspend", tenant)
    asked = [(tenant.owner, 200), (admin, 200), (member, 403), (key, 403)]
    path = f"/routes/workflows?tenant_id={tenant.slug}"
    for caller, may_read in asked:
        reading = call(workflows, "GET", path, caller=caller)
        writing = call(workflows, "POST", path, body={"name": "x"}, caller=caller)
        assert (reading.status, writing.status, writing.json["code"]) == (may_read, 403, "tenant_suspended")
    assert call(tenants, "DELETE", f"/routes/tenants/{tenant.slug}", caller=tenant.owner).status == 403


def test_a_hard_delete_wants_the_slug_typed_back_and_a_reason(make: Factory, admin: Caller) -> None:
    tenant = in_state(make, "deleted")
    answer = step(admin, "hard-delete", tenant, confirm=make.tenant().slug)
    assert (answer.status, answer.json["code"]) == (422, "not_confirmed")
    refused(step(admin, "hard-delete", tenant, confirm=tenant.slug.upper()), 422, "body.confirm")
    for missing in ("confirm", "reason"):
        refused(step(admin, "hard-delete", tenant, **{missing: None}), 422, f"body.{missing}")
    assert state(admin, tenant) == "deleted"


def test_a_hard_delete_asks_for_an_erasure_and_nothing_is_lost_before_it(
    make: Factory, admin: Caller, superuser: Superuser
) -> None:
    tenant = make.tenant()
    execution = make.execution(tenant, make.workflow(tenant))
    make.erasure(tenant, "somebody")  # which is no erasure of the tenant
    step(admin, "soft-delete", tenant)
    assert state(admin, tenant) == "deleted"
    answer = step(admin, "hard-delete", tenant).json
    assert answer["message"] == "The tenant is being erased. GET /routes/erasures has its progress."
    (asked,) = superuser.execute(
        "SELECT state, requested_by, signature FROM app.erasures WHERE tenant_id = %s AND user_id IS NULL", (tenant.id,)
    ).fetchall()
    assert asked == ("pending", f"user:{admin.user_id}", None)
    assert superuser.execute("SELECT FROM app.workflow_executions WHERE id = %s", (execution,)).rowcount == 1
    assert step(admin, "undelete", tenant).json["code"] == "wrong_state"


def test_a_step_repeated_under_its_idempotency_key_is_taken_once(make: Factory, admin: Caller) -> None:
    tenant = make.tenant()
    request = {"body": {"tenant_id": tenant.slug}, "headers": {"idempotency-key": tenant.slug}}
    first = ask(admin, "POST", "/suspend", **request)
    assert (first.status, ask(admin, "POST", "/suspend", **request)) == (200, first)
    assert len(ask(admin, "GET", f"/status/{tenant.id}").json["actions"]) == 1


def send(caller: Caller, path: str, body: dict[str, Any]) -> int:
    return ask(caller, "POST", path, body=body).status


@pytest.mark.parametrize(
    ("name", "before"),
    [("suspend", "active"), ("soft-delete", "active"), ("undelete", "deleted"), ("hard-delete", "deleted")],
)
def test_of_many_who_take_one_step_at_once_one_does(
    make: Factory, admin: Caller, sandboxes: Executor, name: str, before: str
) -> None:
    tenant = in_state(make, before)
    body = {"tenant_id": tenant.slug}
    body |= {"confirm": tenant.slug, "reason": "asked for"} if name == "hard-delete" else {}
    sent = [sandboxes.submit(send, admin, f"/{name}", body) for _ in range(8)]
    assert sorted(answer.result() for answer in sent) == [200] + [409] * 7
    assert len(ask(admin, "GET", f"/status/{tenant.id}").json["actions"]) == 1
