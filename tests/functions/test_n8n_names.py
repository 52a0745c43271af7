"""A workflow is called what n8n calls it, unless somebody has renamed it here."""

from itertools import permutations
from typing import Any

import psycopg
import pytest

from functions.holds.handler import lambda_handler as holds
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
