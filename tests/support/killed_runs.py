"""Runs of the archive job that end by SIGKILL at a step of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dev.paths import ROOT
from tests.support.archive_env import TODAY, ArchiveEnv

# Forks for each number on stdin a run that ends by SIGKILL at that step, and answers what became of it. A step is a
# call that leaves the process; the end of a transaction lies between the end of one and the start of the next.
RUNS = """
import os, signal, sys
from psycopg.pq import TransactionStatus
from flomastr import object_storage
from flomastr.archive import parquet
from flomastr.database import connection
from functions.archive.handler import lambda_handler
from tests.support.events import Context

left, names = 0, []

def step(name):
    global left
    names.append(name)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(owner, name):
    call = getattr(owner, name)
    def stepping(*args, **kwargs):
        step(name)
        answer = call(*args, **kwargs)
        if name != "execute" or args[0].info.transaction_status == TransactionStatus.INTRANS:
            step(name)
        return answer
    setattr(owner, name, stepping)

counted(connection.Connection, "execute")
for name in ("export", "tally"):
    counted(parquet, name)
for name in ("put", "fetch", "remove"):
    counted(object_storage, name)
object_storage.client()
for line in sys.stdin:
    left = int(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        lambda_handler({"time": sys.argv[1]}, Context(left_ms=600_000))
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Runs of the job in processes of their own."""

    def __init__(self, process: "subprocess.Popen[str]"):
        self.process = process

    def killed_at(self, step: int) -> bool:
        """Whether the run came so far; else it has ended by itself."""
        assert self.process.stdin and self.process.stdout
        print(step, file=self.process.stdin, flush=True)
        _, status = self.process.stdout.readline().split()
        assert int(status) in (0, -signal.SIGKILL)
        return int(status) == -signal.SIGKILL


@contextmanager
def runs(env: ArchiveEnv, folder: Path) -> Generator[Runs]:
    root = ROOT
    environment = os.environ | {
        "DATABASE_URL": env.job_url,
        "PYTHONPATH": os.pathsep.join([".", "layers/flomastr"]),
        "TMPDIR": str(folder),
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-c", RUNS, TODAY.isoformat()]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Runs(process)
        process.kill()
