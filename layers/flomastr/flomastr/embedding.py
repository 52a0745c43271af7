"""The work of `embed`: claims what a message names, asks the endpoint, stores what it answers, puts off what it cannot.

Each step is a transaction of its own and may be killed: rows wait for their vectors and are given them once, attempts
are counted before they are made, and what a run had claimed that died is due again when the run's time is over.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
from pydantic import ValidationError

from flomastr import connection, embedder, jobs
from flomastr.connection import Connection
from flomastr.embed_queue import Task
from flomastr.embedder import Embedded, EndpointBusy, EndpointError, TextRefused
from flomastr.errors import Unavailable
from flomastr.observability import logger, metrics

MAX_ATTEMPTS = 8  # over half an hour
MAX_TEXTS = 96  # of one request to the endpoint
MAX_CHARACTERS = 200_000
ASK_SECONDS = 20.0  # what one request may take
STORE_SECONDS = 10.0  # what storing its answer may take
NAMED = "%(tenant_id)s, %(document_id)s, %(embedding_model)s"

type Record = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A passage without a vector, and the message that told of it."""

    message_id: str
    task: Task
    id: UUID
    text: str


def work(records: Sequence[Record], seconds: float) -> list[str]:
    """Embeds what the records of a queue name. The ids of those to deliver again: nothing was written down of them."""
    deadline = time.monotonic() + seconds - STORE_SECONDS
    lost: set[str] = set()
    pieces: list[Piece] = []
    for record in records:
        with losing(lost, [record["messageId"]]):
            pieces += claimed(record, deadline)
    for _, some in groupby(sorted(pieces, key=whose), key=whose):
        for portion in portions(some):
            with losing(lost, [piece.message_id for piece in portion]):
                embed(portion, deadline)
    return [record["messageId"] for record in records if record["messageId"] in lost]


@contextmanager
def losing(lost: set[str], message_ids: Iterable[str]) -> Generator[None]:
    """What one record meets does not reach the others."""
    try:
        yield
    except (psycopg.Error, Unavailable, ValidationError) as error:
        logger.error("Messages are left to be delivered again", reason=type(error).__name__)
        connection.discard()
        lost.update(message_ids)


def whose(piece: Piece) -> tuple[str, str]:
    """A request to the endpoint carries one tenant's text, so that what it counts is that tenant's."""
    return str(piece.task.tenant_id), piece.task.embedding_model


def portions(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    portion: list[Piece] = []
    characters = 0
    for piece in pieces:
        if portion and (len(portion) == MAX_TEXTS or characters + len(piece.text) > MAX_CHARACTERS):
            yield portion
            portion, characters = [], 0
        portion.append(piece)
        characters += len(piece.text)
    if portion:
        yield portion


def by_task(pieces: Iterable[Piece]) -> dict[Task, list[Piece]]:
    tasks: dict[Task, list[Piece]] = {}
    for piece in pieces:
        tasks.setdefault(piece.task, []).append(piece)
    return tasks


@contextmanager
def transaction(deadline: float) -> Generator[Connection]:
    conn = connection.connection(deadline + STORE_SECONDS)
    jobs.bound(conn, deadline + STORE_SECONDS)
    with conn.transaction():
        yield conn


def claimed(record: Record, deadline: float) -> list[Piece]:
    task = Task.model_validate_json(record["body"])
    lease = timedelta(seconds=max(0.0, deadline - time.monotonic()) + 2 * STORE_SECONDS)
    with transaction(deadline) as conn:
        rows = conn.execute(
            "SELECT id, chunk_text FROM app.claim_embedding(" + NAMED + ", %(lease)s, %(most)s)",
            task.model_dump() | {"lease": lease, "most": MAX_ATTEMPTS},
        ).fetchall()
    return [Piece(record["messageId"], task, id, text) for id, text in rows]


def embed(pieces: list[Piece], deadline: float) -> None:
    """A text that the endpoint does not take is told apart from those beside it: each document is tried alone."""
    tasks = by_task(pieces)
    if time.monotonic() + ASK_SECONDS > deadline:
        release(tasks, deadline)
        return
    try:
        answer = embedder.embed([piece.text for piece in pieces], pieces[0].task.embedding_model, ASK_SECONDS)
    except TextRefused as error:
        if len(tasks) > 1:
            for alone in tasks.values():
                embed(alone, deadline)
        else:
            put_off(tasks, str(error), None, deadline)
    except EndpointError as error:
        wait = timedelta(seconds=error.wait_seconds if isinstance(error, EndpointBusy) else 0)
        put_off(tasks, str(error), wait, deadline)
    else:
        store(pieces, answer, deadline)


def store(pieces: Sequence[Piece], answer: Embedded, deadline: float) -> None:
    vectors = {piece.id: vector for piece, vector in zip(pieces, answer.vectors, strict=True)}
    tenant, model = pieces[0].task.tenant_id, pieces[0].task.embedding_model
    with transaction(deadline) as conn:
        for task, own in by_task(pieces).items():
            ids = [piece.id for piece in own]
            conn.execute(
                "SELECT app.store_vectors(" + NAMED + ", %(ids)s, %(vectors)s)",
                task.model_dump() | {"ids": ids, "vectors": [vectors[id] for id in ids]},
            )
        conn.execute("SELECT app.meter(%s, %s, %s, %s)", (tenant, model, len(pieces), answer.tokens))
    metrics.add_metric(name="ChunksEmbedded", unit="Count", value=len(pieces))
    metrics.add_metric(name="EmbeddingTokens", unit="Count", value=answer.tokens)


def put_off(tasks: Iterable[Task], told: str, wait: timedelta | None, deadline: float) -> None:
    """Until later, or for good where no wait helps or there were attempts enough. Then it is among the dead letters."""
    logger.warning("Embedding is put off", reason=told)
    with transaction(deadline) as conn:
        for task in tasks:
            row = conn.execute(
                "SELECT app.put_off_embedding(" + NAMED + ", %(told)s, %(wait)s, %(most)s)",
                task.model_dump() | {"told": told, "wait": wait, "most": MAX_ATTEMPTS},
            ).fetchone()
            metrics.add_metric(name="EmbeddingsFailed", unit="Count", value=int(row == ("failed",)))


def release(tasks: Iterable[Task], deadline: float) -> None:
    """There is no time left: `requeue` sends them again."""
    with transaction(deadline) as conn:
        for task in tasks:
            conn.execute("SELECT app.release_embedding(" + NAMED + ")", task.model_dump())
