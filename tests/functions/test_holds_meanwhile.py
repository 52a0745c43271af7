"""Under a legal hold all else goes on: one writes, members leave, rows move, and what is not held is archived."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from functions.holds.handler import lambda_handler as holds
from functions.members.handler import lambda_handler as members
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.hold_cases import Held


@pytest.fixture
def held(make: Factory) -> Held:
    return Held(make)


def test_the_own_default_preferences_are_of_no_tenant_and_under_no_hold(held: Held) -> None:
    held.make.hold(held.tenant)
    whose = f"user_id={held.tenant.owner.user_id}"
    body = {"user_id": held.tenant.owner.user_id, "preferences": {"colour": "red"}}
    assert held.ask("POST", "user-preferences", body=body).status == 201
    assert held.ask("DELETE", f"user-preferences/setting?{whose}&key=colour").status == 200
    assert held.ask("DELETE", f"user-preferences?{whose}").status == 200


def test_under_a_hold_on_the_tenant_who_is_removed_becomes_inactive_and_their_preferences_stay(held: Held) -> None:
    make, tenant, member = held.make, held.tenant, held.make.person()
    make.member(tenant.id, member)
    make.preferences(tenant, member, colour="red")
    hold, path = make.hold(tenant), f"tenants/{tenant.slug}/member?user_id={member.user_id}"
    assert held.ask("DELETE", path).status == 200
    assert held.ask("GET", path).json["status"] == "inactive"
    preferences = held.ask("GET", f"user-preferences/{member.user_id}", query={"tenant_id": tenant.slug})
    assert [row["preferences"] for row in preferences.json] == [{"colour": "red"}]
    assert call(members, "GET", f"/routes/tenants/{tenant.slug}/members", caller=member).status == 404
    call(holds, "POST", f"/routes/legal-holds/{hold}/release", caller=tenant.owner, body={"reason": "Settled"})
    assert held.ask("DELETE", path).status == 200
    assert held.ask("GET", path).status == 404


def test_under_a_hold_on_a_workflow_members_are_removed_as_ever(held: Held) -> None:
    member = held.make.person()
    held.make.member(held.tenant.id, member)
    held.make.hold(held.tenant, workflow_id=held.workflow)
    path = f"tenants/{held.tenant.slug}/member?user_id={member.user_id}"
    assert [held.ask(method, path).status for method in ("DELETE", "GET")] == [200, 404]


def test_under_a_hold_executions_still_move_to_the_class_of_their_tenant(held: Held, job_url: str) -> None:
    held.make.hold(held.tenant)
    held.make.within(held.tenant.id, "UPDATE app.tenants SET hot_ttl_days = 7 WHERE id = app.tenant()", {})
    with psycopg.connect(job_url) as job:
        moved = job.execute(
            "SELECT moved FROM app.reclassify(%s, 30::smallint, %s, 100)", (held.tenant.id, UUID(int=0))
        )
        assert moved.fetchall() == [(3,)]
    classes = "SELECT array_agg(DISTINCT retention_class), count(*) FROM app.workflow_executions"
    assert held.make.within(held.tenant.id, classes, {}) == ([7], 3)


@pytest.mark.parametrize("scope", ["tenant", "workflow", "execution", None])
def test_what_is_held_is_not_due_for_the_archive_and_the_rest_is(held: Held, job_url: str, scope: str | None) -> None:
    ids: dict[str, Any] = {"workflow": {"workflow_id": held.workflow}, "execution": {"execution_id": held.execution}}
    if scope:
        held.make.hold(held.tenant, **ids.get(scope, {}))
    due: dict[str, set[Any]] = {}
    with psycopg.connect(job_url) as job:
        for what in ("executions", "sessions"):
            found = job.execute(
                sql.SQL("SELECT id FROM {}(now() + interval '60 days') WHERE tenant_id = %s").format(
                    sql.Identifier("app", f"due_{what}")
                ),
                (held.tenant.id,),
            )
            due[what] = {id for (id,) in found}
    expected = {
        "tenant": set[UUID](),
        "workflow": {held.other_execution},
        "execution": {held.second, held.other_execution},
        None: {held.execution, held.second, held.other_execution},
    }
    assert due["executions"] == expected[scope]
    assert len(due["sessions"]) == {"tenant": 0, "workflow": 1}.get(str(scope), 2)
