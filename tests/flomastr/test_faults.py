"""What a request answers while the database, the pooler or the network between fails: right, or a 503 in time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from dev.postgres import cluster, create_database, free_port
from functions.workflows.handler import lambda_handler
from schema.migrate import migrate
from tests.events import Answer, call
from tests.factories import Factory, Tenant
from tests.flomastr.connected import connected, through
from tests.flomastr.poster import post
from tests.pooler import Pooler, await_answer, needs_pgbouncer, running
from tests.proxy import Proxy, proxy

IN_TIME = 5.0
POSTERS, POSTS, KILLS = 2, 100, 12

pytestmark = needs_pgbouncer


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
    """Function -> network -> pooler -> postgres."""

    postgres: Server
    pooler: Pooler
    network: Proxy
    url: str  # what functions connect to
    tenant: Tenant

    def recover(self) -> None:
        """Until the pooler serves again. It waits a moment before it logs in where a login has failed."""
        await_answer(self.url)


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
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
        with psycopg.connect(direct, autocommit=True) as conn:
            tenant = Factory(conn).tenant()
        yield Stack(server, pooler, network, through(network.port, direct), tenant)


@pytest.fixture(autouse=True)
def sandbox(stack: Stack) -> Generator[None]:
    with connected(DATABASE_URL=stack.url):
        yield
        stack.network.blackhole = False


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


def test_while_postgres_is_dead_the_answer_is_a_503(stack: Stack) -> None:
    works(stack)
    stack.postgres.kill()
    try:
        while ask(stack, "GET").status == 200:  # backends outlive their postmaster for a moment
            time.sleep(0.05)
    finally:
        stack.postgres.start()
    works(stack)


def test_postgres_killed_and_started_between_requests_is_no_matter(stack: Stack) -> None:
    works(stack)
    stack.postgres.kill()
    stack.postgres.start()
    works(stack)


def test_while_the_pooler_is_dead_the_answer_is_a_503(stack: Stack) -> None:
    works(stack)
    stack.pooler.stop()
    assert create(stack, "lost").status == 503
    stack.pooler.start()
    works(stack)
    assert stored(stack, "lost") == 0


def test_a_pooler_that_comes_back_within_the_deadline_is_no_matter(stack: Stack) -> None:
    works(stack)
    stack.pooler.stop()
    late = threading.Timer(1.0, stack.network.up)
    stack.network.down()
    stack.pooler.start()
    late.start()
    assert ask(stack, "GET").status == 200
    late.join()


def test_while_the_pooler_is_stopped_the_answer_is_a_503(stack: Stack) -> None:
    works(stack)
    process = stack.pooler.process
    assert process
    process.send_signal(signal.SIGSTOP)
    try:
        assert ask(stack, "GET").status == 503
    finally:
        process.send_signal(signal.SIGCONT)
    works(stack)


def test_while_nothing_comes_back_the_answer_is_a_503(stack: Stack) -> None:
    works(stack)
    stack.network.blackhole = True
    assert ask(stack, "GET").status == 503
    stack.network.blackhole = False
    works(stack)


def test_while_others_hold_every_backend_the_answer_is_a_503(stack: Stack) -> None:
    works(stack)
    with psycopg.connect(stack.url) as one, psycopg.connect(stack.url) as two:
        one.execute("SELECT 1")
        two.execute("SELECT 1")
        assert create(stack, "crowded out").status == 503
        one.rollback()
        works(stack)
        two.rollback()
    assert stored(stack, "crowded out") == 0


def test_backends_killed_between_requests_are_no_matter_to_the_one_after_next(stack: Stack) -> None:
    for _ in range(5):
        terminate(stack)
        ask(stack, "GET")
        terminate(stack)
        create(stack, "perhaps")
        works(stack)


def terminate(stack: Stack, which: str = "true") -> int:
    """How many backends of functions were ended."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'flo_app' AND " + which
    return len(stack.postgres.ask(ended))


@contextmanager
def once(happens: Callable[[], bool | int], then: Callable[[], object]) -> Generator[None]:
    """Beside the block: waits for a thing, then does another."""

    def work() -> None:
        deadline = time.monotonic() + IN_TIME
        while not happens() and time.monotonic() < deadline:
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@contextmanager
def locked(stack: Stack, statement: Any) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.postgres.cluster.url("postgres", "faulty")) as conn:
        conn.execute(statement)
        yield conn


KILL_WAITING = "wait_event_type = 'Lock'"


def test_a_backend_killed_inside_a_read_is_asked_again(stack: Stack) -> None:
    works(stack)
    with (
        locked(stack, "LOCK TABLE app.workflows IN ACCESS EXCLUSIVE MODE") as lock,
        once(lambda: terminate(stack, KILL_WAITING), lock.rollback),
    ):
        assert ask(stack, "GET").status == 200


def test_a_backend_killed_inside_a_post_with_a_key_is_asked_again_and_writes_once(stack: Stack) -> None:
    works(stack)
    with (
        locked(stack, "LOCK TABLE app.workflows IN SHARE MODE") as lock,
        once(lambda: terminate(stack, KILL_WAITING), lock.rollback),
    ):
        assert create(stack, "killed inside", **{"idempotency-key": "killed-inside"}).status == 201
    assert stored(stack, "killed inside") == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_backend_killed_inside_a_write_without_a_key_is_a_503_and_writes_nothing(stack: Stack, method: str) -> None:
    name = f"killed {method}"
    path = f"/{create(stack, 'to be renamed').json['id']}" if method == "PUT" else ""
    with (
        locked(stack, "LOCK TABLE app.workflows IN SHARE MODE") as lock,
        once(lambda: terminate(stack, KILL_WAITING), lock.rollback),
    ):
        assert ask(stack, method, path, body={"name": name}).status == 503
    assert stored(stack, name) == 0


def test_an_answer_lost_after_the_commit_is_answered_again_under_its_key(stack: Stack) -> None:
    works(stack)
    stack.network.answers.left = 0
    assert create(stack, "with key", **{"idempotency-key": "answer-lost"}).status == 201
    stack.network.answers.left = 0
    assert create(stack, "without key").status == 503
    assert (stored(stack, "with key"), stored(stack, "without key")) == (1, 1)


def test_200_posts_under_kills_of_every_kind_are_written_once_each(stack: Stack) -> None:
    tenant = own_tenant(stack)
    told: Queue[str | None] = Queue()
    kills = cycle([lambda: terminate(stack), lambda: restart_pooler(stack), lambda: restart_postgres(stack)])
    posters = [poster(stack, tenant, f"poster{number}", told) for number in range(POSTERS)]
    answers: list[dict[str, Any]] = []
    ended = 0
    while ended < POSTERS:
        line = told.get(timeout=60)
        if line is None:
            ended += 1
            continue
        answers.append(json.loads(line))
        if len(answers) % (POSTERS * POSTS // KILLS) == 0:
            next(kills)()
    assert [process.wait() for process in posters] == [0] * POSTERS
    assert {answer["status"] for answer in answers} <= {201, 503}
    assert max(answer["seconds"] for answer in answers) < IN_TIME
    first = {answer["key"]: answer["body"] for answer in answers if answer["status"] == 201}
    assert len(first) == POSTERS * POSTS
    stack.recover()
    assert names(stack, tenant) == sorted(first)
    assert {key: post(tenant.owner, key).body for key in first} == first
    assert names(stack, tenant) == sorted(first)


def own_tenant(stack: Stack) -> Tenant:
    with psycopg.connect(stack.postgres.cluster.url("flo_app", "faulty"), autocommit=True) as conn:
        return Factory(conn).tenant()


def names(stack: Stack, tenant: Tenant) -> list[str]:
    return [
        name
        for (id, name) in stack.postgres.ask('SELECT tenant_id, name FROM app.workflows ORDER BY name COLLATE "C"')
        if id == tenant.id
    ]


def poster(stack: Stack, tenant: Tenant, name: str, told: Queue[str | None]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flomastr.poster", str(tenant.owner.user_id), name, str(POSTS)],
        env=os.environ | {"DATABASE_URL": stack.url, "PYTHONPATH": os.pathsep.join([".", "layers/flomastr"])},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )

    def read() -> None:
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                if line.startswith("told "):
                    told.put(line.removeprefix("told "))
        told.put(None)

    threading.Thread(target=read).start()
    return process


def restart_pooler(stack: Stack) -> None:
    stack.pooler.stop()
    stack.pooler.start()


def restart_postgres(stack: Stack) -> None:
    stack.postgres.kill()
    stack.postgres.start()
