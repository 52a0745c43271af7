"""What a request answers while the database, the pooler or the network between fails: right, or a 503 in time."""

import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.support.network_stack import IN_TIME, Stack, ask, create, stored, terminate, works
from tests.support.pgbouncer import needs_pgbouncer

pytestmark = needs_pgbouncer


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
