"""An exchange with a host that a tenant has named, with bounds on what that may do.

The name is resolved once, and the connection goes to the address that was looked at, so that a second answer of the
name server changes nothing. No redirect is followed, and no proxy of the environment is asked.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from flomastr.outbound.targets import is_local, is_public, refuse_other_targets

MAX_HEAD = 16_384  # bytes of an answer
INTERIM = 5  # answers of 1xx that may come before it
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r\n)")
RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
MAX_RETRY_AFTER = 86_400

type Reason = Literal[
    "refused", "timed_out", "no_address", "no_public_address", "certificate", "no_connection", "no_http"
]


class ExchangeError(Exception):
    """There is no answer. The message says why, in a few fixed sentences that tell nothing of the network."""

    def __init__(self, reason: Reason, message: str):
        self.reason: Reason = reason
        super().__init__(message)


@asynccontextmanager
async def naming_failures(seconds: float) -> AsyncGenerator[None]:
    """Raises ExchangeError for whatever the host or the network does, and after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ExchangeError("timed_out", f"No answer within {seconds:.0f} seconds.") from None
    except (socket.gaierror, UnicodeError):  # which a name of more than 63 letters is
        raise ExchangeError("no_address", "The host's name has no address.") from None
    except ssl.SSLCertVerificationError:
        raise ExchangeError("certificate", "The host's certificate is not valid.") from None
    except (OSError, asyncio.IncompleteReadError):
        raise ExchangeError("no_connection", "The connection failed.") from None
    except asyncio.LimitOverrunError:
        raise ExchangeError("no_http", f"The answer's head is larger than {MAX_HEAD:,} bytes.") from None


@asynccontextmanager
async def connected(
    url: str, is_allowed: Callable[[str], bool] = is_public
) -> AsyncGenerator[tuple[SplitResult, asyncio.StreamReader, asyncio.StreamWriter]]:
    """The URL's parts, and a connection to an allowed address of its host. Raises ExchangeError, OSError and others."""
    target = allowed(url)
    port = target.port or (443 if target.scheme == "https" else 80)
    address = await resolved(target, port, is_allowed)
    tls: dict[str, Any] = {"ssl": tls_context(), "server_hostname": target.hostname} if target.scheme == "https" else {}
    reader, writer = await asyncio.open_connection(address, port, limit=MAX_HEAD, **tls)
    try:
        yield target, reader, writer
    finally:
        writer.transport.abort()


def allowed(url: str) -> SplitResult:
    """What was allowed when the URL was set may not be any more. Raises ExchangeError."""
    try:
        return urlsplit(refuse_other_targets(url))
    except ValueError as error:
        raise ExchangeError("refused", f"The URL {error}.") from None


async def resolved(target: SplitResult, port: int, is_allowed: Callable[[str], bool]) -> str:
    """The address to connect to. Raises ExchangeError if no address of the host is allowed, socket.gaierror."""
    found = await asyncio.get_running_loop().getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(where[0]) for *_, where in sorted(found, key=lambda one: one[0] != socket.AF_INET)]
    fitting = addresses if is_local(target.geturl()) else [address for address in addresses if is_allowed(address)]
    if not fitting:
        raise ExchangeError("no_public_address", "The host has no public address.")
    return fitting[0]


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


async def head(reader: asyncio.StreamReader) -> bytes:
    """Of the first answer that is not an interim one."""
    for _ in range(INTERIM):
        found = await reader.readuntil(b"\r\n\r\n")
        if not found.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
            return found
    return b""


def status_of(head: bytes) -> int:
    """Raises ExchangeError."""
    status = STATUS.match(head)
    if not status:
        raise ExchangeError("no_http", "The answer is not one of HTTP.")
    return int(status[1])


def retry_after(head: bytes) -> int:
    """How many seconds the host asks to wait."""
    wait = RETRY_AFTER.search(head)
    return min(int(wait[1]), MAX_RETRY_AFTER) if wait else 0
