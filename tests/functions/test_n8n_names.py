"""A workflow is called what n8n calls it, unless somebody has renamed it here."""

from itertools import permutations
from typing import Any

import psycopg
import pytest

from functions.holds.handler import lambda_handler as holds
from functions.n8n.handler import lambda_handler as instances
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.n8n_capture import Instance, Json, executed, instance, logged, stored

type Superuser = psycopg.Connection[Any]

FIRST = executed("1", startedAt="2026-01-01T00:00:00Z", workflowData={"name": "Intake"})
SECOND = logged("n8n.workflow.success", "2026-01-02T00:00:00Z", executionId="2", workflowName="Orders")
THIRD = executed("3", startedAt="2026-01-03T00:00:00Z", workflowName="Order intake")


def name(superuser: Superuser, n8n: Instance) -> str:
    (called,) = {row["name"] for row in stored(superuser, n8n.tenant)}
    return called


@pytest.mark.parametrize("at_once", [False, True])
def test_the_newest_name_counts_in_any_order(make: Factory, superuser: Superuser, at_once: bool) -> None:
    for order in permutations((FIRST, SECOND, THIRD)):
        n8n = instance(make)
        for items in [order] if at_once else [[item] for item in order]:
            n8n.send(*items)
        assert name(superuser, n8n) == "Order intake"


def test_a_name_of_an_error_post_is_of_now(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(THIRD)
    n8n.send({"execution": {"id": "4"}, "workflow": {"id": "wf-1", "name": "Intake of orders"}})
    assert name(superuser, n8n) == "Intake of orders"


def renamed(n8n: Instance, superuser: Superuser, name: str) -> None:
    ((id,),) = superuser.execute("SELECT id FROM app.workflows WHERE tenant_id = %s", (n8n.tenant.id,)).fetchall()
    changed = call(workflows, "PUT", f"/routes/workflows/{id}", body={"name": name}, caller=n8n.tenant.owner)
    assert changed.status == 200, changed.body


def test_a_name_that_was_given_here_stays_until_it_is_n8ns_again(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(FIRST)
    renamed(n8n, superuser, "Ours")
    n8n.send(SECOND)
    assert name(superuser, n8n) == "Ours"
    renamed(n8n, superuser, "Intake")
    n8n.send(THIRD)
    assert name(superuser, n8n) == "Order intake"


def test_what_is_held_is_recorded_and_not_renamed(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(FIRST)
    hold: Json = {"scope": "tenant", "reason": "A case"}
    assert call(holds, "POST", "/routes/legal-holds", body=hold, caller=n8n.tenant.owner).status == 201
    assert [result["outcome"] for result in n8n.send(THIRD)] == ["created"]
    assert name(superuser, n8n) == "Intake"


def listed(n8n: Instance, **fields: Any) -> Json:
    """As n8n's public API lists a workflow."""
    row: Json = {"id": "wf-1", "name": "Intake", "active": True, "isArchived": False, "nodes": [], "connections": {}}
    return row | {"tags": [{"id": "t1", "name": "sales"}, {"id": "t2", "name": "eu"}]} | fields


def changed(what: str, day: int, **payload: Any) -> Json:
    """What log streaming sends when somebody changes a workflow."""
    about = {"workflowId": "wf-1", "workflowName": "Intake", "userId": "u-1"}
    ts = f"2026-01-{day:02}T00:00:00.000+00:00"
    return {"__type": "$$EventMessageAudit", "ts": ts, "eventName": f"n8n.audit.workflow.{what}"} | {
        "payload": about | payload
    }


def state(n8n: Instance) -> tuple[str, bool, list[str]]:
    (found,) = call(workflows, "GET", "/routes/workflows", caller=n8n.tenant.owner).json
    return found["name"], found["is_active"], found["tags"]


def put(n8n: Instance, **changes: Any) -> None:
    (found,) = call(workflows, "GET", "/routes/workflows", caller=n8n.tenant.owner).json
    answer = call(workflows, "PUT", f"/routes/workflows/{found['id']}", body=changes, caller=n8n.tenant.owner)
    assert answer.status == 200, answer.body


def test_a_workflow_of_n8ns_list_is_known_before_it_runs(make: Factory) -> None:
    n8n = instance(make)
    (result,) = n8n.post({"data": [listed(n8n)], "nextCursor": None}).json["results"]
    assert (result["outcome"], result["id"], result["n8n_workflow_id"]) == ("followed", None, "wf-1")
    assert state(n8n) == ("Intake", True, ["eu", "sales"])
    n8n.send(listed(n8n, name="Orders", active=False, tags=[{"name": "eu"}]))
    assert state(n8n) == ("Orders", False, ["eu"])
    n8n.send(listed(n8n, active=True, isArchived=True, tags=None))
    assert state(n8n) == ("Intake", False, ["eu"])


def test_an_archived_workflow_is_made_by_its_runs_alone(make: Factory) -> None:
    n8n = instance(make)
    n8n.send(listed(n8n, isArchived=True), changed("archived", 3))
    assert call(workflows, "GET", "/routes/workflows", caller=n8n.tenant.owner).json == []
    ran = executed("1", workflowData={"id": "wf-1", "active": True, "isArchived": True})
    assert [result["outcome"] for result in n8n.send(ran, listed(n8n, isArchived=True))] == ["created", "followed"]
    assert state(n8n)[:2] == ("Intake", False)


@pytest.mark.parametrize("at_once", [False, True])
def test_the_newest_state_counts_in_any_order(make: Factory, at_once: bool) -> None:
    told = [
        executed("1", startedAt="2026-01-01T00:00:00Z", workflowData={"active": True, "tags": ["a"]}),
        changed("deactivated", 2),
        executed("3", startedAt="2026-01-03T00:00:00Z", workflowData={"active": True, "tags": []}),
        changed("deactivated", 4, workflowName="Old intake"),
    ]
    for order in permutations(told):
        n8n = instance(make)
        for items in [order] if at_once else [[item] for item in order]:
            n8n.send(*items)
        assert state(n8n) == ("Old intake", False, [])


def test_what_is_told_again_counts_as_of_then(make: Factory) -> None:
    n8n = instance(make)
    for day, what in ((1, "activated"), (5, "activated"), (3, "deactivated")):
        n8n.send(changed(what, day))
    assert state(n8n)[1] is True


def test_a_state_that_was_given_here_stays_until_n8n_says_the_same(make: Factory) -> None:
    n8n = instance(make)
    n8n.send(changed("activated", 1))
    put(n8n, is_active=False, tags=["ours"])
    n8n.send(changed("activated", 2), listed(n8n, active=True))
    assert state(n8n) == ("Intake", False, ["ours"])
    n8n.send(listed(n8n, active=False, tags=["ours"]))
    n8n.send(listed(n8n, active=True, tags=["theirs"]))
    assert state(n8n) == ("Intake", True, ["theirs"])


def test_where_n8n_wins_it_does_over_what_was_given_here(make: Factory) -> None:
    n8n = instance(make)
    n8n.send(changed("activated", 1))
    put(n8n, name="Ours", is_active=False, tags=["ours"])
    path = "/routes/n8n/instances/default"
    assert call(instances, "GET", path, caller=n8n.tenant.owner).json["n8n_wins"] is False
    changed_instance = call(instances, "PUT", path, caller=n8n.tenant.owner, body={"n8n_wins": True})
    assert (changed_instance.json["n8n_wins"], changed_instance.json["pull"]) == (True, None)
    n8n.send(listed(n8n))
    assert state(n8n) == ("Intake", True, ["eu", "sales"])
    assert call(instances, "PUT", path, caller=n8n.tenant.owner, body={"n8n_wins": False}).json["n8n_wins"] is False
    put(n8n, name="Ours")
    n8n.send(listed(n8n))
    assert state(n8n)[0] == "Ours"


def test_a_workflow_that_was_inactive_here_before_n8n_said_anything_stays_so(make: Factory) -> None:
    n8n = instance(make)
    n8n.send(executed("1"))
    put(n8n, is_active=False, tags=["ours"])
    n8n.send(listed(n8n))
    assert state(n8n)[1:] == (False, ["ours"])


def test_states_of_what_is_held_stay(make: Factory) -> None:
    n8n = instance(make)
    n8n.send(changed("activated", 1))
    hold: Json = {"scope": "tenant", "reason": "A case"}
    assert call(holds, "POST", "/routes/legal-holds", body=hold, caller=n8n.tenant.owner).status == 201
    n8n.send(listed(n8n, active=False))
    assert state(n8n) == ("Intake", True, [])


@pytest.mark.parametrize(
    ("tags", "stored"),
    [
        ([{"name": "b"}, "a", {"name": "a"}, {"id": "1"}, 7, None, "", " ", "\x00", "\ud800"], ["a", "b"]),
        (["x" * 300], ["x" * 255]),
        ([f"{number:03}" for number in range(150)], [f"{number:03}" for number in range(100)]),
        ("a", []),
        ({"name": "a"}, []),
    ],
)
def test_tags_that_can_be_stored_are(make: Factory, tags: Any, stored: list[str]) -> None:
    n8n = instance(make)
    assert [result["outcome"] for result in n8n.send(listed(n8n, tags=tags))] == ["followed"]
    assert state(n8n)[2] == stored


def test_a_message_that_names_no_workflow_is_ignored(make: Factory) -> None:
    n8n = instance(make)
    results = n8n.send(changed("updated", 1, workflowId=None), changed("version.updated", 1), changed("updated", 2))
    assert [result["outcome"] for result in results] == ["ignored", "ignored", "followed"]
    assert state(n8n) == ("Intake", True, [])
