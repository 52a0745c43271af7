"""The object storage under the platform: dev/services/s3_server.py, S3 and SQS on this machine, run as our child."""

import fcntl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from dev.child_process import die_with_parent
from dev.errors import StartupError
from dev.paths import ROOT

BUCKET, UPLOADS = "archive", "uploads"  # the archive keeps versions


@dataclass(frozen=True)
class Storage:
    """A running server and its buckets."""

    port: int
    pid: int
    bucket: str = BUCKET
    uploads: str = UPLOADS
    key: str = "local"  # whoever reaches the port may read and write

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def storage(data: Path) -> Generator[Storage]:
    """Run the server that keeps its objects in `<data>/s3`, until the block ends."""
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    with (data / "s3.log").open("a") as log, _started(data, log.fileno()) as server:
        try:
            yield Storage(_port(server, data), server.pid)
        finally:
            server.kill()


@contextmanager
def reach(data: Path) -> Generator[Storage]:
    """The server that already runs on `data`, else one for the length of the block."""
    running = _running(data.resolve())
    with nullcontext(running) if running else storage(data) as found:
        yield found


def _started(data: Path, log: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*die_with_parent("KILL"), sys.executable, "-m", "dev.services.s3_server", str(data), BUCKET, UPLOADS],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C reaches us alone; we stop the server when it is free
    )


def _port(server: subprocess.Popen[str], data: Path) -> int:
    """What it says when it serves."""
    assert server.stdout
    if said := server.stdout.readline():
        return int(said)
    raise StartupError(f"The object storage did not start: {data / 's3.log'} ends with its reason.")


def _running(data: Path) -> Storage | None:
    """The server holds a lock on the file that has its port, and loses it however it ends."""
    message = data / "s3.port"
    if not message.exists():
        return None
    with message.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            port, pid = map(int, lock.read().split())
            return Storage(port, pid)
    return None
