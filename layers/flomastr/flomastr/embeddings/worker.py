"""The work of `embed`: claims the task of a message, asks the endpoint for vectors, stores them, reschedules failures.

Each step is a transaction of its own and may be killed: a row gets its vector once, attempts are counted before they
are made, and the claims of a run that died are due again when its time is over.
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
from flomastr.embeddings.vectors import HalfVector
from flomastr.errors import UnavailableError
from flomastr.observability import logger, metrics

MAX_ATTEMPTS = 12  # over eighty minutes
MAX_TEXTS = 96  # of one request to the endpoint
MAX_CHARACTERS = 200_000
ASK_SECONDS = 20.0  # what one request may take
STORE_SECONDS = 10.0  # what one transaction may take
STORE_ATTEMPTS = 3
TASK = "%(tenant_id)s, %(document_id)s, %(embedding_model)s"

type Record = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A task that this run holds until a moment, which identifies the claim, and the message that named it."""

    task: Task
    until: datetime
    is_first_attempt: bool
    message_id: str

    def params(self) -> dict[str, Any]:
        return self.task.model_dump() | {"claim": self.until}


@dataclass(frozen=True)
class Run:
    """The time at which it ends, and why the endpoint refused a passage, by claim."""

    deadline: float
    refused: dict[Claim, str] = field(default_factory=dict[Claim, str])


@dataclass(frozen=True)
class Passage:
    """A passage without a vector."""

    claim: Claim
    id: UUID
    chunk_index: int
    text: str


def work(records: Sequence[Record], seconds: float) -> list[str]:
    """Embeds the tasks that SQS records name. Returns ids of the messages to deliver again: they changed nothing."""
    run = Run(time.monotonic() + seconds - STORE_SECONDS)
    lost: set[str] = set()
    passages: list[Passage] = []
    for record in records:
        with redelivering(lost, [record["messageId"]]):
            passages += claimed(record, run.deadline)
    for _, group in groupby(sorted(passages, key=batch_key), key=batch_key):
        for batch in batches(group):
            with redelivering(lost, [passage.claim.message_id for passage in batch]):
                embed(batch, run)
    for claim, message in run.refused.items():  # last, so that what there was no time for is tried by another run
        with redelivering(lost, [claim.message_id]):
            reschedule([claim], message, None, run.deadline)
    return [record["messageId"] for record in records if record["messageId"] in lost]


@contextmanager
def redelivering(lost: set[str], message_ids: Iterable[str]) -> Generator[None]:
    """A failure of one record does not affect the others: its message is delivered again."""
    try:
        yield
    except (psycopg.Error, UnavailableError, ValidationError) as error:
        logger.error("Messages will be delivered again", reason=type(error).__name__)
        connection.discard()
        lost.update(message_ids)


def batch_key(passage: Passage) -> tuple[str, ...]:
    """A request to the endpoint carries one tenant's text, so that what it counts is that tenant's.

    A document that failed before is tried alone: else those that it was with would fail with it again.
    """
    task = passage.claim.task
    shared = (str(task.tenant_id), task.embedding_model)
    return shared if passage.claim.is_first_attempt else (*shared, str(task.document_id))


def batches(passages: Iterable[Passage]) -> Iterator[list[Passage]]:
    """The passages of each request. A text that several passages share is sent once."""
    batch: list[Passage] = []
    texts: set[str] = set()
    for passage in passages:
        grown = texts | {passage.text}
        if batch and (len(grown) > MAX_TEXTS or sum(map(len, grown)) > MAX_CHARACTERS):
            yield batch
            batch, grown = [], {passage.text}
        batch.append(passage)
        texts = grown
    if batch:
        yield batch


def by_claim(passages: Iterable[Passage]) -> dict[Claim, list[Passage]]:
    claims: dict[Claim, list[Passage]] = {}
    for passage in passages:
        claims.setdefault(passage.claim, []).append(passage)
    return claims


@contextmanager
def transaction(deadline: float) -> Generator[Connection]:
    conn = connection.connection(deadline + STORE_SECONDS)
    jobs.set_timeouts(conn, min(deadline + STORE_SECONDS, time.monotonic() + STORE_SECONDS))
    with conn.transaction():
        yield conn


def claimed(record: Record, deadline: float) -> list[Passage]:
    task = Task.model_validate_json(record["body"])
    lease = timedelta(seconds=max(0.0, deadline - time.monotonic()) + 2 * STORE_SECONDS)
    with transaction(deadline) as conn:
        taken = conn.execute(
            f"""
            SELECT c.claimed_until, c.is_first_attempt
            FROM app.claim_embedding({TASK}, %(lease)s, %(most)s) AS c
            """,
            task.model_dump() | {"lease": lease, "most": MAX_ATTEMPTS},
        ).fetchall()
    claims = [Claim(task, until, is_first_attempt, record["messageId"]) for until, is_first_attempt in taken]
    return [passage for claim in claims for passage in pending(claim, deadline)]


def pending(claim: Claim, deadline: float) -> list[Passage]:
    with transaction(deadline) as conn:
        rows = conn.execute(
            f"SELECT p.id, p.chunk_index, p.chunk_text FROM app.pending_chunks({TASK}) AS p", claim.params()
        ).fetchall()
    return [Passage(claim, *row) for row in rows]


def embed(passages: Sequence[Passage], run: Run) -> None:
    """Stores vectors of the passages. If the endpoint refuses them, they are split until the bad one is alone."""
    claims = by_claim(passages)
    first = passages[0].claim
    if time.monotonic() + ASK_SECONDS > run.deadline:
        release(claims, run.deadline)
        return
    texts = list(dict.fromkeys(passage.text for passage in passages))
    try:
        answer = client.embed(texts, first.task.embedding_model, ASK_SECONDS)
    except (TextRefusedError, MalformedAnswerError) as error:
        if smaller := split(passages, error):
            for part in smaller:
                embed(part, run)
            return
        message = f"{error} for passage {passages[0].chunk_index}" if len(passages) == 1 else str(error)
        if isinstance(error, TextRefusedError):
            run.refused[first] = message
        else:
            reschedule(claims, message, timedelta(0), run.deadline)
    except EndpointError as error:
        wait = timedelta(seconds=error.wait_seconds if isinstance(error, EndpointBusyError) else 0)
        reschedule(claims, str(error), wait, run.deadline)
    else:
        store(claims, dict(zip(texts, answer.vectors, strict=True)), answer.tokens, run.deadline)


def split(passages: Sequence[Passage], error: EndpointError) -> list[Sequence[Passage]]:
    """A malformed answer may be the endpoint's fault: documents are split at once, a single one only on a retry."""
    claims = by_claim(passages)
    if isinstance(error, MalformedAnswerError) and len(claims) > 1:
        return list(claims.values())
    if len(passages) > 1 and (isinstance(error, TextRefusedError) or not passages[0].claim.is_first_attempt):
        return [passages[: len(passages) // 2], passages[len(passages) // 2 :]]
    return []


def store(
    claims: Mapping[Claim, list[Passage]], vectors: Mapping[str, HalfVector], tokens: int, deadline: float
) -> None:
    """Stores the usage, then the vectors document by document, with retries: they are paid for."""
    task = next(iter(claims)).task
    with transaction(deadline) as conn:
        meter = "SELECT app.meter(%s, %s, %s, %s)"
        conn.execute(meter, (task.tenant_id, task.embedding_model, len(vectors), tokens))
    metrics.add_metric(name="EmbeddingTokens", unit="Count", value=tokens)
    for claim, passages in claims.items():
        store_vectors(claim, passages, vectors, deadline)
        metrics.add_metric(name="ChunksEmbedded", unit="Count", value=len(passages))


def store_vectors(
    claim: Claim, passages: Sequence[Passage], vectors: Mapping[str, HalfVector], deadline: float
) -> None:
    params = {"ids": [passage.id for passage in passages], "vectors": [vectors[passage.text] for passage in passages]}
    for attempt in range(1, STORE_ATTEMPTS + 1):
        try:
            with transaction(deadline) as conn:
                conn.execute(f"SELECT app.store_vectors({TASK}, %(ids)s, %(vectors)s)", claim.params() | params)
        except (DeadlockDetected, LockNotAvailable):  # whoever writes the document has it
            if attempt == STORE_ATTEMPTS:
                raise
        else:
            return


def reschedule(claims: Iterable[Claim], message: str, wait: timedelta | None, deadline: float) -> None:
    """Tries the tasks again after `wait` or later; without one, or after too many attempts, they are dead letters."""
    logger.warning("Embedding is rescheduled", reason=message)
    for claim in claims:
        with transaction(deadline) as conn:
            row = conn.execute(
                f"SELECT app.reschedule_embedding({TASK}, %(claim)s, %(reason)s, %(wait)s, %(most)s)",
                claim.params() | {"reason": message, "wait": wait, "most": MAX_ATTEMPTS},
            ).fetchone()
        metrics.add_metric(name="EmbeddingsFailed", unit="Count", value=int(row == ("failed",)))


def release(claims: Iterable[Claim], deadline: float) -> None:
    """Gives tasks back for which no time is left: `requeue` sends them again."""
    for claim in claims:
        with transaction(deadline) as conn:
            conn.execute(f"SELECT app.release_embedding({TASK}, %(claim)s)", claim.params())
