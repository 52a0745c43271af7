"""One function as Lambda runs it: a process of its own, one event at a time, and limits."""

import asyncio
import os
import sys
from asyncio import Future, Queue, Task
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from dev.aws.template import Function
from dev.child_process import die_with_parent

PAYLOAD_BYTES = 6 * 1024 * 1024
INIT_SECONDS = 10
PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


class FunctionFailedError(Exception):
    """The function raised, ended or never started: there is no answer."""


class FunctionTimedOutError(FunctionFailedError):
    """The function took longer than its template allows."""


class EventTooLargeError(Exception):
    """Lambda takes 6 MB and no more."""


def _future() -> Future[bytes]:
    return asyncio.get_running_loop().create_future()


@dataclass
class Invocation:
    """An event on its way: first taken by the process, then answered."""

    event: bytes
    id: str = field(default_factory=lambda: str(uuid4()))
    taken: Future[bytes] = field(default_factory=_future)
    answer: Future[bytes] = field(default_factory=_future)


class Sandbox:
    """Starts the process when an event comes, and anew when it has ended or its code changed.

    The process asks for events by the Runtime API (dev/aws/runtime_api.py), which calls `take`,
    `answer` and `fail` here.
    """

    def __init__(self, function: Function, environment: dict[str, str], code: Sequence[Path], log: Path) -> None:
        self.function = function
        self._environment = environment
        self._code = code
        self._log = log
        self._turn = asyncio.Lock()
        self._events = Queue[Invocation]()
        self._current: Invocation | None = None
        self._process: Process | None = None
        self._ended: Task[int] | None = None
        self._version = frozenset[tuple[str, int]]()

    @property
    def pid(self) -> int | None:
        """Of its process, if it has one."""
        return self._process.pid if self._process else None

    async def invoke(self, event: bytes) -> bytes:
        """Have the function answer the event; others wait for their turn meanwhile."""
        if len(event) > PAYLOAD_BYTES:
            raise EventTooLargeError
        async with self._turn:
            ended = await self._ready()
            invocation = self._current = Invocation(event)
            self._events.put_nowait(invocation)
            try:
                await self._within(INIT_SECONDS, invocation.taken, ended)
                return await self._within(self.function.timeout, invocation.answer, ended)
            finally:
                if not invocation.answer.done():
                    await self.stop()

    async def start(self) -> None:
        """Ahead of the first event. It does not wait until the process can take one."""
        async with self._turn:
            await self._ready()

    async def stop(self) -> None:
        """Kill the process, if there is one; the next event starts another."""
        self._events.shutdown(immediate=True)
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def take(self) -> Invocation:
        invocation = await self._events.get()
        invocation.taken.set_result(b"")
        return invocation

    def answer(self, id: str, body: bytes) -> None:
        if invocation := self._waiting(id):
            invocation.answer.set_result(body)

    def fail(self, id: str, reason: str) -> None:
        if invocation := self._waiting(id):
            invocation.answer.set_exception(FunctionFailedError(self._message(reason)))

    def _waiting(self, id: str) -> Invocation | None:
        current = self._current
        return current if current and current.id == id and not current.answer.done() else None

    async def _ready(self) -> Task[int]:
        """A process of the code as it is now; the task is done when the process has ended."""
        version = frozenset(_modified(self._code))
        if self._ended and not self._ended.done() and version == self._version:
            return self._ended
        await self.stop()
        self._version = version
        self._events = Queue[Invocation]()
        self._process = await self._start()
        self._ended = asyncio.create_task(self._process.wait())
        return self._ended

    async def _start(self) -> Process:
        # -S: neither the venv's packages nor the interpreter's own, only what the template gives.
        command = [*die_with_parent("KILL"), PYTHON, "-S", "-m", "awslambdaric", self.function.handler]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self.function.folder,
                env=self._environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone; we end functions in order
            )

    async def _within(self, seconds: int, result: Future[bytes], ended: Task[int]) -> bytes:
        await asyncio.wait({result, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        if ended.done():
            raise FunctionFailedError(self._message("ended without an answer"))
        raise FunctionTimedOutError(self._message(f"had no answer after {seconds} seconds"))

    def _message(self, reason: str) -> str:
        return f"{self.function.name} {reason}; its log is {self._log}"


def _modified(folders: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """Runs for each event, so it takes the system's own walk: pathlib's is eight times slower."""
    for folder in folders:
        for parent, children, names in os.walk(folder):
            children[:] = [child for child in children if child != "__pycache__"]
            for path in (os.path.join(parent, name) for name in names):
                yield path, _modification(path)


def _modification(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:  # an editor is replacing it at this moment
        return 0
