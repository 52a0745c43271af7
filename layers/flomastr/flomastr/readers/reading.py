"""Reads a file in a process of its own, which ends at its bounds whatever the file does to what reads it."""

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from math import ceil
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.observability import logger
from flomastr.readers import texts
from flomastr.readers.extracted import Extracted, too_large
from flomastr.readers.kinds import SentFile

WEIGHT_OF_SECOND = 200  # so that a tenant at the usual limit keeps half a processor busy
EXTRACTED = TypeAdapter(Extracted)


@dataclass(frozen=True)
class Bounds:
    """Of the process that reads: megabytes of addresses, and seconds of a processor and on the clock."""

    megabytes: int
    cpu_seconds: int
    seconds: int  # where the processor is shared


OF_A_REQUEST = Bounds(megabytes=384, cpu_seconds=8, seconds=16)  # so that the function stays below 512
MOST_WEIGHT = OF_A_REQUEST.cpu_seconds * WEIGHT_OF_SECOND


def cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def unused_weight(began: float) -> int:
    """What is left of MOST_WEIGHT after the work since `began`, which is of cpu_seconds()."""
    return MOST_WEIGHT - min(MOST_WEIGHT, ceil((cpu_seconds() - began) * WEIGHT_OF_SECOND))


def read(file: SentFile, bounds: Bounds = OF_A_REQUEST) -> Extracted:
    """Its text. Raises UnprocessableError with the reason why there is none."""
    if not file.data:
        raise UnprocessableError("The file is empty.", ErrorCode.FILE_UNREADABLE)
    reader = file.reader()
    if reader in ("text", "markdown", "html"):
        return texts.read(file.data, reader, file.media_type)
    answer = answered(reader, file.data, bounds)
    if "code" in answer:
        raise UnprocessableError(answer["detail"], ErrorCode(answer["code"]))
    return EXTRACTED.validate_python(answer)


def answered(reader: str, data: bytes, bounds: Bounds) -> dict[str, Any]:
    """What the process says. It gets no variables of this one: those name secrets."""
    limits = [str(bounds.megabytes), str(bounds.cpu_seconds)]
    command = [sys.executable, "-S", "-m", "flomastr.readers.child", reader, *limits]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"}
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=bounds.seconds, env=environment)
    except subprocess.TimeoutExpired as error:
        raise too_slow(bounds.seconds) from error
    if done.returncode == 0:
        return from_json(done.stdout)
    if done.returncode > 0:
        raise RuntimeError(f"The reader {reader} does not work: {done.stderr[-500:].decode()}")
    logger.warning("A file ended its reader", reader=reader, signal=-done.returncode)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise too_slow(bounds.cpu_seconds)
    raise too_large(f"The file ended its reader, most likely for want of memory: it may take {bounds.megabytes} MB.")


def too_slow(seconds: int) -> UnprocessableError:
    return too_large(f"The file takes more than {seconds} seconds to read.")
