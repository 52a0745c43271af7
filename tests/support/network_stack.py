"""Function -> network -> PgBouncer -> Postgres, each of which a test may break, and what must be answered then."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import psycopg

from dev.services.postgres import cluster, create_database, free_port
from functions.workflows.handler import lambda_handler
from schema.migrate import migrate
from tests.support.connected import through
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.pgbouncer import Pooler, await_answer, running
from tests.support.proxy import Proxy, proxy

IN_TIME = 30.0  # seconds: against hanging; what a request may take is compared where its deadline is handed down


@dataclass
class Server:
    """A Postgres that may be killed and started again on its files and port."""

    data: Path
    port: int = field(default_factory=free_port)
    life: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self.cluster = self.life.enter_context(cluster(self.data, self.port))

    def kill(self) -> None:
        os.kill(self.cluster.pid, signal.SIGKILL)
        self.life.close()

    def ask(self, statement: Any) -> list[Any]:
        with psycopg.connect(self.cluster.url("postgres", "faulty"), autocommit=True) as conn:
            return conn.execute(statement).fetchall()


@dataclass
class Stack:
    postgres: Server
    pooler: Pooler
    network: Proxy
    url: str  # what functions connect to
    tenant: Tenant

    def recover(self) -> None:
        """Until the pooler serves again. It waits a moment before it logs in where a login has failed."""
        await_answer(self.url)


@contextmanager
def standing() -> Generator[Stack]:
    with ExitStack() as life:
        data = Path(life.enter_context(TemporaryDirectory(prefix="flomastr-faults-")))
        data.chmod(0o755)
        server = Server(data)
        life.callback(lambda: server.life.close())
        server.start()
        migrate(create_database(server.cluster, "faulty"))
        direct = server.cluster.url("flo_app", "faulty")
        pooler = life.enter_context(running(direct))
        network = life.enter_context(proxy(pooler.port))
        yield Stack(server, pooler, network, through(network.port, direct), tenant(direct))


def tenant(url: str) -> Tenant:
    with psycopg.connect(url, autocommit=True) as conn:
        return Factory(conn).tenant()


def ask(stack: Stack, method: str, path: str = "", **request: Any) -> Answer:
    """The answer, which must come in time, and be a right one or an honest 503."""
    start = time.monotonic()
    answer = call(lambda_handler, method, f"/routes/workflows{path}", caller=stack.tenant.owner, **request)
    assert time.monotonic() - start < IN_TIME
    if answer.status == 503:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert (answer.json["status"], answer.json["code"]) == (503, "unavailable")
    else:
        assert answer.status in (200, 201)
    return answer


def create(stack: Stack, name: str, **headers: str) -> Answer:
    return ask(stack, "POST", body={"name": name}, headers=headers)


def stored(stack: Stack, name: str) -> int:
    found = ask(stack, "GET", query={"limit": 250})
    return sum(workflow["name"] == name for workflow in found.json)


def works(stack: Stack) -> None:
    stack.recover()
    name = str(uuid4())
    assert create(stack, name).status == 201
    assert stored(stack, name) == 1


def terminate(stack: Stack, which: str = "true") -> int:
    """How many backends of functions were ended."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'flo_app' AND " + which
    return len(stack.postgres.ask(ended))
