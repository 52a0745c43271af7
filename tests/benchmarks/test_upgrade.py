"""An update under load: the schema grows to a made-up next version's, then one function after the other is replaced."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.aws.environment import parameters
from dev.aws.template import Function, read_template
from dev.paths import ROOT
from dev.services.database import Database
from dev.services.oidc_issuer import Identity
from dev.services.postgres import Cluster
from schema.migrate import migrate
from tests.benchmarks.measure import Times
from tests.benchmarks.report import Goal, Report
from tests.support.databases import copy
from tests.support.factories import Factory, Tenant
from tests.support.local_platform import Running, running_platform
from tests.support.next_version import EXPAND, next_schema
from tests.support.pgbouncer import needs_pgbouncer, pgbouncer

pytestmark = [pytest.mark.timeout(300), needs_pgbouncer]

VISITORS = 50  # each asks once a second
ROUNDS = 8  # of a visitor as an owner, and as many as a key
BEFORE_SECONDS, BETWEEN_SECONDS, AFTER_SECONDS = 10.0, 6.0, 10.0
SERVED = ("WorkflowsFunction", "ExecutionsFunction", "PreferencesFunction", "TenantsFunction", "AuthorizerFunction")
NEXT = "OfTheNextRelease"
STORED = "SELECT (SELECT count(*) FROM app.workflows), (SELECT count(*) FROM app.workflow_executions)"


@dataclass
class Visitor:
    """Asks once a second whatever is answered, and knows what must be."""

    address: str
    tenant: Tenant
    credentials: Iterator[str]
    statuses: Counter[int] = field(default_factory=Counter[int])
    wrong: list[str] = field(default_factory=list[str])
    times: Times = field(default_factory=Times)
    rounds: int = 0
    due: float = field(default_factory=lambda: time.monotonic() + secrets.randbelow(1000) / 1000)
    ends: bool = False

    def visit(self) -> None:
        while not self.ends:
            try:
                self.round(f"{self.tenant.slug} {self.rounds}", next(self.credentials))
            except Exception as wrong:  # whatever it is, it is not what was to be answered
                self.wrong.append(repr(wrong))
            self.rounds += 1

    def round(self, name: str, credential: str) -> None:
        """A workflow, its execution (delivered twice) and a setting: written, and read as they were written."""

        def ask(method: str, path: str, expected: int, body: Any = None) -> Any:
            return self.ask(method, f"/routes/{path}", expected, credential, body)

        made = ask("POST", "workflows", 201, {"name": name, "tags": ["orders"]})
        path = f"workflows/{made['id']}"
        same(made, ask("GET", path, 200), name=name, tags=["orders"])
        same(made, ask("PUT", path, 200, {"name": f"{name}, new"}), name=f"{name}, new", updated_at=...)
        delivery = {"workflow_id": made["id"], "n8n_execution_id": name, "status": "success"}
        recorded = ask("POST", "workflow-executions", 201, delivery)
        same(recorded, ask("POST", "workflow-executions", 200, delivery))
        (listed,) = ask("GET", f"workflow-executions?workflow_id={made['id']}", 200)
        assert listed["id"] == recorded["id"], listed
        setting = f"user-preferences/setting?user_id={self.tenant.owner.user_id}&key=name&tenant_id={self.tenant.slug}"
        ask("PUT", setting, 200, {"value": name})
        assert ask("GET", setting, 200)["value"] == name
        assert ask("GET", f"tenants/{self.tenant.slug}", 200)["id"] == str(self.tenant.id)

    def ask(self, method: str, path: str, expected: int, credential: str, body: Any) -> Any:
        time.sleep(max(0.0, self.due - time.monotonic()))
        self.due += 1.0
        headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
        with closing(HTTPConnection(self.address, timeout=30)) as connection:
            began = time.perf_counter()
            connection.request(method, path, body and json.dumps(body), headers)
            response = connection.getresponse()
            answer = response.read()
            self.times.wall.append((time.perf_counter() - began) * 1000)
        self.statuses[response.status] += 1
        assert response.status == expected, f"{method} {path}: {response.status} {answer[:500]!r}"
        return json.loads(answer)


def same(before: Any, now: Any, **changed: Any) -> None:
    """The row as it was, and as it was changed; `...` stands for what only the database knows."""
    expected = before | changed
    known = [name for name in expected if expected[name] is not ...]
    assert {name: now.get(name) for name in known} == {name: expected[name] for name in known}


def next_release(url: str) -> dict[str, Function]:
    """What takes the place of the served functions: the same code, in sandboxes that are yet to be started."""
    functions = read_template(parameters=parameters(url)).functions
    return {name + NEXT: replace(functions[name], name=name + NEXT) for name in SERVED}


def test_an_update_under_load_fails_no_request(server: Cluster, data: Path, report: Report, tmp_path: Path) -> None:
    with (
        copy(server) as name,
        pgbouncer(server.url("flo_app", name), pool_size=5) as url,
        running_platform(ROOT, data, database=Database("", url, ""), only=SERVED, beside=next_release) as running,
        psycopg.connect(server.url("flo_app", name), autocommit=True) as conn,
        psycopg.connect(server.url("postgres", name), autocommit=True) as superuser,
    ):
        visitors = [visitor(Factory(conn), running.address, Identity(data)) for _ in range(VISITORS)]
        began = time.monotonic()
        schema = next_schema(tmp_path / "schema")
        migrated = update_while_visited(visitors, running, server.url("flomastr_admin", name), schema)
        seconds = time.monotonic() - began
        (stored,) = superuser.execute(STORED).fetchall()
    assert max(EXPAND) in migrated
    wrong = [each for visitor in visitors for each in visitor.wrong]
    statuses = sum((visitor.statuses for visitor in visitors), Counter[int]())
    times = Times([each for visitor in visitors for each in visitor.times.wall])
    figures = {
        "requests": statuses.total(),
        "a second": statuses.total() / seconds,
        "5xx": sum(count for status, count in statuses.items() if status >= 500),
        "wrong": len(wrong),
        "p50 ms": times.p50,
        "p99 ms": times.p99,
        "slowest ms": max(times.wall),
    }
    name = f"{len(migrated)} files of the schema, {len(SERVED)} functions"
    report.add("Update under load", name, figures, Goal("a second", at_least=45))
    assert wrong == []
    assert statuses.keys() == {200, 201}
    rounds = sum(visitor.rounds for visitor in visitors)
    assert stored == (rounds, rounds)


def visitor(make: Factory, address: str, identity: Identity) -> Visitor:
    """By turns an owner, with a new token each time, and a key, with a new one each time: no cache knows them."""
    tenant = make.tenant()
    user, email = tenant.owner.user_id or "", tenant.owner.email or ""
    tokens = [identity.token(user, email, jti=str(number)) for number in range(ROUNDS)]
    keys = [make.api_key(tenant).token() for _ in range(ROUNDS)]
    return Visitor(address, tenant, cycle(chain.from_iterable(zip(tokens, keys, strict=True))))


def update_while_visited(visitors: list[Visitor], running: Running, admin_url: str, schema: Path) -> list[str]:
    """The files of the schema that were applied."""
    with ThreadPoolExecutor(len(visitors)) as threads:
        visits = [threads.submit(visitor.visit) for visitor in visitors]
        try:
            time.sleep(BEFORE_SECONDS)
            migrated = migrate(admin_url, schema, contract=False)
            for name in SERVED:
                replace_function(running, name)
                time.sleep(BETWEEN_SECONDS)
            time.sleep(AFTER_SECONDS)
        finally:
            for visitor in visitors:
                visitor.ends = True
        for visit in visits:
            visit.result()
    return migrated


def replace_function(running: Running, name: str) -> None:
    """As an alias moves: what was begun ends in the old sandbox, what comes next starts a new one."""
    sandboxes = running.platform.sandboxes
    sandboxes[name], sandboxes[name + NEXT] = sandboxes[name + NEXT], sandboxes[name]
