"""The work of `embed`: claims the task of a message, asks the endpoint for vectors, stores them, reschedules failures.

What it does to a claim is a transaction of its own and may be killed: see claims.py.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

import psycopg
from pydantic import ValidationError

from flomastr.database import connection
from flomastr.embeddings import client
from flomastr.embeddings.claims import STORE_SECONDS, Claim, Passage, Record, claimed, release, reschedule, store
from flomastr.embeddings.client import EndpointBusyError, EndpointError, MalformedAnswerError, TextRefusedError
from flomastr.errors import UnavailableError
from flomastr.observability import logger

MAX_TEXTS = 96  # of one request to the endpoint
MAX_CHARACTERS = 200_000
ASK_SECONDS = 20.0  # what one request may take


@dataclass(frozen=True)
class Run:
    """The time at which it ends, and why the endpoint refused a passage, by claim."""

    deadline: float
    refused: dict[Claim, str] = field(default_factory=dict[Claim, str])


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
