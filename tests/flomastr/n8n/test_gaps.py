"""The gap report names the ids that never arrived, all of them and no other, and what is known of each."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from flomastr.n8n import gaps
from flomastr.n8n.gaps import AskedGaps
from tests.flomastr.n8n.conftest import PullEnv
from tests.support.connected import connected
from tests.support.factories import Tenant
from tests.support.n8n_api import CAPTURED, START, ran
from tests.support.n8n_capture import Json, report


def ranges(found: Json) -> list[tuple[int, int, str]]:
    return [(gap["first"], gap["last"], gap["known"]) for gap in found["gaps"]]


def post(env: PullEnv, tenant: Tenant, *runs: Json) -> None:
    key = env.platform.make.api_key(tenant, scopes=["events:write"])
    with connected(DATABASE_URL=env.platform.app_url):
        assert report(key.token(), list(runs), path="/routes/n8n/events?instance=prod").status == 202


def test_what_is_pruned_between_two_pages_is_named_and_nothing_else(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101)])

    def prune() -> None:
        for id in [*range(41, 48), 60]:
            del env.api.runs[id]

    env.api.answers = [None, prune]
    env.run()
    assert ranges(env.gaps(tenant)) == [(60, 60, "asking"), (41, 47, "asking")]
    env.again()
    found = env.gaps(tenant)
    assert ranges(found) == [(60, 60, "not_kept"), (41, 47, "not_kept")]
    assert (found["first"], found["last"], found["arrived"], found["missing"]) == (1, 100, 92, 8)
    assert found["complete"] is True
    newest = found["gaps"][0]
    assert newest["runs"] == 1
    assert datetime.fromisoformat(newest["after"]) == START + timedelta(seconds=59)
    assert datetime.fromisoformat(newest["before"]) == START + timedelta(seconds=61)


def test_of_the_captured_runs_those_are_missing_that_n8n_has_not_listed(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold(CAPTURED)
    env.run()
    env.again()
    listed = {int(run["id"]) for run in CAPTURED}
    found = env.gaps(tenant)
    missing = [id for gap in found["gaps"] for id in range(gap["first"], gap["last"] + 1)]
    assert sorted(missing) == sorted(set(range(2, 312)) - listed)
    assert {gap["known"] for gap in found["gaps"]} == {"not_kept"}


def test_what_was_pruned_before_the_next_pull_is_older_than_all_that_n8n_has(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 11)])
    env.run()
    env.api.runs = {id: ran(id) for id in range(31, 41)}
    env.again()
    assert ranges(env.gaps(tenant)) == [(11, 30, "pruned")]


def test_what_n8n_still_has_is_fetched_and_is_no_gap(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 11)])
    post(env, tenant, ran(1), ran(10))
    assert ranges(env.gaps(tenant)) == [(2, 9, "unknown")]
    env.run()
    assert ranges(env.gaps(tenant)) == []


def test_what_waits_to_be_asked_for_is_said_to(env: PullEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flomastr.n8n.pulling.ASKED", 2)
    tenant = env.tenant()
    env.api.hold([ran(1), ran(10)])
    env.run()
    assert ranges(env.gaps(tenant)) == [(2, 9, "asking")]
    found = list[list[tuple[int, int, str]]]()
    for _ in range(3):
        env.again()
        found.append(ranges(env.gaps(tenant)))
    assert found == [
        [(8, 9, "not_kept"), (6, 7, "asking"), (4, 5, "not_kept"), (2, 3, "asking")],
        [(2, 9, "not_kept")],
        [(2, 9, "not_kept")],
    ]


def test_each_database_of_an_instance_counts_by_itself(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in (1, 2, 5)])
    env.run()
    env.again()
    later = datetime.now(UTC) - timedelta(minutes=5)
    again = {"startedAt": later.isoformat(), "stoppedAt": later.isoformat()}
    env.api.runs = {id: ran(id, **again) for id in (1, 2, 4)}
    env.again()
    env.again()
    found = env.gaps(tenant)
    assert ranges(found) == [(3, 3, "not_kept"), (3, 4, "restarted")]
    assert (found["first"], found["last"], found["arrived"], found["missing"]) == (1, 4, 6, 3)


def test_only_the_time_that_is_asked_for_is_looked_at(env: PullEnv) -> None:
    tenant = env.tenant()
    post(env, tenant, *(ran(id) for id in (1, 3, 103, 105)))
    assert ranges(env.gaps(tenant)) == [(104, 104, "unknown"), (4, 102, "unknown"), (2, 2, "unknown")]
    assert ranges(env.gaps(tenant, to=(START + timedelta(seconds=50)).isoformat())) == [(2, 2, "unknown")]
    since = env.gaps(tenant, **{"from": (START + timedelta(seconds=50)).isoformat()})
    assert ranges(since) == [(104, 104, "unknown")]


def test_an_instance_without_gaps_and_runs_has_none(env: PullEnv) -> None:
    tenant = env.tenant()
    assert env.gaps(tenant) == {
        "first": None,
        "last": None,
        "arrived": 0,
        "missing": 0,
        "complete": True,
        "gaps": [],
    }
    assert env.ask(tenant, "GET", "/other/gaps").status == 404


def test_ids_that_are_no_numbers_have_no_gaps(env: PullEnv) -> None:
    tenant = env.tenant()
    post(env, tenant, ran(1), ran(2) | {"id": "019ac0de-0000-7000-8000-000000000000"}, ran(3))
    assert ranges(env.gaps(tenant)) == [(2, 2, "unknown")]


def test_of_too_many_runs_and_gaps_the_newest_are_told(env: PullEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = env.tenant()
    post(env, tenant, *(ran(id) for id in (1, 3, 5, 7)))
    monkeypatch.setattr(gaps, "MOST_RUNS", 3)
    found = env.gaps(tenant)
    assert (ranges(found), found["complete"]) == ([(6, 6, "unknown"), (4, 4, "unknown")], False)
    monkeypatch.setattr(gaps, "MOST_RUNS", 100)
    monkeypatch.setattr(gaps, "MOST_GAPS", 1)
    found = env.gaps(tenant)
    assert (ranges(found), found["complete"], found["missing"]) == ([(6, 6, "unknown")], False, 3)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_time_that_is_too_long_or_empty_is_refused(env: PullEnv, begin: str, end: str) -> None:
    answer = env.ask(env.tenant(), "GET", "/prod/gaps", query={"from": begin, "to": end})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "query.from")


RUNS = """
INSERT INTO app.workflow_executions (
  tenant_id, retention_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at
)
SELECT w.tenant_id, e.retention_class, app.uuid7(at, gen_random_uuid()), w.id, 2 * g, 'success', at, at, at
FROM app.workflows AS w
JOIN app.workflow_executions AS e ON e.workflow_id = w.id
CROSS JOIN generate_series(1, %s) AS g
CROSS JOIN LATERAL (SELECT e.started_at + g * interval '1 ms' AS at) AS t
WHERE w.tenant_id = %s
"""
READ = """
SELECT sum(seq_tup_read + idx_tup_fetch)::integer FROM pg_stat_xact_user_tables
WHERE relname LIKE 'workflow_executions_%'
"""  # rows, in this transaction


def nodes(plan: Json) -> list[Json]:
    return [plan, *(node for part in plan.get("Plans", []) for node in nodes(part))]


def test_what_a_report_looks_at_grows_neither_with_runs_nor_with_gaps(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = env.tenant()
    post(env, tenant, ran(1))
    env.platform.superuser.execute(RUNS, (10_000, tenant.id))
    env.platform.superuser.execute("ANALYZE app.workflow_executions")
    monkeypatch.setattr(gaps, "MOST_RUNS", 1_000)
    found = env.gaps(tenant)
    assert (found["arrived"], found["missing"], found["complete"]) == (1_000, 999, False)
    asked = gaps.report("prod", AskedGaps.model_validate({}).bounds())
    with psycopg.connect(env.platform.app_url) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        explained = session.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked.sql}", asked.params).fetchall()
        ((read,),) = session.execute(READ).fetchall()
    assert read <= 1_000
    values = [node for node in nodes(explained[0][0][0]["Plan"]) if node["Node Type"] == "Values Scan"]
    assert [node["Actual Loops"] for node in values] == [1]
