"""Vectors of texts, from any endpoint that speaks OpenAI's embeddings API. What it may do instead has a name each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any, cast

import urllib3

from flomastr.settings import embeddings_key, settings

DIMENSIONS = 1536
LARGEST = 65_504  # what a half-precision number holds
CONNECT_SECONDS = 2.0
MOST_BYTES = 50_000_000  # of an answer


class EndpointError(Exception):
    """There are no vectors. Says why, without a word of the texts."""


class EndpointBusy(EndpointError):
    """It may have some later: it cannot be reached, is at its limit, or fails."""

    def __init__(self, told: str, wait_seconds: int = 0) -> None:
        super().__init__(told)
        self.wait_seconds = wait_seconds


class EndpointRefuses(EndpointError):
    """It takes nothing from us: the key, the address or the model is wrong."""


class TextRefused(EndpointError):
    """It does not take these texts, now or later."""


class AnswerMalformed(EndpointError):
    """It answers what are no vectors of these texts."""


@dataclass(frozen=True)
class Embedded:
    vectors: list[str]  # as pgvector reads them, in the order of the texts
    tokens: int


@cache
def pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False)


def embed(texts: Sequence[str], model: str, seconds: float) -> Embedded:
    """The vectors of texts, or an EndpointError, within so many seconds."""
    body = {"model": model, "input": list(texts), "dimensions": DIMENSIONS, "encoding_format": "float"}
    status, headers, answer = ask(body, seconds)
    if status == 429 or status >= 500:
        raise EndpointBusy(f"The embeddings endpoint answered {status}", wait_in(headers))
    if status in (401, 403, 404, 405):
        raise EndpointRefuses(f"The embeddings endpoint answered {status}: see its URL, model and key")
    if status != 200:
        raise TextRefused(f"The embeddings endpoint refused the text: it answered {status}")
    return embedded(answer, len(texts))


def ask(body: dict[str, Any], seconds: float) -> tuple[int, Mapping[str, str], bytes]:
    try:
        response = pool().request(
            "POST",
            f"{settings().embeddings_url.rstrip('/')}/embeddings",
            json=body,
            headers={"Authorization": f"Bearer {embeddings_key()}"},
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds),
            redirect=False,
            preload_content=False,
        )
        answer = response.read(MOST_BYTES + 1)
        response.drain_conn()
        response.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise EndpointBusy(f"The embeddings endpoint cannot be reached: {type(error).__name__}") from error
    return response.status, response.headers, answer


def wait_in(headers: Mapping[str, str]) -> int:
    """Retry-After in seconds. As a date, which is allowed, it is passed over."""
    told = str(headers.get("Retry-After", ""))
    return min(int(told), 3600) if told.isdecimal() else 0


def embedded(answer: bytes, wanted: int) -> Embedded:
    try:
        body = json.loads(answer)
        rows = sorted(body["data"], key=lambda row: row["index"])
        vectors = [row["embedding"] for row in rows]
        places = [row["index"] for row in rows]
        usage: Any = body.get("usage") or {}
        tokens = int(usage.get("total_tokens", 0))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AnswerMalformed("The embeddings endpoint answered what is no list of vectors") from error
    if places != list(range(wanted)):
        raise AnswerMalformed(f"The embeddings endpoint answered {len(rows)} vectors for {wanted} texts")
    return Embedded([written(vector) for vector in vectors], max(0, tokens))


def written(vector: Any) -> str:
    """Raises AnswerMalformed unless it is a vector that can be compared."""
    if not isinstance(vector, list) or len(cast(list[Any], vector)) != DIMENSIONS:
        length = len(cast(list[Any], vector)) if isinstance(vector, list) else "no"
        raise AnswerMalformed(f"The embeddings endpoint answered a vector of {length} dimensions, not {DIMENSIONS}")
    numbers = cast(list[Any], vector)
    if not all(type(number) in (int, float) and isfinite(number) and abs(number) <= LARGEST for number in numbers):
        raise AnswerMalformed("The embeddings endpoint answered a vector that holds NaN, an infinity or no number")
    if not any(
        abs(number) > 1e-7 for number in numbers
    ):  # nothing is near to it, and half precision knows nothing less
        raise AnswerMalformed("The embeddings endpoint answered a vector of zeros")
    return f"[{','.join(map(repr, numbers))}]"
