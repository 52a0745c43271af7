"""A request as API Gateway delivers it, and as an application reads it: see docs/reference/local-gateway.md."""

import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from flomastr.errors import PayloadTooLargeError, ServiceError, UnsupportedEncodingError

IDENTITY, GZIP = "identity", "gzip"
MOST_PACKED = 1_032  # bytes in one of gzip
MAX_BODY = 5_000_000  # bytes: written into an event or an answer as text, it stays below Lambda's 6 MB

type Event = dict[str, Any]


def path_of(event: Event) -> str:
    """Decoded, as it is in the event, and without the stage's name, with which it begins unless that is $default."""
    return event["requestContext"]["http"]["path"].removeprefix(f"/{event['requestContext']['stage']}")


def encoding_of(headers: Mapping[str, str]) -> str:
    """Of a body, as the client has encoded it."""
    return headers.get("content-encoding", IDENTITY).lower()


def body_size(event: Event) -> int:
    """In bytes, as the client sent it; of what is compressed, as it says that it is large."""
    body: str = event.get("body") or ""
    sent = len(body) * 3 // 4 - body[-2:].count("=") if event["isBase64Encoded"] else len(body.encode())
    if not event["isBase64Encoded"] or encoding_of(event["headers"]) != GZIP:
        return sent
    return max(sent, min(unpacked_size(b64decode(body[-8:])), MOST_PACKED * sent))


def unpacked_size(packed: bytes) -> int:
    """What is written at the end of it. `unpacked` reads no further, and refuses what is of another size."""
    return int.from_bytes(packed[-4:], "little")


def refusal(event: Event, encodings: Sequence[str]) -> ServiceError | None:
    """What is wrong with the request before an application reads it that takes these encodings."""
    if event.get("body") and encoding_of(event["headers"]) not in encodings:
        return UnsupportedEncodingError(headers={"Accept-Encoding": ", ".join(encodings)})
    if body_size(event) > MAX_BODY:
        return PayloadTooLargeError(f"The body is larger than {MAX_BODY:,} bytes. Send it in smaller parts.")
    return None


def unpacked(packed: bytes) -> bytes:
    """What one stream of gzip holds, and never more than it says. Raises UnsupportedEncodingError."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = stream.decompress(packed, unpacked_size(packed) + 1)  # its end is where its size is verified
    except zlib.error as error:
        raise not_gzip() from error
    if not stream.eof or stream.unused_data:
        raise not_gzip()
    return content


def not_gzip() -> UnsupportedEncodingError:
    return UnsupportedEncodingError("The body is not one whole stream of gzip, as its Content-Encoding says.")


def readable(event: Event) -> Event:
    """The event for Mangum, which decodes the path once more. What HEAD asks for is what GET would answer."""
    context = event["requestContext"]
    method = context["http"]["method"]
    http = {"path": quote(path_of(event)), "method": "GET" if method == "HEAD" else method}
    return {**event, "requestContext": {**context, "http": {**context["http"], **http}}}
