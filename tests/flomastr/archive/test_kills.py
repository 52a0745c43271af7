"""The archive job under SIGKILL, at every step that it takes: nothing is lost, nothing is stored twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from dev.paths import ROOT
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant

pytestmark = pytest.mark.timeout(400)

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


def test_killed_at_any_step_nothing_is_lost_and_nothing_is_there_twice(env: ArchiveEnv, tmp_path: Path) -> None:
    with runs(env, tmp_path) as processes:
        step, killed = 0, True
        while killed:
            step += 1
            due = Due(env)
            killed = processes.killed_at(step)
            assert due.is_whole(), step
            due.archive()
            assert due.is_whole(), step
            assert due.is_archived(), step
            assert env.is_in_order(), step
    assert step > 60


class Due:
    """Of two tenants: what goes with a partition, what stays when it goes, the overflow partition, and chats."""

    def __init__(self, env: ArchiveEnv):
        self.env = env
        env.superuser.execute("SELECT app.create_partitions(%s)", (TODAY - timedelta(days=1),))
        for days in (14, 30, 60, 90, 365):  # where there is nothing to leave
            for partition, _, ends in env.partitions(days):
                if ends <= TODAY - timedelta(days=days):
                    env.superuser.execute(sql.SQL("DROP TABLE app.{}").format(sql.Identifier(partition)))
        self.tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(2)]
        self.stay = [self.fill(tenant) for tenant in self.tenants]
        workflow = env.make.workflow(self.tenants[0])
        env.execution(self.tenants[0], workflow, 30, retention_class=0)
        env.session(self.tenants[0], workflow, TODAY - timedelta(days=30))
        self.rows = [env.rows(tenant) for tenant in self.tenants]
        self.chats = [env.chats(tenant) for tenant in self.tenants]

    def fill(self, tenant: Tenant) -> UUID:
        workflow = self.env.make.workflow(tenant)
        for hours in range(3):
            self.env.execution(tenant, workflow, 7.8 + hours / 24, error_message=f"Line\n|'\"é {hours}")
        return self.env.execution(tenant, workflow, 7.9, status="running", finished_at=None)

    def archive(self) -> None:
        answer = {"state": "skipped"}
        while answer["state"] == "skipped":  # until Postgres has noticed that the killed run's connection is gone
            answer = self.env.run(lambda_handler)
        assert answer["state"] == "done"

    def is_whole(self) -> bool:
        """Each row once, hot or cold, byte for byte."""
        rows = [self.env.rows(tenant) for tenant in self.tenants]
        return (rows, [self.env.chats(tenant) for tenant in self.tenants]) == (self.rows, self.chats)

    def is_archived(self) -> bool:
        hot = [self.env.hot(tenant) for tenant in self.tenants]
        return hot == [[id] for id in self.stay] and not any(map(self.env.sessions, self.tenants))
