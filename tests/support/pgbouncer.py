"""PgBouncer as DigitalOcean runs it: transaction mode, a small pool, no tracking of prepared statements."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dev.child_process import die_with_parent
from dev.services.postgres import UNPRIVILEGED, free_port

BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(not BINARY, reason="PgBouncer is missing: apt-get install pgbouncer")

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {pool_size}
server_login_retry = 0.2
logfile = {folder}/pgbouncer.log
"""


@dataclass
class Pooler:
    """A running PgBouncer, which a test may kill and start again on its port."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        privileges = UNPRIVILEGED if os.geteuid() == 0 else ()
        self.process = subprocess.Popen(
            [*die_with_parent("INT", *privileges), str(BINARY), "--quiet", str(self.folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self, with_signal: int = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(with_signal)
            self.process.wait()
            self.process = None


@contextmanager
def running(url: str, pool_size: int = 2, host: str = "127.0.0.1", mode: str = "transaction") -> Generator[Pooler]:
    with tempfile.TemporaryDirectory(prefix="flomastr-pgbouncer-") as name:
        pooler = Pooler(Path(name), free_port(), host)
        pooler.folder.chmod(0o777)
        (pooler.folder / "users.txt").write_text('"flo_app" ""\n')
        (pooler.folder / "pgbouncer.ini").write_text(
            CONFIGURATION.format(
                port=conninfo_to_dict(url)["port"],
                host=host,
                listen_port=pooler.port,
                folder=pooler.folder,
                pool_size=pool_size,
                mode=mode,
            )
        )
        pooler.start()
        try:
            await_answer(pooled(url, pooler))
            yield pooler
        finally:
            pooler.stop()


@contextmanager
def pgbouncer(url: str, pool_size: int = 2) -> Generator[str]:
    """The pooled form of a direct URL."""
    with running(url, pool_size) as pooler:
        yield pooled(url, pooler)


def pooled(url: str, pooler: Pooler) -> str:
    parts = conninfo_to_dict(url)
    return f"postgresql://{parts['user']}@{pooler.host}:{pooler.port}/{parts['dbname']}"


def await_answer(url: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url, autocommit=True).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
