"""`ingest`, killed before and after each of its steps by SIGKILL: the document is stored once, and the file removed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from dev.paths import ROOT
from tests.support.kb_client import sqs_event
from tests.support.upload_client import UploadClient, came, key_of

pytestmark = pytest.mark.timeout(300)

# Forks for each number on stdin a run that ends by SIGKILL at that step, and answers how it ended.
RUNS = """
import json, os, signal, sys
from flomastr.database import connection
from flomastr.uploads import ingestion, raw_files
from functions.ingest.handler import lambda_handler
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

counted(connection.Connection, "cursor")
counted(raw_files, "opened")
counted(raw_files, "remove")
counted(ingestion, "read")
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
def runs() -> Generator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS],
        env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_at(process: subprocess.Popen[str], step: int, event: object) -> bool:
    assert process.stdin and process.stdout
    print(json.dumps([step, event]), file=process.stdin, flush=True)
    ended = int(process.stdout.readline())
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def test_killed_at_every_step_and_run_again_a_file_is_one_document_and_gone(uploads: UploadClient) -> None:
    with runs() as process:
        step, killed, states = 0, True, set[str]()
        while killed:
            step += 1
            sent = uploads.sends("a.txt", f"Round {step}.".encode(), "text/plain")
            killed = killed_at(process, step, sqs_event([came(key_of(sent))]))
            states.add(uploads.of(sent)["status"])
            uploads.later(sent, 5)  # when its claim is over
            uploads.ingest(sent)
            assert uploads.of(sent)["status"] == "stored"
            assert uploads.facts(sent)[3:] == (True, None)
            assert uploads.kb.document("a.txt")["content"] == f"Round {step}."
            assert uploads.left() == []
        assert step > 15
    assert states == {"waiting", "processing", "stored"}
    assert uploads.kb.about()["document_count"] == uploads.kb.about()["total_chunks"] == 1
