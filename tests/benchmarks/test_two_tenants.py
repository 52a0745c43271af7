"""A hostile tenant does all that costs most, within its limits, and its neighbour goes on: its lists and its night."""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from flomastr.caller import Caller
from functions.analytics.handler import lambda_handler as analytics
from functions.archive.handler import lambda_handler as archive
from functions.documents.handler import lambda_handler as documents
from functions.erase.handler import lambda_handler as erase
from functions.erasures.handler import lambda_handler as erasures
from functions.events.handler import lambda_handler as events
from functions.executions.handler import lambda_handler as executions
from functions.history.handler import lambda_handler as history
from functions.holds.handler import lambda_handler as holds
from functions.knowledge_search.handler import lambda_handler as knowledge
from functions.restore.handler import lambda_handler as restore
from functions.tenants.handler import lambda_handler as tenants
from functions.users.handler import lambda_handler as users
from tests.benchmarks.measure import Times
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support import pgbouncer
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.archived_tenants import MONTH, archived, ask_for_restore, erasure_of
from tests.support.connected import connected
from tests.support.events import Answer, Context, call
from tests.support.factories import Tenant
from tests.support.s3 import Bucket

pytestmark = pytest.mark.timeout(900)

GROUP = "Two tenants, one of them hostile"
SECONDS = 60
POOL = 9  # connections, as a cluster of one gigabyte has for requests
SANDBOXES = (
    3  # of the hostile tenant: each a process, with the least claim to this machine's CPUs, as Lambda has others
)
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at
)
SELECT CASE WHEN n <= %(old)s THEN 7 ELSE app.retention_class(t.hot_ttl_days) END, app.uuid7(s.at), t.id, %(workflow)s,
  n::text, 'success', s.at, s.at, s.at
FROM app.tenants AS t, generate_series(1, %(rows)s) AS n,
  LATERAL (SELECT now() - CASE WHEN n <= %(old)s THEN interval '20 days' ELSE interval '3 days' END
    - n * interval '1 second' AS at) AS s
WHERE t.id = %(tenant)s
"""
WORDS = " ".join(f"{first}{second}" for first in "abcdefghijklmnopqrstuvwxyz" for second in "aeioubcdfghklmnprstvwxyz ")
NOBODY = {"user_id": "nobody"}
LARGE_EVENT = b'[{"id": 1}' + b" " * 4_000_000
CHINESE = "中文没有空格的文字" * 55_000


@dataclass(frozen=True)
class Hostile:
    tenant: Tenant
    caller: Caller
    workflow: UUID
    base: UUID
    old: tuple[UUID, ...]

    def ask(self, handler: Any, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        headers = {"x-tenant": self.tenant.slug, "idempotency-key": secrets.token_hex(8)}
        return call(handler, method, path, body=body, headers=headers, caller=self.caller, **more)

    def acts(self) -> dict[str, Callable[[], Answer]]:
        slug, runs = self.tenant.slug, "/routes/workflow-executions"
        knowledge_of, document = f"/routes/knowledge/{slug}", f"/routes/knowledge-bases/{self.base}/document?name="
        old, ttl, names = cycle(self.old), cycle([14, 7]), cycle("abcdefgh")
        all_time = {"from": MONTH.isoformat(), "to": "2030-01-01T00:00:00Z", "bucket": "week"}
        restore_all = {"first_at": MONTH.isoformat(), "last_at": "2099-01-01T00:00:00Z", "days": 1}
        search_words = {"query": WORDS[:2000], "mode": "text", "k": 100}
        chinese = {"content": CHINESE[:500_000]}
        return {
            "search of 666 words": lambda: self.ask(knowledge, "POST", f"{knowledge_of}/search", search_words),
            "500,000 characters": lambda: self.ask(documents, "PUT", document + next(names), chinese),
            "batch of 1,000": lambda: self.ask(executions, "POST", f"{runs}/batch", self.batch()),
            "change of an old row": lambda: self.ask(
                executions, "PUT", f"{runs}/{next(old)}", {"error_message": "Late"}
            ),
            "change of a class": lambda: self.ask(
                tenants, "PUT", f"/routes/tenants/{slug}/policies", ttl_of(next(ttl))
            ),
            "erasure of nobody": lambda: self.ask(erasures, "POST", f"/routes/tenants/{slug}/erasures", NOBODY),
            "restore of all": lambda: self.ask(history, "POST", "/routes/history/restores", restore_all),
            "hold": lambda: self.ask(holds, "POST", "/routes/legal-holds", hold_of(next(old))),
            "summary of 90 days": lambda: self.ask(executions, "GET", f"{runs}/stats/summary", query={"days": "90"}),
            "analytics": lambda: self.ask(analytics, "GET", "/routes/analytics/executions", query=all_time),
            "dead letters": lambda: self.ask(knowledge, "POST", f"{knowledge_of}/dead-letters/retry"),
            "own status": lambda: self.ask(users, "GET", "/routes/api/v1/users/me/status"),
            "event of a stranger": lambda: call(events, "POST", "/routes/n8n/events", body=LARGE_EVENT),
        }

    def batch(self) -> dict[str, Any]:
        run = {"workflow_id": str(self.workflow), "status": "success"}
        return {"executions": [run | {"n8n_execution_id": secrets.token_hex(8)} for _ in range(1000)]}


def ttl_of(days: int) -> dict[str, Any]:
    return {"hot_ttl_days": days}


def hold_of(execution: UUID) -> dict[str, Any]:
    return {"scope": "execution", "execution_id": str(execution), "reason": "A dispute"}


def attack(hostile: Hostile, environment: dict[str, str], first: int) -> Counter[tuple[str, int]]:
    """How often each act was answered with each status. Whoever is at the limit waits as long as it is told."""
    os.nice(19)
    acts = list(hostile.acts().items())
    answered = Counter[tuple[str, int]]()
    waits = dict.fromkeys(hostile.acts(), 0.0)
    ends = time.monotonic() + SECONDS
    with connected(**environment):
        for name, act in islice(cycle(acts), first, None):
            if time.monotonic() >= ends:
                return answered
            if time.monotonic() < waits[name]:
                time.sleep(0.01)
                continue
            answer = act()
            answered[name, answer.status] += 1
            waits[name] = time.monotonic() + float(answer.headers.get("retry-after", 0))
    return answered


def night(environment: dict[str, str]) -> float:
    """Runs what a night runs until the attack is over. Returns the seconds of the longest round."""
    longest = 0.0
    ends = time.monotonic() + SECONDS
    with connected(**environment):
        while time.monotonic() < ends:
            began = time.monotonic()
            for job in (archive, erase, restore):
                job({}, Context(left_ms=600_000))
            longest = max(longest, time.monotonic() - began)
    return longest


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        yield env


def with_archive(env: ArchiveEnv) -> tuple[Tenant, UUID]:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    archived(env, tenant, workflow, 1, 2, 3)
    return tenant, workflow


def fill(env: ArchiveEnv, tenant: Tenant, workflow: UUID, rows: int, old: int) -> None:
    """Hot executions, of which the archive is due for the old ones."""
    env.superuser.execute(FILL, {"tenant": tenant.id, "workflow": workflow, "rows": rows, "old": old})


def test_a_hostile_tenant_and_its_neighbour(env: ArchiveEnv, report: Report) -> None:
    (attacker, its_workflow), (tenant, workflow) = with_archive(env), with_archive(env)
    env.partitions_since(60)
    fill(env, attacker, its_workflow, 50_000, 20_000)
    fill(env, tenant, workflow, 20_000, 2_000)
    its_base = env.make.knowledge_base(attacker)
    hostile = Hostile(attacker, attacker.owner, its_workflow, its_base, tuple(env.hot(attacker)[:20]))
    person = env.make.person()
    env.session(tenant, workflow, MONTH, user_id=str(person.user_id))
    env.superuser.execute("VACUUM ANALYZE")

    def ask() -> None:
        headers = {"x-tenant": tenant.slug}
        answer = call(executions, "GET", "/routes/workflow-executions?limit=50", headers=headers, caller=tenant.owner)
        assert answer.status == 200, answer.body

    def asked_for(seconds: float) -> Times:
        times, ends = Times(), time.monotonic() + seconds
        while time.monotonic() < ends:
            times.measure(ask)
            time.sleep(0.02)
        return times

    with pgbouncer.running(env.app_url, POOL) as pooler:
        pooled = pgbouncer.pooled(env.app_url, pooler)
        with connected(DATABASE_URL=pooled), get_context("spawn").Pool(SANDBOXES + 1) as pool:
            for _ in range(20):
                ask()
            alone = asked_for(20)
            erasure = erasure_of(env, tenant, str(person.user_id))
            wish = ask_for_restore(env, tenant, workflow)
            nightly = pool.apply_async(night, ({"DATABASE_URL": env.job_url},))
            attacks = [
                pool.apply_async(attack, (hostile, {"DATABASE_URL": pooled}, 4 * number)) for number in range(SANDBOXES)
            ]
            beside = asked_for(SECONDS)
            answered = sum((found.get(timeout=120) for found in attacks), Counter[tuple[str, int]]())
            longest = nightly.get(timeout=600)

    report.add(GROUP, "lists, alone", {"p50 ms": alone.p50, "p99 ms": alone.p99, "n": len(alone.wall)})
    report.add(
        GROUP, "lists, beside it",
        {"p50 ms": beside.p50, "p99 ms": beside.p99, "n": len(beside.wall), "p99 : alone": beside.p99 / alone.p99},
        Goal("p99 : alone", at_most=4),
    )  # fmt: skip
    for name in hostile.acts():
        report.add(
            GROUP, name, {str(status): count for (act, status), count in sorted(answered.items()) if act == name}
        )
    ends = {
        "old rows left": old_rows(env, tenant),
        "erasures open": open_ones(env, "erasures", erasure),
        "restores open": open_ones(env, "rehydrations", wish),
    }
    for name, value in ends.items():
        report.add(GROUP, f"night: {name}", {"n": value}, Goal("n", at_most=0))
    report.add(GROUP, "night: its longest round", {"s": longest})
    assert report.missed(GROUP) == []


def old_rows(env: ArchiveEnv, tenant: Tenant) -> float:
    return env.superuser.execute(
        "SELECT count(*) FROM app.workflow_executions WHERE tenant_id = %s AND retention_class = 7"
        " AND started_at < now() - interval '15 days'",
        (tenant.id,),
    ).fetchall()[0][0]


def open_ones(env: ArchiveEnv, table: str, id: UUID) -> float:
    statement = sql.SQL("SELECT state FROM {} WHERE id = %s").format(sql.Identifier("app", table))
    states = env.superuser.execute(statement, (id,)).fetchall()
    return float(states != [("done",)])
