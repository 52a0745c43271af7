"""Five times as many sandboxes as the pool has backends, for a minute: who is not served is told so, and it passes."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.aws.environment import parameters
from dev.aws.template import Function, read_template
from dev.paths import ROOT
from dev.services.database import Database
from tests.benchmarks.measure import Times
from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.databases import copy
from tests.support.events import http_event
from tests.support.factories import Factory, Tenant
from tests.support.local_platform import Running, running_platform
from tests.support.pgbouncer import needs_pgbouncer, pgbouncer

pytestmark = [pytest.mark.timeout(300), needs_pgbouncer]

FUNCTION = "WorkflowsFunction"
BACKENDS, SANDBOXES = 2, 10
CALM_SECONDS, OVERLOAD_SECONDS, PAUSE_SECONDS = 10.0, 60.0, 5.0
SLOWEST_MS = 10_000
# Each write keeps its backend, so that the pool and not this machine's processor is what there is too little of.
SLOW = """
CREATE FUNCTION app.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.2); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON app.workflows FOR EACH STATEMENT EXECUTE FUNCTION app.slow();
"""
BACKENDS_OF_FUNCTIONS = """
SELECT coalesce(state, ''), count(*) FROM pg_stat_activity
WHERE usename = 'flo_app' AND datname = current_database() GROUP BY 1
"""


@dataclass
class Client:
    """Asks its sandbox again as soon as it is answered, whatever that says."""

    running: Running
    sandbox: str
    tenant: Tenant
    statuses: Counter[int] = field(default_factory=Counter[int])
    times: Times = field(default_factory=Times)
    created: list[str] = field(default_factory=list[str])
    asked: int = 0

    def ask_until(self, end: float) -> None:
        while time.monotonic() < end:
            self.asked += 1
            name = f"{self.sandbox} {self.asked}"
            if self.ask("POST", {"name": name}) == 201:
                self.created.append(name)
            if self.asked % 5 == 0:
                self.ask("GET")

    def ask(self, method: str, body: Any = None) -> int:
        event = http_event(method, "/routes/workflows", body=body, caller=self.tenant.owner)
        began = time.perf_counter()
        answer = self.running.invoke(self.sandbox, event)
        self.times.wall.append((time.perf_counter() - began) * 1000)
        self.statuses[answer["statusCode"]] += 1
        if answer["statusCode"] in (429, 503):
            problem = json.loads(answer["body"])
            assert problem["status"] == answer["statusCode"], answer
            assert "retry-after" in answer["headers"], answer
        return answer["statusCode"]


def sandboxes(url: str) -> dict[str, Function]:
    """The same function, as often as Lambda would start it."""
    function = read_template(parameters=parameters(url)).functions[FUNCTION]
    names = [f"{FUNCTION}{number}" for number in range(SANDBOXES)]
    return {name: replace(function, name=name) for name in names}


@dataclass(frozen=True)
class Overloaded:
    clients: list[Client]
    superuser: psycopg.Connection[Any]

    def answered_a_second(self, clients: list[Client], seconds: float) -> float:
        """While these clients ask, and no other."""
        before = sum(client.statuses[200] + client.statuses[201] for client in clients)
        began = time.monotonic()
        with ThreadPoolExecutor(len(clients)) as threads:
            for asking in [threads.submit(client.ask_until, began + seconds) for client in clients]:
                asking.result()
        after = sum(client.statuses[200] + client.statuses[201] for client in clients)
        return (after - before) / (time.monotonic() - began)

    def backends(self) -> dict[str, int]:
        return dict(self.superuser.execute(BACKENDS_OF_FUNCTIONS).fetchall())


@pytest.fixture
def overloaded(server: Cluster, data: Path) -> Iterator[Overloaded]:
    with (
        copy(server) as name,
        psycopg.connect(server.url("postgres", name), autocommit=True) as superuser,
        pgbouncer(server.url("flo_app", name), BACKENDS) as url,
        running_platform(ROOT, data, database=Database("", url, ""), only=[FUNCTION], beside=sandboxes) as running,
    ):
        superuser.execute(SLOW)
        with psycopg.connect(server.url("flo_app", name), autocommit=True) as conn:
            tenants = [Factory(conn).tenant() for _ in range(SANDBOXES)]
        names = (f"{FUNCTION}{number}" for number in range(SANDBOXES))
        yield Overloaded(
            [Client(running, name, tenant) for name, tenant in zip(names, tenants, strict=True)], superuser
        )


def test_five_times_what_the_pool_allows_is_refused_in_time_and_passes(overloaded: Overloaded, report: Report) -> None:
    clients = overloaded.clients
    few = clients[:BACKENDS]
    for client in clients:
        client.ask("GET")  # started before the clock
    calm = overloaded.answered_a_second(few, CALM_SECONDS)
    under_load = overloaded.answered_a_second(clients, OVERLOAD_SECONDS)
    time.sleep(PAUSE_SECONDS)
    left = overloaded.backends()
    after = overloaded.answered_a_second(few, CALM_SECONDS)
    statuses = sum((client.statuses for client in clients), Counter[int]())
    slowest = max(max(client.times.wall) for client in clients)
    figures = {"2xx": statuses[200] + statuses[201], "429": statuses[429], "503": statuses[503], "slowest ms": slowest}
    figures |= {"a second in calm": calm, "overloaded": under_load, "after": after, "backends": sum(left.values())}
    report.add("Overload", f"{SANDBOXES} sandboxes, {BACKENDS} backends", figures, Goal("slowest ms", SLOWEST_MS))
    assert statuses.keys() <= {200, 201, 429, 503}
    assert statuses[503] + statuses[429] > 0  # else it was none
    assert slowest <= SLOWEST_MS
    assert left.keys() <= {"idle"}
    assert sum(left.values()) <= BACKENDS
    assert after >= 0.9 * calm
    stored = Counter(name for (name,) in overloaded.superuser.execute("SELECT name FROM app.workflows").fetchall())
    assert stored.keys() >= {name for client in clients for name in client.created}
    assert set(stored.values()) == {1}  # nothing was sent twice
