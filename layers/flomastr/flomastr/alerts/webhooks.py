"""Sends one webhook: a signed POST to a public address, with bounds on what the receiver may do.

The name is resolved once, and the connection goes to the address that was looked at, so that a second answer of the
name server changes nothing. Redirects are not followed. Of the answer only the head is read.
"""

import asyncio
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flomastr.alerts.targets import is_local, is_public, refuse_other_targets
from flomastr.auth.webhook_signatures import signature

SECONDS = 10.0  # that an attempt takes at most, from the name to the answer
MAX_HEAD = 16_384  # bytes of an answer
INTERIM = 5  # answers of 1xx that may come before it
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r\n)")
RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
MAX_RETRY_AFTER = 86_400


class RefusedTargetError(Exception):
    """The webhook is not sent there. The message says why."""


@dataclass(frozen=True)
class Webhook:
    id: str
    url: str
    body: bytes
    secret: bytes


@dataclass(frozen=True)
class Outcome:
    """The answer's status and how many seconds it asks to wait, or why there is none."""

    status: int | None = None
    error: str | None = None
    retry_after: int = 0

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


async def send(webhook: Webhook) -> Outcome:
    """One attempt. Never raises for what the receiver or the network does."""
    try:
        async with asyncio.timeout(SECONDS):
            return outcome(await exchange(webhook))
    except TimeoutError:
        return Outcome(error=f"No answer within {SECONDS:.0f} seconds.")
    except RefusedTargetError as error:
        return Outcome(error=str(error))
    except (socket.gaierror, UnicodeError):  # which a name of more than 63 letters is
        return Outcome(error="The host's name has no address.")
    except ssl.SSLCertVerificationError:
        return Outcome(error="The host's certificate is not valid.")
    except (OSError, asyncio.IncompleteReadError):
        return Outcome(error="The connection failed.")
    except asyncio.LimitOverrunError:
        return Outcome(error=f"The answer's head is larger than {MAX_HEAD:,} bytes.")


async def exchange(webhook: Webhook) -> bytes:
    """The head of the answer. Raises OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError and our own."""
    target = allowed(webhook.url)
    port = target.port or (443 if target.scheme == "https" else 80)
    address = await resolved(target, port)
    tls: dict[str, Any] = {"ssl": tls_context(), "server_hostname": target.hostname} if target.scheme == "https" else {}
    reader, writer = await asyncio.open_connection(address, port, limit=MAX_HEAD, **tls)
    try:
        writer.write(request(webhook, target))
        await writer.drain()
        return await head(reader)
    finally:
        writer.transport.abort()


def allowed(url: str) -> SplitResult:
    """What was allowed when the alert was set may not be any more. Raises RefusedTargetError."""
    try:
        return urlsplit(refuse_other_targets(url))
    except ValueError as error:
        raise RefusedTargetError(f"The URL {error}.") from None


async def resolved(target: SplitResult, port: int) -> str:
    """The address to connect to. Raises RefusedTargetError if no address of the host is public, socket.gaierror."""
    found = await asyncio.get_running_loop().getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(where[0]) for *_, where in sorted(found, key=lambda one: one[0] != socket.AF_INET)]
    public = addresses if is_local(target.geturl()) else [address for address in addresses if is_public(address)]
    if not public:
        raise RefusedTargetError("The host has no public address.")
    return public[0]


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def request(webhook: Webhook, target: SplitResult) -> bytes:
    """As Standard Webhooks has it. The URL is of visible ASCII, so it cannot add lines."""
    timestamp = str(int(time.time()))
    lines = (
        f"POST {target.path or '/'}{f'?{target.query}' if target.query else ''} HTTP/1.1",
        f"host: {target.netloc}",
        "user-agent: FloMastr-Webhooks",
        "content-type: application/json",
        f"content-length: {len(webhook.body)}",
        f"webhook-id: {webhook.id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signature(webhook.secret, webhook.id, timestamp, webhook.body)}",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + webhook.body


async def head(reader: asyncio.StreamReader) -> bytes:
    """Of the first answer that is not an interim one."""
    for _ in range(INTERIM):
        found = await reader.readuntil(b"\r\n\r\n")
        if not found.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
            return found
    return b""


def outcome(head: bytes) -> Outcome:
    status = STATUS.match(head)
    if not status:
        return Outcome(error="The answer is not one of HTTP.")
    wait = RETRY_AFTER.search(head)
    return Outcome(int(status[1]), retry_after=min(int(wait[1]), MAX_RETRY_AFTER) if wait else 0)
