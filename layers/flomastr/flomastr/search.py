"""Search over a tenant's knowledge, by meaning, by words, or by both. app.search ranks; what a hit is worth is here."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints

from flomastr import embedder
from flomastr.database import Database
from flomastr.embedder import AnswerMalformed, EndpointBusy, EndpointRefuses, TextRefused
from flomastr.errors import Unavailable, Unprocessable
from flomastr.fields import A_NUMBER, NO_NUL, VISIBLE, Body, JsonObject
from flomastr.flight import Query
from flomastr.observability import logger, metrics
from flomastr.settings import embedding_models
from flomastr.tenants import Share

EMBED_SECONDS = 2.5  # of the request's time

type SearchMode = Literal["hybrid", "vector", "text"]


class SearchFilter(Body):
    """`metadata` is part of that of the passage, which has its document's."""

    document_name: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_NUL)] | None = None
    metadata: JsonObject | None = None


class SearchRequest(Body):
    query: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=VISIBLE)]
    knowledge_base_id: UUID | None = None
    k: Annotated[int, Field(ge=1, le=100), A_NUMBER] = 10
    mode: SearchMode = "hybrid"
    min_score: Share | None = Field(default=None, description="Else the tenant's confidence_threshold.")
    filter: SearchFilter = Field(default=SearchFilter())


class SearchResult(BaseModel):
    """A passage: `content[start:end]` of its document.

    `score` lies between 0 and 1. `confident` says that it reaches `min_score`. `highlights` are ranges in `chunk_text`
    where words of the query stand; a search by vectors alone looks for none.
    """

    knowledge_base_id: UUID
    document_name: str
    title: str | None
    chunk_index: int
    chunk_text: str
    chunk_metadata: dict[str, Any]
    start: int
    end: int
    score: float
    confident: bool
    highlights: list[tuple[int, int]]


class SearchAnswer(BaseModel):
    """The best first. `escalate` says that no result is confident."""

    results: list[SearchResult]
    escalate: bool


class Found(BaseModel):
    knowledge_base_id: UUID
    document_name: str
    title: str | None
    chunk_index: int
    chunk_text: str
    chunk_metadata: dict[str, Any]
    chunk_start: int
    chunk_end: int
    similarity: float | None  # cosine; None: it has no vector yet, or none was asked for
    coverage: float | None  # how much of the query's words, weighed by how rare they are, it has; None: there are none
    words: list[str]
    confidence_threshold: float

    def score(self, mode: SearchMode) -> float:
        """Of vectors the cosine, of words their share, of both the larger: whichever way, 1 is all that can be."""
        similarity, coverage = max(0.0, self.similarity or 0.0), self.coverage or 0.0
        worth = {"vector": similarity, "text": coverage, "hybrid": max(similarity, coverage)}[mode]
        return round(min(1.0, worth), 4)

    def highlights(self) -> list[tuple[int, int]]:
        if not self.words:
            return []
        words = "|".join(re.escape(word) for word in self.words)
        return [
            found.span() for found in re.finditer(rf"(?<![^\W_])(?:{words})(?![^\W_])", self.chunk_text, re.IGNORECASE)
        ]


def search(db: Database, asked: SearchRequest) -> SearchAnswer:
    vectors = {} if asked.mode == "text" else query_vectors(asked.query)
    found = db.all(best(asked, vectors))
    results = [result(row, asked) for row in found]
    return SearchAnswer(results=results, escalate=not any(result.confident for result in results))


def query_vectors(query: str) -> dict[str, str]:
    """By every model that is available: a base may be searched by any of them. Usually there is one."""
    try:
        answers = {model: embedder.embed([query], model, EMBED_SECONDS) for model in embedding_models()}
    except TextRefused as error:
        raise Unprocessable("body.query: the embeddings endpoint does not take this text", "query_refused") from error
    except (EndpointBusy, EndpointRefuses, AnswerMalformed) as error:
        logger.error("No vector of a query", reason=str(error))
        metrics.add_metric(name="EmbeddingsUnavailable", unit="Count", value=1)
        told = f"{error}. Repeat the search, or search with mode text."
        raise Unavailable(told, "embeddings_unavailable") from error
    metrics.add_metric(name="QueryTokens", unit="Count", value=sum(answer.tokens for answer in answers.values()))
    return {model: answer.vectors[0] for model, answer in answers.items()}


def best(asked: SearchRequest, vectors: dict[str, str]) -> Query[Found]:
    return Query(
        "SELECT s.* FROM app.search("
        "  %(query)s, %(mode)s, %(k)s, %(base)s, %(document)s, %(metadata)s, %(models)s, %(vectors)s) AS s",
        {
            "query": asked.query,
            "mode": asked.mode,
            "k": asked.k,
            "base": asked.knowledge_base_id,
            "document": asked.filter.document_name,
            "metadata": Jsonb(asked.filter.metadata) if asked.filter.metadata else None,
            "models": list(vectors),
            "vectors": list(vectors.values()),
        },
        Found,
    )


def result(row: Found, asked: SearchRequest) -> SearchResult:
    score = row.score(asked.mode)
    needed = row.confidence_threshold if asked.min_score is None else asked.min_score
    return SearchResult(
        **row.model_dump(
            exclude={"chunk_start", "chunk_end", "similarity", "coverage", "words", "confidence_threshold"}
        ),
        start=row.chunk_start,
        end=row.chunk_end,
        score=score,
        confident=score >= needed,
        highlights=row.highlights(),
    )
