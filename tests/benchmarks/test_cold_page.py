"""How long pages and summaries of a million archived executions take, and how little of them a page reads."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from urllib.parse import urlencode
from uuid import UUID

import pytest

from flomastr import object_storage
from flomastr.http import paging
from functions.archive.handler import lambda_handler as archive_handler
from functions.history.handler import lambda_handler
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Goal, Report
from tests.flomastr.archive.conftest import env as made_env
from tests.support.archive_env import ArchiveEnv
from tests.support.connected import connected
from tests.support.events import Context, http_event
from tests.support.factories import Tenant

pytestmark = pytest.mark.timeout(1800)

ROWS = 1_000_000
PAGES = 100
GROUP = "The archive: a tenant's month of 1,000,000 executions"
PATH = "/routes/history/workflow-executions"
env = made_env

# The last week that is wholly past its class of 30 days and within one month.
PAST_PARTITION = """
SELECT partition_name, starts, ends FROM app.partitions()
WHERE retention_class = 30 AND ends < now() - interval '31 days'
  AND extract(MONTH FROM starts) = extract(MONTH FROM ends)
ORDER BY ends DESC LIMIT 1
"""
FILL = """
INSERT INTO app.workflow_executions (
  retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at,
  execution_data,
  error_message
)
SELECT
  30, app.uuid7(at), %(tenant)s, (%(workflows)s::uuid[])[1 + n %% 3], n::text,
  CASE WHEN n %% 10 = 0 THEN 'error' ELSE 'success' END, at, at + '2 seconds', at,
  jsonb_build_object('mode', (ARRAY['trigger', 'webhook'])[1 + n %% 2], 'text', repeat(md5(n::text), 8)),
  CASE WHEN n %% 10 = 0 THEN 'The service refused the connection ' || md5(n::text) END
FROM generate_series(1, %(rows)s) AS n
CROSS JOIN LATERAL (
  SELECT %(starts)s::timestamptz + (%(ends)s::timestamptz - %(starts)s::timestamptz) * n / (%(rows)s + 1) AS at
) AS moments
"""


@dataclass(frozen=True)
class Archive:
    tenant: Tenant
    workflow: UUID
    first: int  # the moments of its executions, in milliseconds
    last: int
    file_bytes: int


@dataclass
class Read:
    """What comes from the object storage."""

    requests: int = 0
    bytes: int = 0


@pytest.fixture
def archive(env: ArchiveEnv) -> Iterator[Archive]:
    env.partitions_since(75)
    run = env.superuser.execute
    tenant = env.make.tenant(hot_ttl_days=30)
    workflows = [env.make.workflow(tenant) for _ in range(3)]
    _, starts, ends = run(PAST_PARTITION).fetchall()[0]
    filling = {"tenant": tenant.id, "workflows": workflows, "rows": ROWS, "starts": starts, "ends": ends}
    run(FILL, filling)
    answer = env.run(archive_handler, left_ms=1_500_000)
    assert answer["rows_archived"] == ROWS
    size = run("SELECT sum(file_bytes)::bigint FROM app.archive_files WHERE state = 'stored'").fetchall()[0][0]
    bounds = int(starts.timestamp() * 1000), int(ends.timestamp() * 1000)
    with connected(DATABASE_URL=env.app_url):
        yield Archive(tenant, workflows[0], *bounds, size)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    counted, reading = Read(), object_storage.read

    def counting(key: str, start: int, end: int) -> bytes:
        counted.requests += 1
        counted.bytes += end - start
        return reading(key, start, end)

    monkeypatch.setattr(object_storage, "read", counting)
    return counted


def test_the_archive_of_a_million(archive: Archive, read: Read, report: Report) -> None:
    measure_summary(archive, report)
    measure_pages(archive, read, report)


def measure_pages(archive: Archive, read: Read, report: Report) -> None:
    random, read_of_month = Random(4), dict[str, dict[str, float]]()
    lists: dict[str, dict[str, str]] = {
        "page of 50": {},
        "page of 50 with data": {"include_data": "true"},
        "page of 50 of a workflow": {"workflow_id": str(archive.workflow)},
        "page of 50 failed ones": {"status": "error"},
    }
    for name, query in lists.items():
        shares = list[float]()

        def page(query: dict[str, str] = query, shares: list[float] = shares) -> None:
            before = read.bytes
            ask(archive, PATH, query | {"limit": "50", "cursor": cursor(archive, query, random)}, rows=50)
            shares.append(100 * (read.bytes - before) / archive.file_bytes)

        times = in_turn({name: page}, PAGES)[name]
        measured = {"p50 ms": times.p50, "p99 ms": times.p99}
        report.add(GROUP, name, measured, Goal("p50 ms", at_most=150))
        read_of_month[name] = {"mean": statistics.mean(shares), "most": max(shares)}
    for name, shares in read_of_month.items():
        report.add("The archive: per cent of the month that a page reads", name, shares, Goal("most", at_most=5))


def measure_summary(archive: Archive, report: Report) -> None:
    summary = partial(ask, archive, f"{PATH}/stats/summary", {"days": "90"})
    times = in_turn({"summary": summary}, 20)["summary"]
    report.add(GROUP, "summary of all", {"p50 ms": times.p50, "p99 ms": times.p99}, Goal("p50 ms", at_most=300))


def cursor(archive: Archive, query: dict[str, str], random: Random) -> str:
    """To before a moment in the middle of the month, as a Link header would lead there."""
    milliseconds = random.randint(archive.first + 10_000_000, archive.last)
    which = urlencode(sorted(query.items()))
    return paging.signed(UUID(int=milliseconds << 80), PATH, which, "")


def ask(archive: Archive, path: str, query: dict[str, str], rows: int | None = None) -> None:
    answer = lambda_handler(http_event("GET", path, query=query, caller=archive.tenant.owner), Context())
    assert answer["statusCode"] == 200, answer
    assert rows is None or answer["body"].count('"tier":"cold"') == rows
