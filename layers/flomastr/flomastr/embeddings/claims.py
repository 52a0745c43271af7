"""A worker's claims of tasks: taken, and then released, rescheduled, or ended by storing vectors.

Each step is a transaction of its own and may be killed: a row gets its vector once, attempts are counted before they
are made, and the claims of a run that died are due again when its time is over.
"""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.errors import DeadlockDetected, LockNotAvailable

from flomastr import jobs
from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.embeddings.queue import Task
from flomastr.embeddings.vectors import HalfVector
from flomastr.observability import logger, metrics

MAX_ATTEMPTS = 12  # over eighty minutes
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
class Passage:
    """A passage without a vector."""

    claim: Claim
    id: UUID
    chunk_index: int
    text: str


@contextmanager
def transaction(deadline: float) -> Generator[Connection]:
    """Of at most STORE_SECONDS, on the sandbox's connection. Raises psycopg.Error, UnavailableError."""
    conn = connection.connection(deadline + STORE_SECONDS)
    jobs.set_timeouts(conn, min(deadline + STORE_SECONDS, time.monotonic() + STORE_SECONDS))
    with conn.transaction():
        yield conn


def claimed(record: Record, deadline: float) -> list[Passage]:
    """Claims the task that a message names. Returns its passages without a vector; none if another run has it.

    Raises ValidationError for a message that names no task, and psycopg.Error, UnavailableError.
    """
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


def store(
    claims: Mapping[Claim, list[Passage]], vectors: Mapping[str, HalfVector], tokens: int, deadline: float
) -> None:
    """Stores the usage, then the vectors document by document, with retries: they are paid for.

    `vectors` are by the text of their passage, `tokens` what they cost. Raises psycopg.Error, UnavailableError.
    """
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
    """Stores the vectors of one document, in a transaction that is repeated when somebody writes the document.

    Raises psycopg.Error, UnavailableError.
    """
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
