"""Vectors of texts, from any endpoint that speaks OpenAI's embeddings API. Each way to fail has an exception."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import urllib3

from flomastr.embeddings.vectors import HalfVector
from flomastr.settings import embeddings_key, settings

DIMENSIONS = 1536
MAX_NUMBER = 65_504  # what a half-precision number holds
CONNECT_SECONDS = 2.0
CODE = re.compile(r"[\w.-]{1,60}")
MAX_BYTES = 10_000_000  # of an answer: 96 vectors take up to 5 MB, and Python five times as much
MAX_TOKENS = 10_000_000  # that one request can have cost


class EndpointError(Exception):
    """The endpoint gave no vectors. The message says why, and holds nothing of the texts."""


class EndpointBusyError(EndpointError):
    """It may succeed later: the endpoint cannot be reached, is at its limit, or fails."""

    def __init__(self, message: str, wait_seconds: int = 0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class EndpointRefusedError(EndpointError):
    """It refuses all requests: the key, the address or the model is wrong."""


class TextRefusedError(EndpointError):
    """It refuses these texts, now and later."""


class MalformedAnswerError(EndpointError):
    """Its answer is not one vector for each text."""


@dataclass(frozen=True)
class Endpoint:
    name: str  # in messages
    url: str
    key: str  # empty: it wants none


@dataclass(frozen=True)
class Embedded:
    vectors: list[HalfVector]  # in the order of the texts
    tokens: int


@cache
def pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False)


def embed(texts: Sequence[str], model: str, seconds: float) -> Embedded:
    """The vectors of texts, in their order, within so many seconds. Raises EndpointError."""
    body = {"model": model, "input": list(texts), "dimensions": DIMENSIONS, "encoding_format": "float"}
    endpoint = Endpoint("embeddings", f"{settings().embeddings_url.rstrip('/')}/embeddings", embeddings_key())
    status, headers, answer = ask(body, seconds, endpoint)
    if status == 200:
        return embedded(answer, len(texts))
    message = f"The embeddings endpoint answered {status}{code_in(answer)}"
    if status in (408, 409, 425, 429) or status >= 500:
        raise EndpointBusyError(message, wait_in(headers))
    if status in (400, 413, 422):
        raise TextRefusedError(message)
    raise EndpointRefusedError(f"{message}: see its URL, model, key and account")


def ask(body: dict[str, Any], seconds: float, endpoint: Endpoint) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of an endpoint's answer, within so many seconds.

    Raises EndpointBusyError, EndpointRefusedError.
    """
    deadline = time.monotonic() + seconds
    try:
        response = sent(body, deadline, endpoint)
        answer = read(response, deadline, endpoint)
    except urllib3.exceptions.HTTPError as error:
        raise EndpointBusyError(f"The {endpoint.name} endpoint cannot be reached: {type(error).__name__}") from error
    except ValueError:  # whose text would put the key into the log
        raise EndpointRefusedError(f"The {endpoint.name} endpoint's URL or key is malformed") from None
    return response.status, response.headers, answer


def sent(body: dict[str, Any], deadline: float, endpoint: Endpoint) -> urllib3.BaseHTTPResponse:
    try:
        return posted(body, deadline, endpoint)
    except urllib3.exceptions.ProtocolError:  # the endpoint closed a connection that was idle, just as it was used
        return posted(body, deadline, endpoint)


def posted(body: dict[str, Any], deadline: float, endpoint: Endpoint) -> urllib3.BaseHTTPResponse:
    seconds = max(0.1, deadline - time.monotonic())
    return pool().request(
        "POST",
        endpoint.url,
        json=body,
        headers={"Authorization": f"Bearer {endpoint.key}"},
        timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds),
        redirect=False,
        preload_content=False,
    )


def read(response: urllib3.BaseHTTPResponse, deadline: float, endpoint: Endpoint) -> bytes:
    """The whole answer, until the deadline: urllib3's own timeout starts anew with each part.

    Raises EndpointBusyError.
    """
    answer = bytearray()
    while part := response.read1(65_536):  # what has come, where `read` would wait for as much
        answer += part
        if time.monotonic() > deadline or len(answer) > MAX_BYTES:
            response.close()
            raise EndpointBusyError(f"The {endpoint.name} endpoint's answer does not end")
    response.release_conn()
    return bytes(answer)


def code_in(answer: bytes) -> str:
    """The error's code or type, if the answer has one: a word for programs, without our texts."""
    try:
        error = json.loads(answer)["error"]
        code = str(error.get("code") or error.get("type") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return f" ({code})" if CODE.fullmatch(code) else ""


def wait_in(headers: Mapping[str, str]) -> int:
    """Retry-After in seconds, at most an hour; 0 without one. A date, which HTTP allows, is ignored."""
    value = str(headers.get("Retry-After", ""))
    return min(int(value), 3600) if re.fullmatch(r"[0-9]{1,9}", value) else 0


def embedded(answer: bytes, wanted: int) -> Embedded:
    """The vectors in an answer to so many texts, and the tokens that it cost. Raises MalformedAnswerError."""
    try:
        body = json.loads(answer)
        rows = sorted(body["data"], key=lambda row: row["index"])
        vectors = [row["embedding"] for row in rows]
        indexes = [row["index"] for row in rows]
        usage: Any = body.get("usage") or {}
        tokens = int(usage.get("total_tokens") or 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MalformedAnswerError("The embeddings endpoint answered what is no list of vectors") from error
    if indexes != list(range(wanted)):
        raise MalformedAnswerError(f"The embeddings endpoint answered {len(rows)} vectors for {wanted} texts")
    return Embedded([half_vector(vector) for vector in vectors], min(max(0, tokens), MAX_TOKENS))


def half_vector(vector: Any) -> HalfVector:
    """A vector of the answer in half precision. Raises MalformedAnswerError if it cannot be compared."""
    if not isinstance(vector, list) or len(cast(list[Any], vector)) != DIMENSIONS:
        length = len(cast(list[Any], vector)) if isinstance(vector, list) else "no"
        raise MalformedAnswerError(
            f"The embeddings endpoint answered a vector of {length} dimensions, not {DIMENSIONS}"
        )
    numbers = cast(list[Any], vector)
    if not all(type(number) in (int, float) and abs(number) <= MAX_NUMBER for number in numbers):  # which NaN is not
        raise MalformedAnswerError("The embeddings endpoint answered a vector that holds NaN, an infinity or no number")
    if not any(abs(number) > 1e-7 for number in numbers):  # half precision holds nothing smaller
        raise MalformedAnswerError("The embeddings endpoint answered a vector of zeros")
    return HalfVector(numbers)
