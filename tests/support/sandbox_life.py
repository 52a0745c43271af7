"""A sandbox between two requests, as Lambda keeps it."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.clock import until


@contextmanager
def frozen(pid: int) -> Generator[None]:
    """Stopped for the length of the block, as Lambda stops a sandbox between two requests."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: state(pid) == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
