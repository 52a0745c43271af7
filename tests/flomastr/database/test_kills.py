"""Writes under kills: each happens once, and answers the same whenever it is asked for again."""

import json
import os
import subprocess
import sys
import threading
from itertools import cycle
from queue import Empty, Queue
from typing import Any

import pytest

from dev.paths import ROOT
from tests.support.clock import HANGS
from tests.support.factories import Tenant
from tests.support.network_stack import IN_TIME, Stack, tenant, terminate
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.poster import post

POSTERS, POSTS, KILLS = 2, 100, 12

# what stands still fails below, after a minute without an answer
pytestmark = [needs_pgbouncer, pytest.mark.timeout(600)]


def test_200_posts_under_kills_of_every_kind_are_written_once_each(stack: Stack) -> None:
    customer = tenant(stack.postgres.cluster.url("flo_app", "faulty"))
    lines: Queue[str | None] = Queue()
    kills = cycle([lambda: terminate(stack), lambda: restart_pooler(stack), lambda: restart_postgres(stack)])
    posters = [poster(stack, customer, f"poster{number}", lines) for number in range(POSTERS)]
    answers: list[dict[str, Any]] = []
    ended = 0
    while ended < POSTERS:
        line = next_line(lines, len(answers))
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
    assert names(stack, customer) == sorted(first)
    assert {key: post(customer.owner, key).body for key in first} == first
    assert names(stack, customer) == sorted(first)


def next_line(lines: Queue[str | None], answered: int) -> str | None:
    try:
        return lines.get(timeout=HANGS)
    except Empty:
        raise AssertionError(f"After {answered} answers no other came within {HANGS} seconds.") from None


def names(stack: Stack, customer: Tenant) -> list[str]:
    return [
        name
        for (id, name) in stack.postgres.ask('SELECT tenant_id, name FROM app.workflows ORDER BY name COLLATE "C"')
        if id == customer.id
    ]


def poster(stack: Stack, customer: Tenant, name: str, answers: Queue[str | None]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.poster", str(customer.owner.user_id), name, str(POSTS)],
        env=os.environ | {"DATABASE_URL": stack.url, "PYTHONPATH": os.pathsep.join([".", "layers/flomastr"])},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )

    def read() -> None:
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                if line.startswith("answered "):
                    answers.put(line.removeprefix("answered "))
        answers.put(None)

    threading.Thread(target=read).start()
    return process


def restart_pooler(stack: Stack) -> None:
    stack.pooler.stop()
    stack.pooler.start()


def restart_postgres(stack: Stack) -> None:
    stack.postgres.kill()
    stack.postgres.start()
