"""What one tenant's n8n answers, and how long it takes for that, keeps no other tenant and no other job waiting."""

import threading
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from flomastr.jobs import JobFailedError
from flomastr.n8n import client, turns
from flomastr.n8n.pulling import Pulling
from functions.erase.handler import lambda_handler as erase
from tests.flomastr.n8n.conftest import PullEnv
from tests.support.archived_tenants import erasure_of
from tests.support.clock import HANGS
from tests.support.crash_points import Killed
from tests.support.factories import Tenant
from tests.support.n8n_api import N8nApi, ran, said, serving


def connected_to(api: N8nApi, env: PullEnv, instances: int = 1) -> Tenant:
    """A tenant whose n8n is that."""
    tenant = env.platform.make.tenant()
    for n in range(instances):
        env.connect(tenant, "prod" if n == 0 else f"prod-{n}", n8n_url=api.url)
    return tenant


def test_one_that_answers_late_keeps_no_other_waiting(env: PullEnv) -> None:
    is_read = threading.Event()
    with serving() as slow:
        slow.answers = [lambda: is_read.wait(HANGS)]
        late, tenant = connected_to(slow, env), env.tenant()
        env.api.hold([ran(id) for id in range(1, 101)])
        env.api.answers = [None, None, None, None, is_read.set]  # four pages, then workflows
        env.run()
        assert env.ids(tenant) == list(range(1, 101))
        assert env.shown(late)["error"] is None


def test_of_a_tenant_two_are_asked_at_once(env: PullEnv) -> None:
    third = threading.Barrier(3)
    most = list[int]()

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            third.wait(0.5)
            most.append(3)

    connected_to(env.api, env, instances=6)
    env.api.answers = [meet] * 12
    env.run()
    assert len(env.api.asked) == 12
    assert most == []


def test_a_list_without_end_is_put_off_when_its_tenant_has_had_its_time(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SECONDS", 1e-9)
    tenant = env.tenant()
    env.api.answers = [said({"data": [], "nextCursor": f"c{n}"}) for n in range(100)]
    assert env.run() == {"state": "done", "runs_read": 0, "runs_rejected": 0}
    state = env.state(tenant)
    assert (len(env.api.asked), state["failures"], state["seconds"] > 0) == (1, 0, True)
    assert env.shown(tenant)["state"] == "reading"
    env.again()
    assert env.api.asked[1].endswith("cursor=c0")


def test_what_a_tenant_might_send_by_itself_in_five_minutes_is_read_in_a_run(env: PullEnv) -> None:
    tenant = env.tenant()
    env.platform.superuser.execute(
        "UPDATE app.rate_limits SET rate_limit_per_minute = 1 WHERE tenant_id = %s", (tenant.id,)
    )
    env.api.hold([ran(id, data={"text": "x" * 500}) for id in range(1, 101)])
    env.run()
    assert env.ids(tenant) == list(range(51, 101))  # two pages of 13 kB or more
    env.again()
    assert env.ids(tenant) == list(range(1, 101))


def test_who_took_least_of_the_run_before_comes_first(env: PullEnv) -> None:
    with serving() as slow:
        connected_to(slow, env)
        tenant = env.tenant()
        env.run()
        env.platform.superuser.execute(
            "UPDATE app.n8n_connections SET seconds = CASE WHEN tenant_id = %s THEN 1 ELSE 50 END", (tenant.id,)
        )
        seen = list[str]()
        slow.answers, env.api.answers = [lambda: seen.append("slow")], [lambda: seen.append("quick")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flomastr.n8n.pull_job.AT_ONCE", 1)
            env.again()
    assert seen == ["quick", "slow"]


def test_an_erasure_goes_on_while_n8n_is_read(env: PullEnv) -> None:
    gone = env.platform.make.tenant()
    erasure_of(env.platform, gone)
    env.tenant()
    states = list[str]()
    env.api.answers = [lambda: states.append(env.platform.run(erase, datetime.now(UTC))["state"])]
    env.run()
    assert states == ["done"]


def test_what_ends_a_run_comes_last_and_alone_in_the_next(env: PullEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an answer takes more memory than the function has."""
    read = client.read

    def too_much(outcome: client.Outcome) -> Any:
        if isinstance(outcome, bytearray) and b"bomb" in outcome:
            raise Killed
        return read(outcome)

    def killed() -> bool:
        env.platform.superuser.execute("UPDATE app.n8n_connections SET next_pull_at = next_pull_at - interval '3 days'")
        try:
            env.run()
        except Killed:
            return True
        return False

    monkeypatch.setattr(client, "read", too_much)
    with serving() as bombs:
        bombs.answers = [said({"data": "bomb"})] * 8
        evil = connected_to(bombs, env)
        tenants = [env.tenant() for _ in range(9)]
        env.api.hold([ran(id) for id in range(1, 31)])
        assert [killed() for _ in range(3)] == [True] * 3
        assert [env.ids(tenant) for tenant in tenants] == [list(range(1, 31))] * 9
        assert len(bombs.asked) == 3
        pull = env.shown(evil)
    assert (pull["state"], pull["failures"], pull["error"]) == ("failing", 2, "The run that read it was ended.")


def test_what_a_killed_run_was_reading_comes_last_also_when_it_is_connected_anew(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = env.tenant()
    env.platform.superuser.execute("UPDATE app.n8n_connections SET seconds = NULL")
    others = [env.tenant() for _ in range(2)]
    assert env.ask(evil, "DELETE", "/prod").status == 200
    env.connect(evil)
    env.platform.superuser.execute(
        "UPDATE app.n8n_connections SET next_pull_at = now() - interval '1 day' WHERE tenant_id = %s", (evil.id,)
    )
    env.api.hold([ran(1)])
    order = list[Tenant]()
    take = Pulling.take

    def noted(pulling: Pulling, answer: Any) -> None:
        order.extend(tenant for tenant in (evil, *others) if tenant.id == pulling.tenant_id)
        take(pulling, answer)

    monkeypatch.setattr(Pulling, "take", noted)
    env.run()
    assert order.index(evil) > max(order.index(tenant) for tenant in others)
    assert [env.ids(tenant) for tenant in (evil, *others)] == [[1]] * 3
    assert env.ask(evil, "DELETE", "/prod").status == 200
    env.connect(evil)
    assert env.state(evil)["seconds"] == 0


def test_instances_that_a_killed_run_was_reading_are_asked_alone(env: PullEnv) -> None:
    other = threading.Barrier(2)
    met = list[bool]()

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            other.wait(0.5)
            met.append(True)

    tenants = [env.tenant() for _ in range(3)]
    env.platform.superuser.execute("UPDATE app.n8n_connections SET seconds = NULL")
    tenants.append(env.tenant())
    env.api.hold([ran(1)])
    env.api.answers = [meet] * 8
    env.run()
    assert [env.ids(tenant) for tenant in tenants] == [[1]] * 4
    assert met == []


def test_what_cannot_be_understood_of_one_keeps_no_other_waiting(env: PullEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Pulling.take

    def failing(self: Pulling, answer: Any) -> None:
        if self.tenant_id == odd.id:
            raise ZeroDivisionError
        take(self, answer)

    monkeypatch.setattr(Pulling, "take", failing)
    odd, tenant = env.tenant(), env.tenant()
    env.api.hold([ran(id) for id in range(1, 51)])
    with pytest.raises(JobFailedError, match=f"of tenant {odd.id} has run cannot be recorded: ZeroDivisionError"):
        env.run()
    assert env.ids(tenant) == list(range(1, 51))
    assert env.state(odd)["next_pull_at"] > datetime.now(UTC)


def test_of_many_answers_alone_is_held_as_objects(env: PullEnv) -> None:
    many = [connected_to(env.api, env) for _ in range(8)]
    env.run()  # which loads what is loaded once
    env.api.answers = [said({"data": [[[0]] * 60_000]})] * 8
    tracemalloc.start()
    env.again()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(env.api.asked) == 8 * 3
    assert peak < 30_000_000, [env.shown(tenant) for tenant in many]
