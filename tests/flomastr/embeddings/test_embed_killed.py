"""The worker, killed before and after each of its steps by SIGKILL: no passage is lost, none is there twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from dev.paths import ROOT
from tests.support.kb_client import KnowledgeClient, sqs_event

pytestmark = pytest.mark.timeout(300)

# Forks for each number on stdin a run that ends by SIGKILL at that step, and answers how it ended.
RUNS = """
import json, os, signal, sys
from flomastr.database import connection
from flomastr.embeddings import client
from functions.embed.handler import lambda_handler
from tests.support.events import Context

left = 0

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(owner, name):
    call = getattr(owner, name)
    def stepping(*args, **kwargs):
        step()
        answer = call(*args, **kwargs)
        step()
        return answer
    setattr(owner, name, stepping)

counted(connection.Connection, "execute")
counted(client, "embed")
for line in sys.stdin:
    left, event = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        lambda_handler(event, Context(left_ms=120_000))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def runs(job_url: str) -> Generator[subprocess.Popen[str]]:
    environment = os.environ | {"DATABASE_URL": job_url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS],
        env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_at(process: subprocess.Popen[str], step: int, library: KnowledgeClient) -> bool:
    assert process.stdin and process.stdout
    print(json.dumps([step, sqs_event(library.tasks())]), file=process.stdin, flush=True)
    ended = int(process.stdout.readline())
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def test_killed_at_every_step_and_run_again_each_passage_has_its_vector_once(kb: KnowledgeClient) -> None:
    with runs(kb.job_url) as process:
        step, killed = 0, True
        while killed:
            step += 1
            kb.put("a", chunks=[{"text": f"Round {step}, part {n}"} for n in range(3)])
            kb.put("b", f"Round {step}, alone")
            killed = killed_at(process, step, kb)
            before = {row for row in kb.rows() if row[3]}
            assert {("a", n, "model-a") for n in range(3)} | {("b", 0, "model-a")} == {row[:3] for row in kb.rows()}
            kb.due()
            kb.embed()
            assert kb.rows() == [*(("a", n, "model-a", True) for n in range(3)), ("b", 0, "model-a", True)]
            assert before <= set(kb.rows())
        assert step > 10
    assert kb.about()["total_chunks"] == 4
    assert kb.dead_letters() == []
