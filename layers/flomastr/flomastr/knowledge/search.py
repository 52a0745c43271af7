"""Search over a tenant's knowledge, by meaning, words, or both. app.find_passages ranks; the scores are made here."""

import time
from collections.abc import Iterable
from itertools import accumulate, islice
from typing import Annotated, Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.embeddings import client
from flomastr.embeddings.client import EndpointError, TextRefusedError
from flomastr.embeddings.vectors import HalfVector
from flomastr.errors import ErrorCode, ServiceError, UnavailableError, UnprocessableError
from flomastr.http.fields import Body, DocumentName, JsonInteger, JsonObject, at_most
from flomastr.http.paging import fitting
from flomastr.http.patterns import VISIBLE
from flomastr.knowledge.words import positions
from flomastr.observability import logger, metrics
from flomastr.settings import embedding_models
from flomastr.tenancy.tenants import Fraction

EMBED_SECONDS = 2.5  # of the request's time, for all models together
MAX_FILTER = 1000  # bytes; `@>` compares lists each with each, and Postgres cannot stop it between
MAX_HIGHLIGHTS = 100  # of one passage

# written out, since prefixItems says too little to most tools
RANGE = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}

type SearchMode = Literal["hybrid", "vector", "text"]


class SearchFilter(Body):
    """`metadata` is part of that of the passage, which has its document's."""

    document_name: DocumentName | None = None
    metadata: Annotated[JsonObject, at_most(MAX_FILTER)] | None = None


class SearchRequest(Body):
    query: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=VISIBLE)]
    knowledge_base_id: UUID | None = None
    k: Annotated[int, Field(ge=1, le=100), JsonInteger] = 10
    mode: SearchMode = "hybrid"
    min_score: Fraction | None = Field(default=None, description="Else the tenant's confidence_threshold.")
    filter: SearchFilter = Field(default=SearchFilter())


class Copy(BaseModel):
    """Another passage of the same text."""

    knowledge_base_id: UUID
    document_name: str
    chunk_index: int


class Passage(BaseModel):
    knowledge_base_id: UUID
    document_name: str
    title: str | None
    chunk_index: int
    chunk_text: str
    chunk_metadata: dict[str, Any]
    start: int
    end: int
    copies: Annotated[list[Copy], BeforeValidator(lambda copies: copies or [])]


class SearchResult(Passage):
    """A passage: `content[start:end]` of its document.

    `score` lies between 0 and 1, and is never more than that of a better result. `confident` says that it reaches
    `min_score`. `highlights` are ranges in `chunk_text` where words of the query stand; a search by vectors alone looks
    for none. `copies` are other passages of the same text, at most 100.
    """

    score: float
    confident: bool
    highlights: list[Annotated[tuple[int, int], WithJsonSchema(RANGE)]]


class SearchAnswer(BaseModel):
    """The best first. `escalate` says that no result is confident."""

    results: list[SearchResult]
    escalate: bool


class SearchedBy(BaseModel):
    embedding_model: str


class Found(Passage):
    similarity: float | None  # cosine; None: it has no vector yet, or the mode is text
    coverage: float | None  # share of the query's words that it has, weighted by rarity; None: the query has none
    words: list[str]
    confidence_threshold: float

    def score(self, mode: SearchMode) -> float:
        """From 0 to 1: by vector the cosine, by text the share of words, by both the larger."""
        similarity, coverage = max(0.0, self.similarity or 0.0), self.coverage or 0.0
        score = {"vector": similarity, "text": coverage, "hybrid": max(similarity, coverage)}[mode]
        return round(min(1.0, score), 4)

    def highlights(self) -> list[tuple[int, int]]:
        return list(islice(positions(self.chunk_text, set(self.words)), MAX_HIGHLIGHTS))


def search(db: Database, asked: SearchRequest) -> SearchAnswer:
    """One round trip for words. For vectors two: whoever asks is admitted and counted before a vector is paid for.

    Raises ConflictError if a base's model is not available, UnavailableError if the endpoint gives no vector in time.
    """
    vectors: dict[str, HalfVector] = {}
    if asked.mode != "text":
        vectors = query_vectors(asked.query, [row.embedding_model for row in db.all(searched_by(asked))])
        db = db.counted
    found = db.all(search_query(asked, vectors))
    scores = accumulate((row.score(asked.mode) for row in found), min)
    results = [result(row, score, asked) for row, score in zip(found, scores, strict=True)]
    results = results[: fitting(results)]
    return SearchAnswer(results=results, escalate=not any(result.confident for result in results))


def searched_by(asked: SearchRequest) -> Query[SearchedBy]:
    """The models of the bases that are searched."""
    return Query(
        """
        SELECT DISTINCT m.embedding_model FROM app.knowledge_base_models AS m
        WHERE m.is_active AND (%(base)s::uuid IS NULL OR m.knowledge_base_id = %(base)s)
        """,
        {"base": asked.knowledge_base_id},
        SearchedBy,
    )


def query_vectors(query: str, models: Iterable[str]) -> dict[str, HalfVector]:
    """The query's vector by each model that the bases are searched by: usually one. Raises ServiceError."""
    available = [model for model in models if model in embedding_models()]
    deadline = time.monotonic() + EMBED_SECONDS
    try:
        answers = {model: client.embed([query], model, deadline - time.monotonic()) for model in available}
    except EndpointError as error:
        raise failure(error) from error
    metrics.add_metric(name="QueryTokens", unit="Count", value=sum(answer.tokens for answer in answers.values()))
    return {model: answer.vectors[0] for model, answer in answers.items()}


def failure(error: EndpointError) -> ServiceError:
    if isinstance(error, TextRefusedError):
        return UnprocessableError(
            "body.query: the embeddings endpoint does not take this text", ErrorCode.QUERY_REFUSED
        )
    logger.error("No vector of a query", reason=str(error))
    metrics.add_metric(name="EmbeddingsUnavailable", unit="Count", value=1)
    return UnavailableError(f"{error}. Repeat the search, or search with mode text.", ErrorCode.EMBEDDINGS_UNAVAILABLE)


def search_query(asked: SearchRequest, vectors: dict[str, HalfVector]) -> Query[Found]:
    return Query(
        """
        SELECT s.*, s.chunk_start AS start, s.chunk_end AS end
        FROM app.find_passages(
          %(query)s, %(mode)s, %(k)s, %(base)s, %(document)s, %(metadata)s, %(models)s, %(vectors)s
        ) AS s
        """,
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


def result(row: Found, score: float, asked: SearchRequest) -> SearchResult:
    needed = row.confidence_threshold if asked.min_score is None else asked.min_score
    passage = {name: getattr(row, name) for name in Passage.model_fields}
    return SearchResult(**passage, score=score, confident=score >= needed, highlights=row.highlights())
