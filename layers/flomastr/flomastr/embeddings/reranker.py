"""How well results answer a query, from any endpoint that speaks Cohere's and Jina's form, or that of TEI."""

import json
import time
from itertools import accumulate
from math import isfinite
from typing import Any, Protocol, cast

from flomastr.embeddings.client import (
    Endpoint,
    EndpointBusyError,
    EndpointError,
    EndpointRefusedError,
    MalformedAnswerError,
    ask,
)
from flomastr.errors import UnavailableError
from flomastr.observability import logger, metrics
from flomastr.settings import rerank_key, settings

NAME = "rerank"
MOST = 50  # results
SECONDS = 1.5  # of the request's time
RESERVE_SECONDS = 0.3  # of it, for the answer


class Row(Protocol):
    @property
    def chunk_text(self) -> str: ...


def is_there() -> bool:
    """Whether the deployment names an endpoint that reranks."""
    return bool(settings().rerank_url)


def reranked[Found: Row](
    query: str, found: list[Found], scores: list[float], deadline: float
) -> tuple[list[Found], list[float]] | None:
    """Results and their scores, the first of them by how well they answer. No score is more than a better result's.

    None: the endpoint does not answer as it should.
    """
    first = found[:MOST]
    if not first:
        return found, scores
    seconds = min(SECONDS, deadline - time.monotonic() - RESERVE_SECONDS)
    try:
        relevance = rerank(query, [row.chunk_text for row in first], seconds)
    except (EndpointError, UnavailableError) as error:
        logger.warning("Results are not reranked", reason=str(error))
        metrics.add_metric(name="RerankUnavailable", unit="Count", value=1)
        return None
    order = sorted(range(len(first)), key=lambda place: -relevance[place])
    scored = [round(relevance[place], 4) for place in order] + scores[MOST:]
    return [first[place] for place in order] + found[MOST:], list(accumulate(scored, min))


def rerank(query: str, texts: list[str], seconds: float) -> list[float]:
    """From 0 to 1, for each of the texts in their order, within so many seconds. Raises EndpointError.

    An endpoint with a model is asked as Cohere's and Jina's are, one without as TEI.
    """
    model = settings().rerank_model
    body = (
        {"model": model, "query": query, "documents": texts}
        if model
        else {"query": query, "texts": texts, "truncate": True}
    )
    status, _, answer = ask(body, seconds, Endpoint(NAME, settings().rerank_url, rerank_key()))
    if status == 200:
        return relevance(answer, len(texts))
    failure = EndpointBusyError if status in (408, 429) or status >= 500 else EndpointRefusedError
    raise failure(f"The {NAME} endpoint answered {status}")


def relevance(answer: bytes, wanted: int) -> list[float]:
    """The scores in an answer, in the order of the texts. Raises MalformedAnswerError."""
    try:
        body: Any = json.loads(answer)
        rows = cast(list[Any], body["results"] if isinstance(body, dict) else body)
        found = {row["index"]: float(row["relevance_score" if "relevance_score" in row else "score"]) for row in rows}
        scores = [found[index] for index in range(wanted)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MalformedAnswerError(f"The {NAME} endpoint answered what is no list of scores") from error
    if not all(map(isfinite, scores)):
        raise MalformedAnswerError(f"The {NAME} endpoint answered what is no number")
    return [min(1.0, max(0.0, score)) for score in scores]
