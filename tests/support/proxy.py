"""A TCP proxy that can be slow, silent, rude or gone: the network between a function and its database."""

import asyncio
import math
import socket
import struct
import threading
from asyncio import Queue, StreamReader, StreamWriter
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from dev.services.postgres import free_port

SYNC = b"S\0\0\0\4"  # ends what a client sends in one go
QUERY = b"Q"  # begins what is sent in one go without it: one statement as a text
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, not FIN


@dataclass
class Direction:
    delay: float = 0.0  # seconds; what was sent first still arrives first
    left: float = math.inf  # bytes that may still pass; the next one cuts its connection, once
    passed: int = 0  # bytes
    end: bytes = b""  # what passed last, a message of five bytes for one


@dataclass(eq=False)
class Link:
    """One client's connection."""

    client: StreamWriter
    server: StreamWriter
    silent: bool = False  # both ends believe that it lives, and nothing passes
    is_answered: bool = True
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # all that is sent in one go has passed

    def reset(self) -> None:
        for writer in (self.client, self.server):
            if not writer.transport.is_closing():
                end: socket.socket = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                writer.transport.abort()


@dataclass
class Proxy:
    target: int
    port: int = field(default_factory=free_port)
    requests: Direction = field(default_factory=Direction)
    answers: Direction = field(default_factory=Direction)
    blackhole: bool = False  # accepts, and never answers
    counts_turns: bool = False  # and lets no answer begin before its request has ended
    turns: int = 0  # how often requests followed answers
    links: set[Link] = field(default_factory=set[Link])

    def latency(self, round_trip: float) -> None:
        self.requests.delay = self.answers.delay = round_trip / 2

    @contextmanager
    def counting_turns(self) -> Generator[None]:
        """A round trip is one, however long it takes: requests and then their answers."""
        self.turns, self.counts_turns = 0, True
        yield
        self.counts_turns = False

    def reset(self) -> None:
        """Every open connection ends with RST."""
        self._run(self._reset())

    def lose(self) -> None:
        """Every open connection goes silent for good, as when a router forgets it. New ones work."""
        for link in self.links:
            link.silent = True

    def down(self) -> None:
        """Open connections end, new ones are refused."""
        self._run(self._down())

    def up(self) -> None:
        self._run(self._up())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(5)

    async def _reset(self) -> None:
        for link in list(self.links):
            link.reset()

    async def _down(self) -> None:
        self.server.close()
        await self._reset()
        self.server.abort_clients()  # those that are accepted and not linked yet

    async def _up(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, asyncio.CancelledError):
            return writer.transport.abort()
        link = Link(writer, to_server, silent=self.blackhole)
        self.links.add(link)
        requests = self._pump(reader, to_server, self.requests, link)
        answers = self._pump(from_server, writer, self.answers, link)
        try:
            await asyncio.gather(requests, answers)
        finally:
            self.links.remove(link)
            link.client.close()
            link.server.close()

    async def _pump(self, reader: StreamReader, writer: StreamWriter, direction: Direction, link: Link) -> None:
        due: Queue[tuple[float, bytes]] = Queue()
        delivery = asyncio.create_task(self._deliver(due, writer, direction, link))
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                due.put_nowait((self.loop.time() + direction.delay, chunk))
        due.put_nowait((self.loop.time() + direction.delay, b""))
        await delivery

    async def _deliver(
        self, due: Queue[tuple[float, bytes]], writer: StreamWriter, direction: Direction, link: Link
    ) -> None:
        while True:
            moment, chunk = await due.get()
            await asyncio.sleep(max(0.0, moment - self.loop.time()))
            if not chunk:
                return None if link.silent or self.blackhole else writer.close()
            if link.silent or self.blackhole:
                continue
            if self.counts_turns:
                await self._take_turns(chunk, direction, link)
            passing = chunk[: int(min(direction.left, len(chunk)))]
            direction.left -= len(passing)
            direction.passed += len(passing)
            direction.end = (direction.end + passing)[-5:]
            writer.write(passing)  # last: when it arrives, it is counted
            if len(passing) < len(chunk):
                direction.left = math.inf
                await asyncio.sleep(0)
                link.reset()

    async def _take_turns(self, chunk: bytes, direction: Direction, link: Link) -> None:
        if direction is self.answers:
            await link.asked.wait()
            link.is_answered = True
        else:
            self.turns += link.is_answered
            link.is_answered = False
            is_whole = chunk.startswith(QUERY) or chunk.endswith(SYNC)
            link.asked.set() if is_whole else link.asked.clear()


@contextmanager
def proxy(target: int) -> Generator[Proxy]:
    """Between a port of its own and the target port."""
    between, ready, end = Proxy(target), threading.Event(), threading.Event()

    async def live() -> None:
        await between._up()  # pyright: ignore[reportPrivateUsage]
        ready.set()
        await asyncio.to_thread(end.wait)
        await between._down()  # pyright: ignore[reportPrivateUsage]

    thread = threading.Thread(target=asyncio.run, args=[live()])
    thread.start()
    try:
        ready.wait(5)
        yield between
    finally:
        end.set()
        thread.join()
