"""Where n8n ends, fails or takes too long for the data of a run, that run is recorded without, and all others with."""

import pytest

from flomastr.n8n import pulling, single_runs
from tests.flomastr.n8n.conftest import PullEnv
from tests.support.factories import Tenant
from tests.support.n8n_api import Raw, failing, ran, said


def with_data(env: PullEnv, tenant: Tenant) -> list[int]:
    return sorted(int(row["n8n_execution_id"]) for row in env.rows(tenant) if "id" in (row["execution_data"] or {}))


def asked_with_data(env: PullEnv, id: int) -> int:
    return env.api.asked.count(f"/api/v1/executions/{id}?includeData=true")


def held(env: PullEnv, *deadly: int, last: int = 30) -> Tenant:
    """A tenant whose n8n has such runs, each of a workflow of its own."""
    tenant = env.tenant()
    env.api.hold([ran(id, workflowId=f"wf-{id}") for id in range(1, last + 1)])
    env.api.deadly = {*deadly}
    return tenant


def test_a_run_whose_data_ends_n8n_is_recorded_without_and_all_others_with(env: PullEnv) -> None:
    tenant = held(env, 7)
    ends = list[bool]()
    for _ in range(5):
        env.with_n8n_started_again()
        ends.append(env.api.is_dead)
    assert ends == [True, True, True, False, False]
    assert env.ids(tenant) == list(range(1, 31))
    assert with_data(env, tenant) == [id for id in range(1, 31) if id != 7]
    pull = env.shown(tenant)
    assert (pull["state"], pull["open"], pull["without_data"], pull["spared"]) == ("up_to_date", 0, 1, ["wf-7"])


def test_it_keeps_no_other_run_waiting(env: PullEnv) -> None:
    tenant = held(env, 30)
    env.with_n8n_started_again()
    env.with_n8n_started_again()
    env.with_n8n_started_again()
    assert env.api.is_dead
    assert with_data(env, tenant) == list(range(1, 30))


def test_several_such_runs_are_each_asked_for_twice(env: PullEnv) -> None:
    tenant = held(env, 5, 6, 20)
    for _ in range(2 * len(env.api.deadly) + 3):  # two pages had such runs
        env.with_n8n_started_again()
    assert not env.api.is_dead
    assert [asked_with_data(env, id) for id in (5, 6, 20)] == [2, 2, 2]
    assert env.ids(tenant) == list(range(1, 31))
    assert len(with_data(env, tenant)) == 27


def test_the_run_of_the_job_tells_it(env: PullEnv) -> None:
    held(env, 7)
    told = [env.with_n8n_started_again().get("runs_without_data", 0) for _ in range(4)]
    assert told == [0, 0, 0, 1]


def held_of_one(env: PullEnv, *deadly: int) -> Tenant:
    """A tenant whose n8n has such runs of one workflow."""
    tenant = held(env, *deadly)
    env.api.hold([ran(id, workflowId="large") for id in deadly])
    return tenant


def spared_since(env: PullEnv, tenant: Tenant, hours: int) -> None:
    env.platform.superuser.execute(
        """
        UPDATE app.n8n_connections
        SET spared_at = array_fill(now() - make_interval(hours => %s), ARRAY[cardinality(spared)])
        WHERE tenant_id = %s
        """,
        (hours, tenant.id),
    )


def test_several_such_runs_of_one_workflow_end_n8n_no_more_often_than_one(env: PullEnv) -> None:
    tenant = held_of_one(env, 5, 6, 10, 20, 22)
    ends = list[bool]()
    for _ in range(6):
        env.with_n8n_started_again()
        ends.append(env.api.is_dead)
    assert ends == [True, True, True, True, False, False]  # two pages had such runs
    assert [asked_with_data(env, id) for id in (5, 6, 10, 20, 22)] == [0, 0, 0, 0, 2]
    assert env.ids(tenant) == list(range(1, 31))
    assert len(with_data(env, tenant)) == 25
    pull = env.shown(tenant)
    assert (pull["state"], pull["open"], pull["without_data"], pull["spared"]) == ("up_to_date", 0, 5, ["large"])


def test_a_run_that_ends_after_its_workflow_is_spared_is_read_without_data(env: PullEnv) -> None:
    tenant = held_of_one(env, 7)
    env.api.hold([ran(12, workflowId="large", status="running", stoppedAt=None)])
    for _ in range(4):
        env.with_n8n_started_again()
    env.api.hold([ran(12, workflowId="large")])
    env.api.deadly.add(12)
    env.with_n8n_started_again()
    assert not env.api.is_dead
    assert [row["status"] for row in env.rows(tenant)] == ["success"] * 30
    assert (env.shown(tenant)["open"], env.shown(tenant)["without_data"]) == (0, 2)


def test_a_run_of_which_nothing_is_known_is_looked_at_first_while_a_workflow_is_spared(env: PullEnv) -> None:
    tenant = held_of_one(env, 7)
    for _ in range(4):
        env.with_n8n_started_again()
    env.api.hold([ran(31, workflowId="large"), ran(32), ran(33)])
    env.api.unlisted = {31, 32}
    env.api.deadly.add(31)
    env.with_n8n_started_again()
    assert not env.api.is_dead
    assert with_data(env, tenant) == [id for id in range(1, 34) if id not in (7, 31)]
    assert env.shown(tenant)["open"] == 0


def test_after_a_day_its_data_is_asked_for_again_and_after_one_try_no_more(env: PullEnv) -> None:
    tenant = held_of_one(env, 7)
    for _ in range(4):
        env.with_n8n_started_again()
    spared_since(env, tenant, hours=25)
    assert env.shown(tenant)["spared"] == []
    env.api.hold([ran(31, workflowId="large"), ran(32, workflowId="large")])
    env.with_n8n_started_again()
    assert {31, 32} <= {*with_data(env, tenant)}
    env.api.hold([ran(33, workflowId="large"), ran(34, workflowId="large")])
    env.api.deadly |= {33, 34}
    ends = list[bool]()
    for _ in range(4):
        env.with_n8n_started_again()
        ends.append(env.api.is_dead)
    assert ends == [True, True, False, False]
    assert env.ids(tenant) == list(range(1, 35))
    assert env.shown(tenant)["spared"] == ["large"]


def test_of_more_workflows_than_are_spared_the_one_that_was_first_is_forgotten(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_runs, "SPARED", 2)
    tenant = held(env, 28, 9, 8)
    for _ in range(9):
        env.with_n8n_started_again()
    assert env.shown(tenant)["spared"] == ["wf-9", "wf-8"]


def test_no_workflow_is_spared_where_n8n_goes_on_without_the_data(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1), ran(3)])
    env.api.hold([ran(2)])
    env.api.unlisted.add(2)
    env.api.answers = [None, failing(504)]
    env.run()
    env.api.answers = [None, failing(504)]
    env.again()
    pull = env.shown(tenant)
    assert (pull["open"], pull["without_data"], pull["spared"]) == (0, 1, [])


def test_while_a_workflow_is_spared_more_runs_are_asked_for_at_once(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = held_of_one(env, 7)
    for _ in range(4):
        env.with_n8n_started_again()
    env.api.hold([ran(id) for id in range(31, 231)])
    monkeypatch.setattr(pulling, "ASKED_SPARING", 25)
    env.again()
    pull = env.shown(tenant)
    assert (pull["state"], pull["open"]) == ("reading", 150)
    monkeypatch.undo()
    env.again()
    pull = env.shown(tenant)
    assert (pull["state"], pull["open"]) == ("up_to_date", 0)
    assert with_data(env, tenant) == [id for id in range(1, 231) if id != 7]


def test_data_of_later_runs_of_that_workflow_is_not_asked_for(env: PullEnv) -> None:
    tenant = held(env, 7)
    for _ in range(4):
        env.with_n8n_started_again()
    env.api.hold([ran(31, workflowId="wf-7"), ran(32, workflowId="wf-8")])
    env.api.deadly.add(31)
    env.with_n8n_started_again()
    assert not env.api.is_dead
    assert env.ids(tenant) == list(range(1, 33))
    assert with_data(env, tenant) == [id for id in range(1, 33) if id not in (7, 31)]
    assert env.shown(tenant)["without_data"] == 2


def test_with_another_key_it_is_asked_for_again(env: PullEnv) -> None:
    tenant = held(env, 7)
    for _ in range(4):
        env.with_n8n_started_again()
    env.connect(tenant)
    assert env.shown(tenant)["spared"] == []
    env.api.deadly.clear()
    env.api.hold([ran(31, workflowId="wf-7")])
    env.with_n8n_started_again()
    assert 31 in with_data(env, tenant)


SLOW: dict[str, Raw] = {"5xx": failing(504), "no JSON": (200, {}, b"<html>"), "no list": said([])}


@pytest.mark.parametrize("broken", SLOW)
def test_what_fails_once_is_asked_for_again_and_then_no_more(env: PullEnv, broken: str) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1), ran(3)])
    env.api.hold([ran(2)])
    env.api.unlisted.add(2)
    env.api.answers = [None, SLOW[broken]]
    env.run()
    assert env.ids(tenant) == [1, 2, 3]
    assert (with_data(env, tenant), env.shown(tenant)["open"]) == ([1, 3], 1)
    env.again()
    assert (with_data(env, tenant), env.shown(tenant)["open"]) == ([1, 2, 3], 0)
    assert env.shown(tenant)["without_data"] == 0


def test_a_run_that_has_not_ended_is_asked_for_until_it_has_also_without_data(env: PullEnv) -> None:
    tenant = env.tenant()
    waiting = ran(2, status="waiting", stoppedAt=None)
    env.api.hold([ran(1), waiting, ran(3)])
    env.api.unlisted.add(2)
    env.api.answers = [None, failing(504), None, None]
    env.run()
    env.api.answers = [None, failing(504), None]
    env.again()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "waiting", "success"]
    env.api.hold([ran(2)])
    env.again()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "success", "success"]
    assert (env.shown(tenant)["open"], env.shown(tenant)["without_data"]) == (0, 1)
