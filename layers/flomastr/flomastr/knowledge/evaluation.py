"""How well search answers questions whose answers are known, and from which score on it can be relied on."""

import time
from itertools import batched
from math import log2
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.embeddings.vectors import HalfVector
from flomastr.errors import NotFoundError, UnprocessableError
from flomastr.http.fields import Body, DocumentName, JsonInteger
from flomastr.knowledge.search import Copy, QueryText, Scored, SearchMode, query_vectors, scores, searched_by

DEPTH = 10  # results that are looked at
WEIGHT = 10  # of one search, as of a request
AT_ONCE = 10  # questions of a round trip
MAX_QUESTIONS = 200

MODES: list[SearchMode] = ["hybrid", "vector", "text"]

type Rank = int | None  # from 1; None: it is not among the first ten


class Expected(Body):
    """A document, or one passage of it, that answers a question."""

    document_name: DocumentName
    knowledge_base_id: UUID | None = None
    chunk_index: Annotated[int, Field(ge=0, le=1_000_000), JsonInteger] | None = None


class Question(Body):
    query: QueryText
    expected: Annotated[list[Expected], Field(min_length=1, max_length=20)]


Questions = Annotated[list[Question], Field(min_length=1, max_length=MAX_QUESTIONS)]


class Asking(BaseModel):
    """Where and how questions are asked: in all bases and modes, or in one."""

    knowledge_base_id: UUID | None = None
    mode: SearchMode | None = None
    precision: Annotated[float, Field(gt=0, le=1, description="The wished one, from which `min_score` follows.")] = 0.9

    @property
    def bases(self) -> list[UUID] | None:
        return self.knowledge_base_id and [self.knowledge_base_id]

    @property
    def modes(self) -> list[SearchMode]:
        return [self.mode] if self.mode else MODES


class ModeEvaluation(BaseModel):
    """Shares of the questions, and means over them.

    A result is right if it is of what was expected, or a copy of that. `min_score` is the lowest with which first
    results that reach it are right in `precision` of the cases, the wished share or more; `answered` is how many reach
    it. They are null where no score does. `ranks` are those of the first right results, in the order of the questions.
    """

    success_at_1: float
    success_at_5: float
    success_at_10: float
    ndcg_at_10: float
    mrr: float
    min_score: float | None
    precision: float | None
    answered: float | None
    ranks: list[Rank]


class Evaluation(BaseModel):
    questions: int
    modes: dict[SearchMode, ModeEvaluation]


class Ranked(Scored):
    mode: SearchMode
    knowledge_base_id: UUID
    document_name: str
    chunk_index: int
    copies: Annotated[list[Copy], BeforeValidator(lambda copies: copies or [])]

    def answers(self, expected: Expected) -> bool:
        return any(
            place.document_name == expected.document_name
            and expected.knowledge_base_id in (None, place.knowledge_base_id)
            and expected.chunk_index in (None, place.chunk_index)
            for place in (self, *self.copies)
        )


class Judged(BaseModel):
    """The results of one question: which of them are right, and the score of the first, 0 without any."""

    rank: Rank
    gain: float
    score: float

    @classmethod
    def of(cls, question: Question, found: list[Ranked], mode: SearchMode) -> Self:
        missing, gain, first = list(question.expected), 0.0, None
        for rank, row in enumerate(found, 1):
            right = [expected for expected in missing if row.answers(expected)]
            first = first or (rank if right else None)
            gain += 1 / log2(rank + 1) if right else 0
            missing = [expected for expected in missing if expected not in right]
        ideal = sum(1 / log2(rank + 1) for rank in range(1, min(DEPTH, len(question.expected)) + 1))
        return cls(rank=first, gain=min(1, gain / ideal), score=scores(found[:1], mode)[0] if found else 0)


def evaluate(db: Database, questions: list[Question], asking: Asking) -> Evaluation:
    """Searches for each question in each mode, as the tenant's users would. Weighs what these searches weigh.

    Raises what a search raises, and UnprocessableError where there are more questions than a request has time for.
    """
    models = db.heavier(WEIGHT * len(questions) * len(asking.modes)).all(searched_by(asking.bases))
    if asking.bases and not models:
        raise NotFoundError("query.knowledge_base_id: there is no such knowledge base.")
    vectors = query_vectors([question.query for question in questions], [] if asking.mode == "text" else models)
    queries = [ranking(question.query, of, asking) for question, of in zip(questions, vectors, strict=True)]
    found = searched(db.counted, queries)
    return Evaluation(
        questions=len(questions),
        modes={mode: measured(questions, found, mode, asking.precision) for mode in asking.modes},
    )


def searched(db: Database, queries: list[Query[Ranked]]) -> list[list[Ranked]]:
    """The results of each question in all modes, some questions in each round trip. Raises UnprocessableError."""
    found: list[list[Ranked]] = []
    longest = 0.0
    for batch in batched(queries, AT_ONCE, strict=False):
        began = time.monotonic()
        if seconds_left(db) < 2 * longest:
            raise UnprocessableError(
                f"body: to search for {len(found)} questions took the time of a request. "
                "Send fewer at once, or evaluate one mode at a time."
            )
        found += db.several(*batch)
        longest = max(longest, time.monotonic() - began)
    return found


def seconds_left(db: Database) -> float:
    return db.deadline - time.monotonic()


def ranking(query: str, vectors: dict[str, HalfVector], asking: Asking) -> Query[Ranked]:
    return Query(
        """
        SELECT m.mode, s.knowledge_base_id, s.document_name, s.chunk_index, s.copies, s.similarity, s.coverage
        FROM unnest(%(modes)s::text[]) AS m (mode)
        CROSS JOIN LATERAL app.find_passages(
          %(query)s, m.mode, %(depth)s, %(bases)s, NULL, 0, false, %(models)s, %(vectors)s
        ) WITH ORDINALITY AS s
        ORDER BY m.mode, s.ordinality
        """,
        {
            "query": query,
            "modes": asking.modes,
            "depth": DEPTH,
            "bases": asking.bases,
            "models": list(vectors),
            "vectors": list(vectors.values()),
        },
        Ranked,
    )


def measured(
    questions: list[Question], found: list[list[Ranked]], mode: SearchMode, precision: float
) -> ModeEvaluation:
    judged = [
        Judged.of(question, [row for row in rows if row.mode == mode], mode)
        for question, rows in zip(questions, found, strict=True)
    ]
    ranks = [one.rank for one in judged]
    reached = threshold(judged, precision)
    return ModeEvaluation(
        success_at_1=share(ranks, 1),
        success_at_5=share(ranks, 5),
        success_at_10=share(ranks, 10),
        ndcg_at_10=round(sum(one.gain for one in judged) / len(judged), 4),
        mrr=round(sum(1 / rank for rank in ranks if rank) / len(ranks), 4),
        min_score=reached and reached[0],
        precision=reached and reached[1],
        answered=reached and reached[2],
        ranks=ranks,
    )


def share(ranks: list[Rank], within: int) -> float:
    return round(sum(1 for rank in ranks if rank and rank <= within) / len(ranks), 4)


def threshold(judged: list[Judged], precision: float) -> tuple[float, float, float] | None:
    """The lowest score that is precise enough, how precise it is, and the share of questions that reach it."""
    for score in sorted({one.score for one in judged if one.score}):
        reaching = [one for one in judged if one.score >= score]
        right = sum(one.rank == 1 for one in reaching) / len(reaching)
        if right >= precision:
            return score, round(right, 4), round(len(reaching) / len(judged), 4)
    return None
