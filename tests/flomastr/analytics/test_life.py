"""Whatever executions live through, rollups tell of each once, and as it is in its tier."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from psycopg.rows import namedtuple_row

from functions.analytics.handler import lambda_handler as analytics
from functions.archive.handler import lambda_handler as archive
from functions.executions.handler import lambda_handler as executions
from functions.restore.handler import lambda_handler as restore
from functions.rollup.handler import lambda_handler as rollup
from functions.tenants.handler import lambda_handler as tenants
from functions.workflows.handler import lambda_handler as workflows
from tests.support.archive_env import NOW, TODAY, ArchiveEnv
from tests.support.connected import connected
from tests.support.crash_points import killed
from tests.support.events import call

STEPS = 60
BERLIN = ZoneInfo("Europe/Berlin")
EDGES = [
    datetime(2026, 3, 28, 22, 59, 59, 999999, UTC),  # of the day before the one of 23 hours
    datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, 999999, UTC),  # before the hour that is missing
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 0, tzinfo=UTC),  # the hour that is there twice
    datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 22, 59, 59, 999999, UTC),
    TODAY - timedelta(days=3),
    TODAY - timedelta(days=3, microseconds=1),
]
FINAL = {"crashed", "canceled", "error", "success"}
STATUSES = ["new", "running", "waiting", *sorted(FINAL), "success", "error"]
MODES = {"webhook": "production", "manual": "manual", "integrated": "sub-workflow", "error": "error", "retry": "retry"}
SECONDS = [0, 0.000001, 0.5, 3, 61.7, 172_800]
KILLS = [0, 0, 3, 7, 12, 25]  # before which step of a job

# the last version of each in the files, and what is hot, which wins
HOT = """
SELECT id::text, workflow_id::text, n8n_execution_id, status, mode, started_at AT TIME ZONE 'UTC' AS started_at,
  finished_at AT TIME ZONE 'UTC' AS finished_at, execution_data ->> 'retryOf' AS retry_of
FROM app.workflow_executions WHERE tenant_id = %s
"""
COLD = """
id, workflow_id, n8n_execution_id, status, mode, started_at::TIMESTAMP, finished_at::TIMESTAMP,
execution_data ->> '$.retryOf'
"""
A_WEEK_LATER = """
UPDATE app.workflow_executions AS e SET created_at = e.created_at - interval '8 days'
WHERE e.tenant_id = %s AND NOT EXISTS (
  SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id
)
"""
FILES = """
SELECT 'workflow_executions/month=' || to_char(month, 'YYYY-MM') || '/tenant=' || tenant_id || '/' || id || '.parquet'
FROM app.archive_files
WHERE tenant_id = %s AND source = 'workflow_executions' AND state = 'stored' ORDER BY stored_at, id
"""


class Life:
    """Does to executions what clients and jobs do, in any order."""

    def __init__(self, env: ArchiveEnv, random: Random):
        self.env, self.random = env, random
        self.tenant = env.make.tenant(hot_ttl_days=7)
        self.workflows = [env.make.workflow(self.tenant) for _ in range(3)]
        self.hold: UUID | None = None
        self.late = False  # deliveries of what is archived, which the next archive run merges

    def live(self) -> None:
        acts = [self.roll_up, self.archive, self.rehydrate, self.restore, self.hold_or_release, self.delete_workflow]
        acts += [self.delete] * 3 + [self.cut] + [self.deliver] * 8
        for _ in range(STEPS):
            self.random.choice(acts)()

    def ask(self, handler: Any, method: str, path: str, **request: Any) -> Any:
        with connected(DATABASE_URL=self.env.app_url):
            return call(handler, method, path, caller=self.tenant.owner, **request)

    def run(self, job: Callable[..., Any], kill: int = 0) -> None:
        moment = NOW if job is archive else TODAY
        if kill:
            killed(lambda: self.env.run(job, moment), kill)
        self.env.run(job, moment)

    def deliver(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            choose = self.random.choice
            self.report(self.random.randint(1, 40), choose(STATUSES), choose([*MODES]), choose(SECONDS))

    def report(self, number: int, status: str, mode: str = "webhook", seconds: float = 1) -> None:
        start = EDGES[number % len(EDGES)]
        body = {
            "workflow_id": str(self.workflows[number % len(self.workflows)]),
            "n8n_execution_id": str(number),
            "status": status,
            "started_at": start.isoformat(),
            "execution_data": {"mode": mode} | ({"retryOf": str(number - 1)} if mode == "retry" else {}),
        }
        if status in FINAL:
            body["finished_at"] = (start + timedelta(seconds=seconds)).isoformat()
        answer = self.ask(executions, "POST", "/routes/workflow-executions", body=body)
        assert answer.status in (200, 201, 409), answer.body  # held
        self.late = True

    def delete(self) -> None:
        if hot := self.env.hot(self.tenant):
            path = f"/routes/workflow-executions/{self.random.choice(hot)}"
            assert self.ask(executions, "DELETE", path).status in (200, 409)  # held

    def delete_workflow(self) -> None:
        index = self.random.randrange(len(self.workflows))
        if self.ask(workflows, "DELETE", f"/routes/workflows/{self.workflows[index]}").status == 200:
            self.workflows[index] = self.env.make.workflow(self.tenant)

    def archive(self, kill: int | None = None) -> None:
        self.env.superuser.execute(A_WEEK_LATER, (self.tenant.id,))
        self.run(archive, self.random.choice(KILLS) if kill is None else kill)
        self.late = self.hold is not None

    def rehydrate(self) -> None:
        self.env.superuser.execute(
            "INSERT INTO app.rehydrations (tenant_id, first_at, last_at, days, created_by)"
            " VALUES (%s, %s, %s, 3, 'test')",
            (self.tenant.id, EDGES[0] - timedelta(days=1), TODAY),
        )

    def restore(self) -> None:
        if self.random.random() < 0.5:
            self.env.superuser.execute("UPDATE app.rehydrations SET expires_at = %s", (TODAY,))
        self.run(restore, self.random.choice(KILLS))

    def hold_or_release(self) -> None:
        if self.hold:
            self.env.release(self.hold)
        self.hold = None if self.hold else self.env.hold(self.tenant)

    def cut(self) -> None:
        path = f"/routes/tenants/{self.tenant.slug}/policies"
        zone = self.random.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"])
        assert self.ask(tenants, "PUT", path, body={"time_zone": zone}).status == 200

    def roll_up(self) -> None:
        self.run(rollup, self.random.choice(KILLS))
        if not self.late:
            self.compare()

    def compare(self) -> None:
        """What is answered, with what is stored."""
        stored = self.stored()
        for group_by, of in (("status", "status"), ("mode", "mode_class"), (None, None)):
            wanted: defaultdict[Any, list[Any]] = defaultdict(list)
            for row in stored:
                day = row["started_at"].astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
                wanted[day.astimezone(UTC), of and row[of]].append(row)
            assert self.answered(group_by) == {key: summary(rows) for key, rows in wanted.items()}

    def stored(self) -> list[dict[str, Any]]:
        hot = self.env.superuser.execute(HOT, (self.tenant.id,)).fetchall()
        keys = [key for (key,) in self.env.superuser.execute(FILES, (self.tenant.id,))]
        names = ["id", "workflow_id", "n8n_id", "status", "mode", "started_at", "finished_at", "retry_of"]
        last: dict[str, dict[str, Any]] = {}
        for row in [*self.env.read(keys, COLD), *hot]:
            last[row[0]] = dict(zip(names, row, strict=True))
        rows = list(last.values())
        recovered = {row["retry_of"] for row in rows if row["status"] == "success" and row["mode"] == "retry"}
        for row in rows:
            row["mode_class"] = MODES[row["mode"]]
            row["started_at"] = row["started_at"].replace(tzinfo=UTC)
            row["recovered"] = row["status"] in ("error", "crashed") and row["n8n_id"] in recovered
            end = row["finished_at"] and row["finished_at"].replace(tzinfo=UTC)
            row["seconds"] = (end - row["started_at"]).total_seconds() if row["status"] in FINAL and end else None
        return rows

    def answered(self, group_by: str | None) -> dict[Any, Any]:
        query = {"from": (EDGES[0] - timedelta(days=1)).isoformat(), "to": NOW.isoformat(), "bucket": "day"}
        query |= {"time_zone": "Europe/Berlin"} | ({"group_by": group_by} if group_by else {})
        answer = self.ask(analytics, "GET", "/routes/analytics/executions", query=query)
        assert answer.status == 200, answer.body
        return {
            (datetime.fromisoformat(point["bucket_start"]), point["group"]): (
                point["total"],
                point["recovered"],
                within(point["mean_seconds"], 1e-5),
                within(point["p50_seconds"]),
                within(point["p95_seconds"]),
                within(point["max_seconds"]),
            )
            for point in answer.json["series"]
            if point["total"]
        }


def within(seconds: float | None, relative: float = 0.0201) -> Any:
    return None if seconds is None else pytest.approx(seconds, rel=relative, abs=1.1e-6)


def summary(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    timed = sorted(row["seconds"] for row in rows if row["seconds"] is not None)
    return (
        len(rows),
        sum(row["recovered"] for row in rows),
        sum(timed) / len(timed) if timed else None,
        timed[-(-len(timed) * 50 // 100) - 1] if timed else None,
        timed[-(-len(timed) * 95 // 100) - 1] if timed else None,
        timed[-1] if timed else None,
    )


def rollups(env: ArchiveEnv) -> list[Any]:
    """Without the shortest and longest, which are not known once they were taken back."""
    return (
        env.superuser.cursor(row_factory=namedtuple_row)
        .execute(
            "SELECT grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,"
            " duration_keys, duration_upto FROM app.execution_rollups ORDER BY 1, 2, 3, 4, 5"
        )
        .fetchall()
    )


@pytest.mark.parametrize("number", [3, 7])
def test_whatever_happens_each_execution_counts_once_and_a_rebuild_is_the_same(env: ArchiveEnv, number: int) -> None:
    life = Life(env, Random(number))
    life.live()
    if life.hold:
        life.hold_or_release()
    life.run(archive)
    life.run(rollup)
    life.compare()

    assert len(life.stored()) > 10
    before = rollups(env)
    env.superuser.execute(
        "INSERT INTO app.rollup_settings (tenant_id, rebuild_asked_at) SELECT id, now() FROM app.tenants"
        " ON CONFLICT (tenant_id) DO UPDATE SET rebuild_asked_at = now()"
    )
    life.run(rollup, kill=5)
    assert rollups(env) == before
    life.compare()


def test_a_late_delivery_counts_after_its_copy_was_deleted(env: ArchiveEnv) -> None:
    life = Life(env, Random(0))
    life.report(1, "error")
    life.archive(kill=0)
    life.rehydrate()
    life.run(restore)
    life.delete()
    assert env.hot(life.tenant) == []
    life.report(1, "success", "manual")
    life.archive(kill=0)
    life.run(rollup)
    life.compare()
    assert len(env.cold(life.tenant)) == 2


def test_of_several_archived_versions_the_newest_no_longer_counts_beside_a_late_delivery(env: ArchiveEnv) -> None:
    life = Life(env, Random(0))
    for status in ("crashed", "canceled", "error"):
        life.report(1, status)
        life.archive(kill=0)
    assert len(env.cold(life.tenant)) == 3
    life.report(1, "success")
    life.archive(kill=0)
    life.run(rollup)
    life.compare()
