"""What fails is asked for again, ever later, and what cannot be had in one piece comes in pieces."""

from datetime import UTC, datetime, timedelta

import pytest

from flomastr.n8n import client
from tests.flomastr.n8n.conftest import PullEnv, posted
from tests.support.crash_points import steps
from tests.support.n8n_api import CAPTURED, Raw, failing, ran, said


def test_after_429_it_waits_as_long_as_it_is_told(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1)])
    env.api.answers = [failing(429, Retry_After="7200")]
    assert env.run() == {"state": "done", "instances_failed": 1}
    pull = env.shown(tenant)
    assert (pull["state"], pull["failures"], pull["error"]) == ("failing", 1, "n8n asks to wait.")
    wait = datetime.fromisoformat(pull["next_pull_at"]) - datetime.now(UTC)
    assert timedelta(minutes=110) < wait <= timedelta(minutes=120)
    assert len(env.api.asked) == 1
    env.again()
    assert env.ids(tenant) == [1]
    assert (env.shown(tenant)["failures"], env.shown(tenant)["error"]) == (0, None)


def test_each_failure_doubles_the_wait(env: PullEnv) -> None:
    tenant = env.tenant()
    waits = list[int]()
    for _ in range(9):
        env.api.answers = [failing(503), failing(503)]
        env.again()
        wait = datetime.fromisoformat(env.shown(tenant)["next_pull_at"]) - datetime.now(UTC)
        waits.append(round(wait / timedelta(minutes=1)))
        env.api.answers.clear()
    assert waits == [4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert env.shown(tenant)["error"] == "n8n answers with status 503."


BROKEN: dict[str, Raw] = {
    "no JSON": (200, {}, b'{"data": [{"id"'),
    "no list": said({"data": "none"}),
    "no object": (200, {}, b"[]"),
    "deep": (200, {}, b"[" * 100_000),
    "a cursor that is no text": said({"data": [], "nextCursor": "\ud800"}),
    "a cursor that is too long": said({"data": [], "nextCursor": "x" * 2_001}),
    "500": failing(500),
    "a redirect": failing(302, Location="http://127.0.0.1:1/"),
    "a body that is cut short": (200, {"Content-Length": "100", "Connection": "close"}, b'{"data": []}'),
    "a head that is too large": failing(200, X_Long="x" * 20_000),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_page_loses_nothing(env: PullEnv, broken: str) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101)])
    env.api.answers = [None, None, BROKEN[broken]]
    env.run()
    assert env.shown(tenant)["failures"] == 1
    assert env.ids(tenant) == list(range(51, 101))
    env.again()
    assert env.ids(tenant) == list(range(1, 101))


def test_through_all_of_it_and_killed_at_every_step_it_ends_in_the_same_rows(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold(CAPTURED)
    pruned = {20, *range(31, 36), 110}

    def prune() -> None:
        for id in pruned:
            env.api.runs.pop(id, None)

    trouble = [failing(429, Retry_After="60"), failing(500), *BROKEN.values(), lambda: setattr(env.api, "cursors", "2")]
    env.api.answers = [None, *trouble, None, prune, *[one for planned in trouble for one in (None, planned)]]
    for _ in steps(env.again, every=5):
        pass
    while env.shown(tenant)["state"] != "up_to_date" or env.api.answers or env.shown(tenant)["open"]:
        env.again()
    kept = {int(run["id"]) for run in CAPTURED} - pruned
    assert env.ids(tenant) == sorted(kept)
    assert env.rows(tenant) == [row for row in env.rows(posted(env)) if int(row["n8n_execution_id"]) in kept]
    missing = [id for gap in env.gaps(tenant)["gaps"] for id in range(gap["first"], gap["last"] + 1)]
    assert sorted(missing) == sorted(set(range(2, 312)) - kept)


def test_a_page_that_fails_again_and_again_is_read_without_data_and_run_by_run(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 31)])
    env.api.answers = [failing(500)]
    env.run()
    env.api.answers = [failing(500)]
    env.again()
    env.again()
    assert env.ids(tenant) == list(range(1, 31))
    assert {row["execution_data"]["id"] for row in env.rows(tenant)} == set(range(1, 31))


def test_a_page_that_is_too_large_is_read_run_by_run_and_a_run_without_data(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_BODY", 20_000)
    tenant = env.tenant()
    env.api.hold([ran(id, data={"text": "x" * 2_000}) for id in range(1, 31)])
    env.api.runs[7] = ran(7, data={"text": "x" * 30_000})
    env.run()
    assert env.ids(tenant) == list(range(1, 31))
    assert [
        int(row["n8n_execution_id"]) for row in env.rows(tenant) if "text" not in (row["execution_data"] or {})
    ] == [7]


def test_a_cursor_that_n8n_does_not_know_any_more_begins_anew(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101)])
    env.api.answers = [None, lambda: setattr(env.api, "cursors", "2")]
    env.run()
    assert env.shown(tenant)["error"] == "n8n refuses the request, say for a cursor that it no longer knows."
    env.again()
    assert env.ids(tenant) == list(range(1, 101))
