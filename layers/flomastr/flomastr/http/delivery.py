"""A request as API Gateway delivers it, and as an application reads it: see docs/reference/local-gateway.md."""

from typing import Any
from urllib.parse import quote

from flomastr.errors import PayloadTooLargeError, ServiceError, UnsupportedEncodingError

MAX_BODY = 5_000_000  # bytes: written into an event or an answer as text, it stays below Lambda's 6 MB

type Event = dict[str, Any]


def path_of(event: Event) -> str:
    """Decoded, as it is in the event, and without the stage's name, with which it begins unless that is $default."""
    return event["requestContext"]["http"]["path"].removeprefix(f"/{event['requestContext']['stage']}")


def body_size(event: Event) -> int:
    """In bytes, as the client sent it."""
    body: str = event.get("body") or ""
    return len(body) * 3 // 4 - body[-2:].count("=") if event["isBase64Encoded"] else len(body.encode())


def refusal(event: Event) -> ServiceError | None:
    """What is wrong with the request before an application reads it."""
    if body_size(event) > MAX_BODY:
        return PayloadTooLargeError(f"The body is larger than {MAX_BODY:,} bytes. Send it in smaller parts.")
    encoding = event["headers"].get("content-encoding", "identity")
    if event.get("body") and encoding.lower() != "identity":
        return UnsupportedEncodingError(headers={"Accept-Encoding": "identity"})
    return None


def readable(event: Event) -> Event:
    """The event for Mangum, which decodes the path once more. What HEAD asks for is what GET would answer."""
    context = event["requestContext"]
    method = context["http"]["method"]
    http = {"path": quote(path_of(event)), "method": "GET" if method == "HEAD" else method}
    return {**event, "requestContext": {**context, "http": {**context["http"], **http}}}
