"""Sends one webhook: a signed POST to a public address. Of the answer only the head is read."""

import time
from dataclasses import dataclass
from urllib.parse import SplitResult

from flomastr.auth.webhook_signatures import signature
from flomastr.outbound.exchange import ExchangeError, connected, head, naming_failures, retry_after, status_of

SECONDS = 10.0  # that an attempt takes at most, from the name to the answer


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
        async with naming_failures(SECONDS):
            return outcome(await exchange(webhook))
    except ExchangeError as error:
        return Outcome(error=str(error))


async def exchange(webhook: Webhook) -> bytes:
    """The head of the answer. Raises ExchangeError, and what `naming_failures` names."""
    async with connected(webhook.url) as (target, reader, writer):
        writer.write(request(webhook, target))
        await writer.drain()
        return await head(reader)


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


def outcome(head: bytes) -> Outcome:
    """Raises ExchangeError."""
    return Outcome(status_of(head), retry_after=retry_after(head))
