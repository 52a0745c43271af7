"""The work of `embed`: claims what a message names, asks the endpoint, stores what it answers, puts off what it cannot.

Each step is a transaction of its own and may be killed: rows wait for their vectors and are given them once, attempts
are counted before they are made, and what a run had claimed that died is due again when the run's time is over.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from pydantic import ValidationError

from flomastr import jobs
from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.embeddings import client
from flomastr.embeddings.client import EndpointBusyError, EndpointError, MalformedAnswerError, TextRefusedError
from flomastr.embeddings.queue import Task
from flomastr.errors import UnavailableError
from flomastr.observability import logger, metrics

MAX_ATTEMPTS = 12  # over eighty minutes
MAX_TEXTS = 96  # of one request to the endpoint
MAX_CHARACTERS = 200_000
ASK_SECONDS = 20.0  # what one request may take
STORE_SECONDS = 10.0  # what one transaction may take
STORE_ATTEMPTS = 3
NAMED = "%(tenant_id)s, %(document_id)s, %(embedding_model)s"

type Record = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A task that is this run's until a moment, by which the database knows it, and the message that told of it."""

    task: Task
    until: datetime
    is_first_attempt: bool
    message_id: str

    def params(self) -> dict[str, Any]:
        return self.task.model_dump() | {"claim": self.until}


@dataclass(frozen=True)
class Run:
    """Until when it works, and of whose passages it was told that they are no use, by claim."""

    deadline: float
    refused: dict[Claim, str] = field(default_factory=dict[Claim, str])


@dataclass(frozen=True)
class Piece:
    """A passage without a vector."""

    claim: Claim
    id: UUID
    chunk_index: int
    text: str


def work(records: Sequence[Record], seconds: float) -> list[str]:
    """Embeds what the records of a queue name. The ids of those to deliver again: nothing was written down of them."""
    run = Run(time.monotonic() + seconds - STORE_SECONDS)
    lost: set[str] = set()
    pieces: list[Piece] = []
    for record in records:
        with losing(lost, [record["messageId"]]):
            pieces += claimed(record, run.deadline)
    for _, some in groupby(sorted(pieces, key=whose), key=whose):
        for portion in batches(some):
            with losing(lost, [piece.claim.message_id for piece in portion]):
                embed(portion, run)
    for claim, message in run.refused.items():  # last, so that what there was no time for is tried by another run
        with losing(lost, [claim.message_id]):
            reschedule([claim], message, None, run.deadline)
    return [record["messageId"] for record in records if record["messageId"] in lost]


@contextmanager
def losing(lost: set[str], message_ids: Iterable[str]) -> Generator[None]:
    """What one record meets does not reach the others."""
    try:
        yield
    except (psycopg.Error, UnavailableError, ValidationError) as error:
        logger.error("Messages are left to be delivered again", reason=type(error).__name__)
        connection.discard()
        lost.update(message_ids)


def whose(piece: Piece) -> tuple[str, ...]:
    """A request to the endpoint carries one tenant's text, so that what it counts is that tenant's.

    A document that failed before is tried alone: else those that it was with would fail with it again.
    """
    task = piece.claim.task
    shared = (str(task.tenant_id), task.embedding_model)
    return shared if piece.claim.is_first_attempt else (*shared, str(task.document_id))


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """What one request takes. A text that stands in several passages is sent once."""
    portion: list[Piece] = []
    texts: set[str] = set()
    for piece in pieces:
        grown = texts | {piece.text}
        if portion and (len(grown) > MAX_TEXTS or sum(map(len, grown)) > MAX_CHARACTERS):
            yield portion
            portion, grown = [], {piece.text}
        portion.append(piece)
        texts = grown
    if portion:
        yield portion


def by_claim(pieces: Iterable[Piece]) -> dict[Claim, list[Piece]]:
    claims: dict[Claim, list[Piece]] = {}
    for piece in pieces:
        claims.setdefault(piece.claim, []).append(piece)
    return claims


@contextmanager
def transaction(deadline: float) -> Generator[Connection]:
    conn = connection.connection(deadline + STORE_SECONDS)
    jobs.set_timeouts(conn, min(deadline + STORE_SECONDS, time.monotonic() + STORE_SECONDS))
    with conn.transaction():
        yield conn


def claimed(record: Record, deadline: float) -> list[Piece]:
    task = Task.model_validate_json(record["body"])
    lease = timedelta(seconds=max(0.0, deadline - time.monotonic()) + 2 * STORE_SECONDS)
    with transaction(deadline) as conn:
        taken = conn.execute(
            "SELECT c.claimed_until, c.is_first_attempt FROM app.claim_embedding("
            + NAMED
            + ", %(lease)s, %(most)s) AS c",
            task.model_dump() | {"lease": lease, "most": MAX_ATTEMPTS},
        ).fetchall()
    claims = [Claim(task, until, is_first_attempt, record["messageId"]) for until, is_first_attempt in taken]
    return [piece for claim in claims for piece in pending(claim, deadline)]


def pending(claim: Claim, deadline: float) -> list[Piece]:
    with transaction(deadline) as conn:
        rows = conn.execute(
            "SELECT p.id, p.chunk_index, p.chunk_text FROM app.pending_chunks(" + NAMED + ") AS p", claim.params()
        ).fetchall()
    return [Piece(claim, *row) for row in rows]


def embed(pieces: Sequence[Piece], run: Run) -> None:
    """What the endpoint does not take, or answers wrongly, is parted until the passage at fault stands alone."""
    claims = by_claim(pieces)
    first = pieces[0].claim
    if time.monotonic() + ASK_SECONDS > run.deadline:
        release(claims, run.deadline)
        return
    texts = list(dict.fromkeys(piece.text for piece in pieces))
    try:
        answer = client.embed(texts, first.task.embedding_model, ASK_SECONDS)
    except (TextRefusedError, MalformedAnswerError) as error:
        if smaller := parts(pieces, error):
            for part in smaller:
                embed(part, run)
            return
        message = f"{error} for passage {pieces[0].chunk_index}" if len(pieces) == 1 else str(error)
        if isinstance(error, TextRefusedError):
            run.refused[first] = message
        else:
            reschedule(claims, message, timedelta(0), run.deadline)
    except EndpointError as error:
        wait = timedelta(seconds=error.wait_seconds if isinstance(error, EndpointBusyError) else 0)
        reschedule(claims, str(error), wait, run.deadline)
    else:
        store(claims, dict(zip(texts, answer.vectors, strict=True)), answer.tokens, run.deadline)


def parts(pieces: Sequence[Piece], error: EndpointError) -> list[Sequence[Piece]]:
    """A wrong answer may be the endpoint's own fault: documents are parted at once, and one only if it comes again."""
    claims = by_claim(pieces)
    if isinstance(error, MalformedAnswerError) and len(claims) > 1:
        return list(claims.values())
    if len(pieces) > 1 and (isinstance(error, TextRefusedError) or not pieces[0].claim.is_first_attempt):
        return [pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]]
    return []


def store(claims: Mapping[Claim, list[Piece]], vectors: Mapping[str, str], tokens: int, deadline: float) -> None:
    """First what it cost, then document by document, each as often as it takes: the vectors are paid."""
    task = next(iter(claims)).task
    with transaction(deadline) as conn:
        meter = "SELECT app.meter(%s, %s, %s, %s)"
        conn.execute(meter, (task.tenant_id, task.embedding_model, len(vectors), tokens))
    metrics.add_metric(name="EmbeddingTokens", unit="Count", value=tokens)
    for claim, pieces in claims.items():
        store_of(claim, pieces, vectors, deadline)
        metrics.add_metric(name="ChunksEmbedded", unit="Count", value=len(pieces))


def store_of(claim: Claim, pieces: Sequence[Piece], vectors: Mapping[str, str], deadline: float) -> None:
    own = {"ids": [piece.id for piece in pieces], "vectors": [vectors[piece.text] for piece in pieces]}
    for attempt in range(1, STORE_ATTEMPTS + 1):
        try:
            with transaction(deadline) as conn:
                conn.execute("SELECT app.store_vectors(" + NAMED + ", %(ids)s, %(vectors)s)", claim.params() | own)
        except (DeadlockDetected, LockNotAvailable):  # whoever writes the document has it
            if attempt == STORE_ATTEMPTS:
                raise
        else:
            return


def reschedule(claims: Iterable[Claim], message: str, wait: timedelta | None, deadline: float) -> None:
    """Until later, or for good where no wait helps or there were attempts enough. Then it is among the dead letters."""
    logger.warning("Embedding is put off", reason=message)
    for claim in claims:
        with transaction(deadline) as conn:
            row = conn.execute(
                "SELECT app.reschedule_embedding(" + NAMED + ", %(claim)s, %(told)s, %(wait)s, %(most)s)",
                claim.params() | {"told": message, "wait": wait, "most": MAX_ATTEMPTS},
            ).fetchone()
        metrics.add_metric(name="EmbeddingsFailed", unit="Count", value=int(row == ("failed",)))


def release(claims: Iterable[Claim], deadline: float) -> None:
    """There is no time left: `requeue` sends them again."""
    for claim in claims:
        with transaction(deadline) as conn:
            conn.execute("SELECT app.release_embedding(" + NAMED + ", %(claim)s)", claim.params())
