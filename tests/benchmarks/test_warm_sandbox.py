"""Memory and connections of one sandbox over 20,000 warm requests: what grows with each of them ends it some day."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from dev.paths import ROOT
from dev.services.database import Database
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.databases import copy
from tests.support.events import http_event
from tests.support.factories import Factory, Tenant
from tests.support.local_platform import Running, running_platform
from tests.support.pgbouncer import needs_pgbouncer, pgbouncer

pytestmark = [pytest.mark.timeout(1800), needs_pgbouncer]

FUNCTION = "ExecutionsFunction"
PATH = "/routes/workflow-executions"
WARMING, REQUESTS, EVERY = 1_000, 20_000, 500
TENANTS = 50
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'flo_app' AND datname = current_database()"


@dataclass(frozen=True)
class Size:
    """Of the sandbox's process, and how many backends serve it."""

    memory_mb: float
    files: int  # sockets among them
    threads: int
    backends: int


@dataclass(frozen=True)
class Warm:
    """One sandbox, and tenants that use it by turns."""

    running: Running
    tenants: list[tuple[Tenant, str]]
    superuser: psycopg.Connection[Any]

    def size(self) -> Size:
        process = Path(f"/proc/{self.running.pid(FUNCTION)}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        ((backends,),) = self.superuser.execute(CONNECTED).fetchall()
        memory = int(status["VmRSS"].split()[0]) / 1024
        return Size(memory, len(list((process / "fd").iterdir())), int(status["Threads"]), backends)

    def ask(self, tenant: Tenant, expected: int, method: str, path: str = "", body: Any = None) -> Any:
        answer = self.running.invoke(FUNCTION, http_event(method, f"{PATH}{path}", body=body, caller=tenant.owner))
        assert answer["statusCode"] == expected, answer
        return json.loads(answer["body"])

    def requests(self) -> Iterator[Any]:
        """Without end: what is right, known, changed, listed, missing and refused, of one tenant after the other."""
        for number in count():
            tenant, workflow = self.tenants[number % len(self.tenants)]
            delivery = {
                "workflow_id": workflow,
                "n8n_execution_id": str(number),
                "status": "success",
                "execution_data": {"text": "x" * (number * 7919 % 60_000)},
            }
            yield (made := self.ask(tenant, 201, "POST", body=delivery))
            yield self.ask(tenant, 200, "POST", body=delivery)
            yield self.ask(tenant, 200, "GET", f"/{made['id']}")
            yield self.ask(tenant, 200, "PUT", f"/{made['id']}", {"error_message": "late"})
            yield self.ask(tenant, 200, "GET", "?limit=20")
            yield self.ask(tenant, 200, "GET", "?limit=20&include_data=true")
            yield self.ask(tenant, 404, "GET", f"/{uuid4()}")
            yield self.ask(tenant, 422, "POST", body=delivery | {"status": f"unknown {number}"})


@pytest.fixture
def warm(server: Cluster, data: Path) -> Iterator[Warm]:
    with (
        copy(server) as name,
        pgbouncer(server.url("flo_app", name)) as url,
        running_platform(ROOT, data, database=Database("", url, ""), only=[FUNCTION]) as running,
        psycopg.connect(server.url("flo_app", name), autocommit=True) as conn,
        psycopg.connect(server.url("postgres", name), autocommit=True) as superuser,
    ):
        make = Factory(conn)
        tenants = [make.tenant() for _ in range(TENANTS)]
        used = [(tenant, str(make.workflow(tenant))) for tenant in tenants]
        conn.close()
        yield Warm(running, used, superuser)


def test_a_warm_sandbox_neither_grows_nor_opens_more_connections(warm: Warm, report: Report) -> None:
    requests = warm.requests()
    for _ in range(WARMING):
        next(requests)
    pid, first = warm.running.pid(FUNCTION), warm.size()
    sizes: list[Size] = []
    for number in range(1, REQUESTS + 1):
        next(requests)
        if number % EVERY == 0:
            sizes.append(warm.size())
    memory = [size.memory_mb / first.memory_mb for size in sizes]
    figures = {
        "MB at first": first.memory_mb,
        "MB at the end": sizes[-1].memory_mb,
        "least of first": min(memory),
        "most of first": max(memory),
    }
    figures |= {"files": sizes[-1].files, "threads": sizes[-1].threads, "backends": sizes[-1].backends}
    report.add("A warm sandbox", f"{REQUESTS:,} requests", figures, Goal("most of first", at_most=1.1))
    assert warm.running.pid(FUNCTION) == pid
    assert min(memory) >= 0.9
    assert max(memory) <= 1.1
    assert {size.files for size in sizes} == {first.files}
    assert {size.threads for size in sizes} <= {1, 2}  # one that ends when it has idled
    assert {size.backends for size in sizes} == {1}
