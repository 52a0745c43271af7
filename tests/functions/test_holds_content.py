"""Under a legal hold a write may only add: what would replace or empty a stored value is refused, whoever writes."""

from typing import Any
from uuid import UUID

import pytest

from functions.branding.handler import lambda_handler as branding
from functions.executions.handler import lambda_handler as executions
from functions.holds.handler import lambda_handler as holds
from functions.members.handler import lambda_handler as members
from functions.tenants.handler import lambda_handler as tenants
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.hold_cases import Held
from tests.support.n8n_capture import report
from tests.support.problems import refused

ENDED = {"status": "error", "error_message": "declined", "execution_data": {"step": 1}}
STARTED = "2026-01-01T10:00:00Z"
FINISHED = "2026-01-01T10:00:05Z"


@pytest.fixture
def held(make: Factory) -> Held:
    held = Held(make)
    known = {"workflow_id": str(held.workflow), "started_at": STARTED}
    held.ask("POST", "workflow-executions", body=known | ENDED | {"n8n_execution_id": "7", "finished_at": FINISHED})
    held.ask("POST", "workflow-executions", body=known | {"n8n_execution_id": "8", "status": "running"})
    return held


def delivered(held: Held, id: str, **fields: Any) -> Answer:
    body = {"workflow_id": str(held.workflow), "n8n_execution_id": id} | fields
    return held.ask("POST", "workflow-executions", body=body)


def batch(held: Held, *deliveries: dict[str, Any]) -> list[tuple[str, str | None]]:
    sent = [{"workflow_id": str(held.workflow)} | delivery for delivery in deliveries]
    body = {"executions": sent}
    answer = call(executions, "POST", "/routes/workflow-executions/batch", body=body, caller=held.tenant.owner)
    assert answer.status == 200, answer.body
    return [(result["outcome"], result["error"]) for result in answer.json["results"]]


def id_of(held: Held, n8n_id: str) -> str:
    runs = held.ask("GET", "workflow-executions", query={"limit": 250}).json
    (id,) = (run["id"] for run in runs if run["n8n_execution_id"] == n8n_id)
    return id


def stored(held: Held, n8n_id: str) -> dict[str, Any]:
    run = held.ask("GET", f"workflow-executions/{id_of(held, n8n_id)}").json
    return {name: run[name] for name in ("status", "error_message", "execution_data", "finished_at")}


def is_refused(answer: Answer) -> None:
    refused(answer, 409)
    assert answer.json["code"] == "legal_hold"


REPLACING = [
    {"status": "success"},
    {"status": "error", "error_message": "declined, and a longer reason"},
    {"status": "error", "execution_data": {"step": 2, "more": "data"}},
    {"status": "error", "finished_at": "2026-01-01T10:00:04Z"},
    {"status": "error", "started_at": "2026-01-01T09:00:00Z"},
]


@pytest.mark.parametrize("scope", ["tenant", "workflow"])
@pytest.mark.parametrize("delivery", REPLACING)
def test_a_delivery_does_not_replace_what_is_held(held: Held, scope: str, delivery: dict[str, Any]) -> None:
    held.make.hold(held.tenant, **({"workflow_id": held.workflow} if scope == "workflow" else {}))
    before = stored(held, "7")
    is_refused(delivered(held, "7", **delivery))
    outcomes = batch(held, {"n8n_execution_id": "7"} | delivery, {"n8n_execution_id": "9", "status": "success"})
    assert [outcome for outcome, _ in outcomes] == ["held", "created"]
    assert outcomes[0][1] == (
        "This is under a legal hold and stays. GET /routes/legal-holds tells which; release it first."
    )
    assert stored(held, "7") == before


def test_n8n_does_not_replace_what_is_held(held: Held) -> None:
    named = "UPDATE app.workflows SET n8n_workflow_id = 'wf-1' WHERE id = %(id)s"
    held.make.within(held.tenant.id, named, {"id": held.workflow})
    held.make.hold(held.tenant)
    before = stored(held, "7")
    run = {"id": "7", "workflowId": "wf-1", "status": "success", "startedAt": STARTED, "stoppedAt": FINISHED}
    key = held.make.api_key(held.tenant, scopes=["events:write"])
    answer = report(key.token(), [run, run | {"id": "10"}])
    assert [result["outcome"] for result in answer.json["results"]] == ["held", "created"], answer.body
    assert stored(held, "7") == before


def test_a_repeat_changes_nothing_and_is_no_mistake(held: Held) -> None:
    held.make.hold(held.tenant)
    again = {"status": "error", "error_message": "declined", "execution_data": {"step": 1}, "finished_at": FINISHED}
    assert delivered(held, "7", **again).status == 200
    assert batch(held, {"n8n_execution_id": "7"} | again) == [("unchanged", None)]


def test_what_still_runs_is_ended_and_then_stays(held: Held) -> None:
    held.make.hold(held.tenant)
    assert batch(held, {"n8n_execution_id": "8", "status": "running", "execution_data": {"step": 1}}) == [
        ("updated", None)
    ]
    is_refused(delivered(held, "8", status="running", execution_data={"step": 1_000_000}))
    assert delivered(held, "8", status="success", execution_data={"step": 1_000_000}).status == 200
    assert (stored(held, "8")["status"], stored(held, "8")["execution_data"]) == ("success", {"step": 1_000_000})
    is_refused(delivered(held, "8", status="success", execution_data={"step": 10_000_000}))
    assert delivered(held, "8", status="success", error_message="a note").status == 200  # there was none


@pytest.mark.parametrize(
    "emptied", [{"execution_data": {}}, {"execution_data": None}, {"error_message": ""}, {"error_message": None}]
)
def test_what_ends_a_run_empties_nothing(held: Held, emptied: dict[str, Any]) -> None:
    path = f"workflow-executions/{id_of(held, '8')}"
    assert held.ask("PUT", path, body={"execution_data": {"step": 1}, "error_message": "so far"}).status == 200
    held.make.hold(held.tenant)
    is_refused(held.ask("PUT", path, body={"status": "error"} | emptied))
    assert held.ask("PUT", path, body={"status": "error"}).status == 200
    ended = stored(held, "8")
    assert (ended["status"], ended["execution_data"], ended["error_message"]) == ("error", {"step": 1}, "so far")


def test_a_put_fills_what_is_empty_and_replaces_nothing(held: Held) -> None:
    id = id_of(held, "7")
    path = f"workflow-executions/{id}"
    held.make.hold(held.tenant, execution_id=UUID(id))
    for changes in ({"status": "success"}, {"error_message": None}, {"execution_data": None}, {"error_message": "x"}):
        is_refused(held.ask("PUT", path, body=changes))
    assert held.ask("PUT", path, body={"execution_data": {"step": 1, "note": "x"}}).status == 200
    assert held.ask("PUT", path, body={"error_message": "declined"}).status == 200


def test_what_is_not_held_is_written_as_ever(held: Held) -> None:
    held.make.hold(held.tenant, execution_id=held.execution)
    assert batch(held, {"n8n_execution_id": "7", "status": "success"}) == [("updated", None)]
    assert held.ask("PUT", f"workflows/{held.other_workflow}", body={"name": "Renamed"}).status == 200


def test_a_workflow_under_a_hold_gets_what_it_lacks_and_keeps_the_rest(held: Held) -> None:
    path = f"workflows/{held.workflow}"
    held.ask("PUT", path, body={"name": "Orders", "tags": ["a"], "metadata": {"owner": "Ann", "deep": {"a": 1}}})
    held.make.hold(held.tenant, workflow_id=held.workflow)
    replacing: list[dict[str, Any]] = [
        {"name": "Renamed"},
        {"is_active": False},
        {"tags": []},
        {"tags": ["b", "a"]},
        {"metadata": {"owner": "Ann"}},
        {"metadata": {"owner": "Ann", "deep": {"a": 2}}},
    ]
    adding: list[dict[str, Any]] = [
        {"description": "Takes orders"},
        {"tags": ["a", "b"]},
        {"metadata": {"owner": "Ann", "deep": {"a": 1, "b": 2}, "new": True}},
        {"name": "Orders"},
    ]
    for changes in replacing:
        is_refused(held.ask("PUT", path, body=changes))
    for changes in adding:
        assert held.ask("PUT", path, body=changes).status == 200
    is_refused(held.ask("PUT", path, body={"description": None}))


def test_preferences_under_a_hold_grow_and_do_not_change(held: Held) -> None:
    held.make.hold(held.tenant)
    path, query = f"user-preferences/{held.tenant.owner.user_id}", {"tenant_id": held.tenant.slug}
    written = {"query": query, "body": {"preferences": {"colour": "blue"}}}
    is_refused(held.ask("PUT", path, **written))
    is_refused(held.ask("PUT", f"{path}/setting/colour", query=query, body={"value": "blue"}))
    assert held.ask("PUT", f"{path}/setting/font", query=query, body={"value": "Inter"}).status == 200
    read = held.ask("GET", path, query=query).json
    assert [row["preferences"] for row in read] == [{"colour": "red", "size": 3, "font": "Inter"}]


def test_a_tenant_under_a_hold_keeps_its_name_and_its_look(held: Held) -> None:
    slug, owner = held.tenant.slug, held.tenant.owner

    def looks(method: str, path: str = "", body: Any = None) -> Answer:
        return call(branding, method, f"/routes/branding{path}?tenant_id={slug}", body=body, caller=owner)

    assert looks("PUT", body={"brand_primary": "#112233"}).status == 200
    held.make.hold(held.tenant)
    is_refused(looks("PUT", body={"brand_primary": "#000000"}))
    is_refused(looks("DELETE", "/reset"))
    is_refused(call(tenants, "PUT", f"/routes/tenants/{slug}", body={"name": "Renamed"}, caller=owner))
    assert (
        call(tenants, "PUT", f"/routes/tenants/{slug}/policies", body={"hot_ttl_days": 7}, caller=owner).status == 200
    )


def test_a_chat_under_a_hold_goes_on(held: Held) -> None:
    held.make.hold(held.tenant)
    for _ in range(2):
        said = {"messages": [{"role": "user", "content": "Hello"}]}
        assert held.ask("POST", f"webchat/sessions/{held.session}/messages", body=said).status == 201


@pytest.mark.parametrize("by", ["user_id", "email"])
def test_who_was_removed_under_a_hold_can_be_invited_again(held: Held, by: str) -> None:
    make, tenant, person = held.make, held.tenant, held.make.person()
    make.member(tenant.id, person)
    make.preferences(tenant, person, colour="red")
    hold, path = make.hold(tenant), f"/routes/tenants/{tenant.slug}"
    assert call(members, "DELETE", f"{path}/member?user_id={person.user_id}", caller=tenant.owner).status == 200
    released = call(holds, "POST", f"/routes/legal-holds/{hold}/release", caller=tenant.owner, body={"reason": "Over"})
    assert released.status == 200
    invited = {by: getattr(person, by), "role": "admin"}
    assert call(members, "POST", f"{path}/members", caller=tenant.owner, body=invited).status == 201
    accepted = call(members, "POST", f"{path}/invitation/accept", caller=person)
    assert (accepted.status, accepted.json["role"], accepted.json["status"]) == (200, "admin", "active")
    listed = call(members, "GET", f"{path}/members", caller=tenant.owner).json
    assert [m["user_id"] for m in listed].count(person.user_id) == 1 and len(listed) == 2
    kept = held.ask("GET", f"user-preferences/{person.user_id}", query={"tenant_id": tenant.slug}).json
    assert [row["preferences"] for row in kept] == [{"colour": "red"}]
