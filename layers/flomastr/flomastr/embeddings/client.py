"""Vectors of texts, from any endpoint that speaks OpenAI's embeddings API. What it may do instead has a name each."""

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
LARGEST = 65_504  # what a half-precision number holds
CONNECT_SECONDS = 2.0
CODE = re.compile(r"[\w.-]{1,60}")
MOST_BYTES = 10_000_000  # of an answer: 96 vectors take up to 5 MB, and Python five times as much
MOST_TOKENS = 10_000_000  # that one request can have cost


class EndpointError(Exception):
    """There are no vectors. Says why, without a word of the texts."""


class EndpointBusyError(EndpointError):
    """It may have some later: it cannot be reached, is at its limit, or fails."""

    def __init__(self, message: str, wait_seconds: int = 0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class EndpointRefusedError(EndpointError):
    """It takes nothing from us: the key, the address or the model is wrong."""


class TextRefusedError(EndpointError):
    """It does not take these texts, now or later."""


class MalformedAnswerError(EndpointError):
    """It answers what are no vectors of these texts."""


@dataclass(frozen=True)
class Embedded:
    vectors: list[HalfVector]  # in the order of the texts
    tokens: int


@cache
def pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False)


def embed(texts: Sequence[str], model: str, seconds: float) -> Embedded:
    """The vectors of texts, or an EndpointError, within so many seconds."""
    body = {"model": model, "input": list(texts), "dimensions": DIMENSIONS, "encoding_format": "float"}
    status, headers, answer = ask(body, seconds)
    if status == 200:
        return embedded(answer, len(texts))
    message = f"The embeddings endpoint answered {status}{code_in(answer)}"
    if status in (408, 409, 425, 429) or status >= 500:
        raise EndpointBusyError(message, wait_in(headers))
    if status in (400, 413, 422):
        raise TextRefusedError(message)
    raise EndpointRefusedError(f"{message}: see its URL, model, key and account")


def ask(body: dict[str, Any], seconds: float) -> tuple[int, Mapping[str, str], bytes]:
    deadline = time.monotonic() + seconds
    try:
        response = sent(body, deadline)
        answer = read(response, deadline)
    except urllib3.exceptions.HTTPError as error:
        raise EndpointBusyError(f"The embeddings endpoint cannot be reached: {type(error).__name__}") from error
    except ValueError:  # whose text would put the key into the log
        raise EndpointRefusedError("The embeddings endpoint's URL or key is malformed") from None
    return response.status, response.headers, answer


def sent(body: dict[str, Any], deadline: float) -> urllib3.BaseHTTPResponse:
    try:
        return posted(body, deadline)
    except urllib3.exceptions.ProtocolError:  # the endpoint closed a connection that was idle, just as it was used
        return posted(body, deadline)


def posted(body: dict[str, Any], deadline: float) -> urllib3.BaseHTTPResponse:
    seconds = max(0.1, deadline - time.monotonic())
    return pool().request(
        "POST",
        f"{settings().embeddings_url.rstrip('/')}/embeddings",
        json=body,
        headers={"Authorization": f"Bearer {embeddings_key()}"},
        timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds),
        redirect=False,
        preload_content=False,
    )


def read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The whole answer in time, since each part of it may take as long as all."""
    answer = bytearray()
    while part := response.read1(65_536):  # what has come, where `read` would wait for as much
        answer += part
        if time.monotonic() > deadline or len(answer) > MOST_BYTES:
            response.close()
            raise EndpointBusyError("The embeddings endpoint's answer does not end")
    response.release_conn()
    return bytes(answer)


def code_in(answer: bytes) -> str:
    """What it calls the error, if it does: a word for programs, in which there is no text of ours."""
    try:
        error = json.loads(answer)["error"]
        code = str(error.get("code") or error.get("type") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return f" ({code})" if CODE.fullmatch(code) else ""


def wait_in(headers: Mapping[str, str]) -> int:
    """Retry-After in seconds. As a date, which is allowed, it is passed over."""
    message = str(headers.get("Retry-After", ""))
    return min(int(message), 3600) if re.fullmatch(r"[0-9]{1,9}", message) else 0


def embedded(answer: bytes, wanted: int) -> Embedded:
    try:
        body = json.loads(answer)
        rows = sorted(body["data"], key=lambda row: row["index"])
        vectors = [row["embedding"] for row in rows]
        places = [row["index"] for row in rows]
        usage: Any = body.get("usage") or {}
        tokens = int(usage.get("total_tokens") or 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MalformedAnswerError("The embeddings endpoint answered what is no list of vectors") from error
    if places != list(range(wanted)):
        raise MalformedAnswerError(f"The embeddings endpoint answered {len(rows)} vectors for {wanted} texts")
    return Embedded([half_vector(vector) for vector in vectors], min(max(0, tokens), MOST_TOKENS))


def half_vector(vector: Any) -> HalfVector:
    """A vector of the answer in half precision. Raises MalformedAnswerError if it cannot be compared."""
    if not isinstance(vector, list) or len(cast(list[Any], vector)) != DIMENSIONS:
        length = len(cast(list[Any], vector)) if isinstance(vector, list) else "no"
        raise MalformedAnswerError(
            f"The embeddings endpoint answered a vector of {length} dimensions, not {DIMENSIONS}"
        )
    numbers = cast(list[Any], vector)
    if not all(type(number) in (int, float) and abs(number) <= LARGEST for number in numbers):  # which NaN is not
        raise MalformedAnswerError("The embeddings endpoint answered a vector that holds NaN, an infinity or no number")
    if not any(
        abs(number) > 1e-7 for number in numbers
    ):  # nothing is near to it, and half precision knows nothing less
        raise MalformedAnswerError("The embeddings endpoint answered a vector of zeros")
    return HalfVector(numbers)
