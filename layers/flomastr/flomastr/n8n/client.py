"""One request to an instance's public API, and what it answers: as JSON of a bounded size, or why there is none.

Answers may be many at once, so they stay bytes; each is read when its turn comes, and nothing else is held as objects.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import SplitResult

from flomastr.http.bodies import read_json
from flomastr.outbound import exchange
from flomastr.outbound.exchange import ExchangeError
from flomastr.outbound.targets import is_private, is_public
from flomastr.settings import settings

SECONDS = 20.0  # that a request takes at most, from the name to the end of the answer
MAX_BODY = 16_000_000  # bytes
MAX_MARKS = (
    1_500_000  # commas and opening brackets: n8n has one in 17 bytes, and Python an object of up to 130 for each
)
PART = 65_536
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)

type Reason = (
    exchange.Reason
    | Literal[
        "key_refused", "right_missing", "not_found", "refused_request", "redirected", "busy", "failing", "not_n8n",
        "too_large", "key_unreadable",
    ]
)  # fmt: skip

BY_STATUS: dict[int, tuple[Reason, str]] = {
    400: ("refused_request", "n8n refuses the request, say for a cursor that it no longer knows."),
    401: ("key_refused", "n8n refuses the API key."),
    403: ("right_missing", "The API key lacks the right to this."),
    404: ("not_found", "There is no API of n8n at this address, or it has no such thing."),
    429: ("busy", "n8n asks to wait."),
}


class N8nError(Exception):
    """n8n has not answered as was hoped. The message is a fixed sentence, for the tenant."""

    def __init__(self, reason: Reason, message: str, retry_after: int = 0):
        self.reason: Reason = reason
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True)
class Request:
    """What is asked of which instance. `path` begins after the version of the API, or is of n8n itself."""

    n8n_url: str
    api_key: str
    path: str

    @property
    def url(self) -> str:
        return f"{self.n8n_url.rstrip('/')}{self.path}"

    def head(self, target: SplitResult) -> bytes:
        """All of it is visible ASCII, so it cannot add lines."""
        lines = [
            f"GET {target.path}{f'?{target.query}' if target.query else ''} HTTP/1.1",
            f"host: {target.netloc}",
            "user-agent: FloMastr-Pull",
            "accept: application/json",
            "accept-encoding: identity",
            "connection: close",
        ]
        if self.api_key:
            lines.append(f"x-n8n-api-key: {self.api_key}")
        return "\r\n".join((*lines, "", "")).encode("ascii")


@dataclass(frozen=True)
class Answer:
    content: dict[str, Any]
    size: int  # in bytes


type Outcome = bytearray | N8nError


def asked(request: Request, seconds: float = SECONDS) -> Outcome:
    """What became of it. Each thread may ask."""
    loop = asyncio.new_event_loop()  # asyncio.run would take the current one of this sandbox away
    try:
        return loop.run_until_complete(outcome(request, seconds))
    finally:
        loop.close()


async def outcomes(requests: Sequence[Request], seconds: float) -> list[Outcome]:
    """Of several that are made at once, within a loop that runs."""
    return await asyncio.gather(*(outcome(request, seconds) for request in requests))


async def outcome(request: Request, seconds: float) -> Outcome:
    """Never raises for what n8n or the network does."""
    try:
        async with exchange.naming_failures(seconds):
            return await answered(request)
    except ExchangeError as error:
        return N8nError(error.reason, str(error))
    except N8nError as error:
        return error


async def answered(request: Request) -> bytearray:
    """Raises N8nError, ExchangeError, and what `naming_failures` names."""
    async with exchange.connected(request.url, is_allowed) as (target, reader, writer):
        writer.write(request.head(target))
        await writer.drain()
        head = await exchange.head(reader)
        status = exchange.status_of(head)
        if status != 200:
            raise refusal(status, exchange.retry_after(head))
        return await body_of(head, reader)


def read(outcome: Outcome) -> Answer | N8nError:
    """The answer, unless it would take too much memory."""
    if isinstance(outcome, N8nError):
        return outcome
    if sum(map(outcome.count, (b",", b"[", b"{"))) > MAX_MARKS:
        return N8nError("too_large", f"The answer has more than {MAX_MARKS:,} values.")
    try:
        content = read_json(outcome)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        return N8nError("not_n8n", "The answer is not one of n8n's API.")
    return Answer(cast(dict[str, Any], content), len(outcome))


def is_allowed(address: str) -> bool:
    return is_public(address) or (settings().n8n_private_addresses == "yes" and is_private(address))


def refusal(status: int, retry_after: int) -> N8nError:
    if status in BY_STATUS:
        return N8nError(*BY_STATUS[status], retry_after)
    if 300 <= status < 400:
        return N8nError("redirected", "The address answers with a redirect, which is not followed.")
    return N8nError("failing", f"n8n answers with status {status}.", retry_after)


async def body_of(head: bytes, reader: asyncio.StreamReader) -> bytearray:
    """Raises N8nError for more than MAX_BODY bytes, and what `naming_failures` names."""
    body = bytearray()
    if CHUNKED.search(head):
        while length := await length_of_chunk(reader):
            await receive(fitting(len(body) + length), reader, body)
            await reader.readexactly(2)
        return body
    if length := LENGTH.search(head):
        await receive(fitting(int(length[1])), reader, body)
        return body
    while part := await reader.read(PART):
        body += part
        fitting(len(body))
    return body


async def receive(size: int, reader: asyncio.StreamReader, body: bytearray) -> None:
    """Until the body has so many bytes: at once, the reader would hold them twice. Raises IncompleteReadError."""
    while len(body) < size:
        body += await reader.readexactly(min(PART, size - len(body)))


async def length_of_chunk(reader: asyncio.StreamReader) -> int:
    """0 after the last. Raises N8nError."""
    try:
        return max(0, int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16))
    except ValueError:
        raise N8nError("not_n8n", "The answer is not one of n8n's API.") from None


def fitting(size: int) -> int:
    """The size. Raises N8nError if it is too much."""
    if size > MAX_BODY:
        raise N8nError("too_large", f"The answer is larger than {MAX_BODY:,} bytes.")
    return size
