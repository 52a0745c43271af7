"""Search over a tenant's knowledge, by meaning, words, or both. app.find_passages ranks; the scores are made here."""

import time
from collections.abc import Sequence
from itertools import accumulate, islice
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.embeddings import client, reranker
from flomastr.embeddings.client import EndpointError, TextRefusedError
from flomastr.embeddings.vectors import HalfVector
from flomastr.errors import ErrorCode, ServiceError, UnavailableError, UnprocessableError
from flomastr.http.fields import Body, DocumentName, Flag, JsonInteger
from flomastr.http.paging import fitting
from flomastr.http.patterns import VISIBLE
from flomastr.knowledge import filters
from flomastr.knowledge.contexts import Context, place_texts
from flomastr.knowledge.filters import MetadataFilter
from flomastr.knowledge.words import positions
from flomastr.observability import logger, metrics
from flomastr.settings import embedding_models
from flomastr.tenancy.tenants import Fraction

EMBED_SECONDS = 2.5  # of the request's time, for all models together
MAX_HIGHLIGHTS = 100  # of one passage

# written out, since prefixItems says too little to most tools
RANGE = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}

type SearchMode = Literal["hybrid", "vector", "text"]

MAX_NAMED = 100  # bases or documents
Names = Annotated[list[DocumentName], Field(min_length=1, max_length=MAX_NAMED)]


def named[Name](one: Name | None, several: list[Name] | None) -> list[Name] | None:
    """Those that a request names. None: it names none, and is about all."""
    return [*([] if one is None else [one]), *(several or [])] or None


class SearchFilter(Body):
    """Of one of these documents, with such `metadata`: those of the passage, which has its document's.

    A plain value is contained; `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin` compare it, or each element of
    a list, with values of its own kind. `$ne` and `$nin` take what has no such key; `$exists` asks for it.
    """

    document_name: DocumentName | None = None
    document_names: Names | None = None
    metadata: MetadataFilter | None = None

    @property
    def documents(self) -> list[str] | None:
        return named(self.document_name, self.document_names)


QueryText = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=VISIBLE)]


class SearchRequest(Body):
    """In all knowledge bases, or in those of `knowledge_base_id` and `knowledge_base_ids`."""

    query: QueryText
    knowledge_base_id: UUID | None = None
    knowledge_base_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_NAMED)] | None = None
    k: Annotated[int, Field(ge=1, le=100), JsonInteger] = 10
    mode: SearchMode = "hybrid"
    min_score: Fraction | None = Field(default=None, description="Else the tenant's confidence_threshold.")
    filter: SearchFilter = Field(default=SearchFilter())
    context: Annotated[int, Field(ge=0, le=5, description="So many passages before and after each."), JsonInteger] = 0

    rerank: Annotated[Flag, Field(description="By the endpoint that reranks, where there is one.")] = True

    @property
    def bases(self) -> list[UUID] | None:
        return named(self.knowledge_base_id, self.knowledge_base_ids)


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
    for none. `copies` are other passages of the same text, at most 100. `context` is what stands around it, if the
    request asks for any; those that overlap or touch are one.
    """

    score: float
    confident: bool
    highlights: list[Annotated[tuple[int, int], WithJsonSchema(RANGE)]]
    context: Context | None


class SearchAnswer(BaseModel):
    """The best first. `escalate` says that no result is confident.

    `reranked` says that order and scores are those of the endpoint that reranks. `notes` has `rerank_unavailable` where
    that did not answer in time: the order is then the search's own.
    """

    results: list[SearchResult]
    escalate: bool
    reranked: bool = False
    notes: list[Literal["rerank_unavailable"]] = []


class SearchedBy(BaseModel):
    embedding_model: str


class Scored(BaseModel):
    similarity: float | None  # cosine; None: it has no vector yet, or the mode is text
    coverage: float | None  # share of the query's words that it has, weighted by rarity; None: the query has none

    def score(self, mode: SearchMode) -> float:
        """From 0 to 1: by vector the cosine, by text the share of words, by both the larger."""
        similarity, coverage = max(0.0, self.similarity or 0.0), self.coverage or 0.0
        score = {"vector": similarity, "text": coverage, "hybrid": max(similarity, coverage)}[mode]
        return round(min(1.0, score), 4)


class Found(Scored, Passage):
    words: list[str]
    confidence_threshold: float
    context: Context | None

    def highlights(self) -> list[tuple[int, int]]:
        return list(islice(positions(self.chunk_text, set(self.words)), MAX_HIGHLIGHTS))


def search(db: Database, asked: SearchRequest) -> SearchAnswer:
    """One round trip for words. For vectors two: whoever asks is admitted and counted before a vector is paid for.

    Raises ConflictError if a base's model is not available, UnavailableError if the endpoint gives no vector in time.
    """
    vectors: dict[str, HalfVector] = {}
    if asked.mode != "text":
        (vectors,) = query_vectors([asked.query], db.all(searched_by(asked.bases)))
        db = db.counted
    wanted = asked.rerank and reranker.is_there()
    found = db.all(search_query(asked, vectors, max(asked.k, reranker.MOST) if wanted else asked.k))
    own = scores(found, asked.mode)
    ranked = reranker.reranked(asked.query, found, own, db.deadline) if wanted else None
    order, scored = ranked or (found, own)
    place_texts(order)
    results = [result(row, score, asked) for row, score in zip(order[: asked.k], scored, strict=False)]
    results = results[: fitting(results)]
    return SearchAnswer(
        results=results,
        escalate=not any(result.confident for result in results),
        reranked=bool(ranked),
        notes=["rerank_unavailable"] if wanted and not ranked else [],
    )


def scores(found: Sequence[Scored], mode: SearchMode) -> list[float]:
    """Of results in their order: none is more than that of a better one."""
    return list(accumulate((row.score(mode) for row in found), min))


def searched_by(bases: list[UUID] | None) -> Query[SearchedBy]:
    """The models of the bases that are searched."""
    return Query(
        """
        SELECT DISTINCT m.embedding_model FROM app.knowledge_base_models AS m
        WHERE m.is_active AND (%(bases)s::uuid[] IS NULL OR m.knowledge_base_id = ANY (%(bases)s))
        """,
        {"bases": bases},
        SearchedBy,
    )


def query_vectors(queries: list[str], searched: list[SearchedBy]) -> list[dict[str, HalfVector]]:
    """The vectors of each query by each model that bases are searched by: usually one. Raises ServiceError."""
    available = [row.embedding_model for row in searched if row.embedding_model in embedding_models()]
    deadline = time.monotonic() + EMBED_SECONDS
    try:
        answers = {model: client.embed(queries, model, deadline - time.monotonic()) for model in available}
    except EndpointError as error:
        raise failure(error) from error
    metrics.add_metric(name="QueryTokens", unit="Count", value=sum(answer.tokens for answer in answers.values()))
    return [{model: answer.vectors[n] for model, answer in answers.items()} for n in range(len(queries))]


def failure(error: EndpointError) -> ServiceError:
    if isinstance(error, TextRefusedError):
        return UnprocessableError(
            "body.query: the embeddings endpoint does not take this text", ErrorCode.QUERY_REFUSED
        )
    logger.error("No vector of a query", reason=str(error))
    metrics.add_metric(name="EmbeddingsUnavailable", unit="Count", value=1)
    return UnavailableError(f"{error}. Repeat the search, or search with mode text.", ErrorCode.EMBEDDINGS_UNAVAILABLE)


def search_query(asked: SearchRequest, vectors: dict[str, HalfVector], most: int | None = None) -> Query[Found]:
    return Query(
        """
        SELECT s.*, s.chunk_start AS start, s.chunk_end AS end
        FROM app.find_passages(
          %(query)s, %(mode)s, %(k)s, %(bases)s,
          ROW(%(documents)s::text[], %(contained)s::jsonb, %(condition)s::jsonpath)::app.passage_filter,
          %(around)s, true, %(models)s, %(vectors)s
        ) AS s
        """,
        filters.params(asked.filter.metadata)
        | {
            "query": asked.query,
            "mode": asked.mode,
            "k": most or asked.k,
            "bases": asked.bases,
            "documents": asked.filter.documents,
            "around": asked.context,
            "models": list(vectors),
            "vectors": list(vectors.values()),
        },
        Found,
    )


def result(row: Found, score: float, asked: SearchRequest) -> SearchResult:
    needed = row.confidence_threshold if asked.min_score is None else asked.min_score
    passage = {name: getattr(row, name) for name in Passage.model_fields}
    return SearchResult(
        **passage, score=score, confident=score >= needed, highlights=row.highlights(), context=row.context
    )
