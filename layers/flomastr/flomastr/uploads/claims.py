"""What `ingest` does to an upload: claims it, and then ends it or gives it back.

Each step is a transaction of its own and may be killed: a document is stored in the one that ends the claim, and the
claims of a run that died are due again when its time is over.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, LiteralString
from uuid import UUID

from pydantic import BaseModel

from flomastr.database import pipeline
from flomastr.database.pipeline import Transaction
from flomastr.database.query import NoRow, Query
from flomastr.errors import NotFoundError, ServiceError
from flomastr.knowledge import documents
from flomastr.knowledge.documents import StoredDocument
from flomastr.knowledge.ingest import CutDocument
from flomastr.uploads.uploads import COLUMNS, Upload

STORE_SECONDS = 30.0  # what one transaction may take


class Claim(Upload):
    """An upload, and the moment until which this run has it, which identifies the claim."""

    claim: datetime | None  # None: its end is known, or it is not its turn
    attempts: int

    @property
    def is_over(self) -> bool:
        return self.status in ("stored", "failed")

    def params(self) -> dict[str, Any]:
        return {"id": self.id, "claim": self.claim}


class Held(BaseModel):
    held: bool


class ClaimLostError(Exception):
    """Another run has the upload."""


@dataclass(frozen=True)
class Entry:
    """Into the tenant of an upload: which it is, the upload's own row says."""

    upload_id: UUID
    entering: ClassVar[LiteralString] = "SELECT app.enter_upload(%(upload_id)s, %(milliseconds)s)"

    def params(self, deadline: float) -> dict[str, Any]:
        return {"upload_id": self.upload_id, "milliseconds": max(1, int((deadline - time.monotonic()) * 1000))}


@contextmanager
def entered(upload_id: UUID, deadline: float) -> Generator[Transaction]:
    """A transaction in the tenant of the upload. Raises NotFoundError without such an upload, and ServiceError."""
    with pipeline.transaction(min(deadline, time.monotonic() + STORE_SECONDS), Entry(upload_id)) as transaction:
        yield transaction


def claim(upload_id: UUID, key: str, lease: float, deadline: float) -> Claim:
    """The upload with that key, claimed for so many seconds where it may be.

    Raises NotFoundError where there is none, and ServiceError.
    """
    with entered(upload_id, deadline) as transaction:
        (found,) = transaction.all(
            Query(
                f"""
                SELECT {COLUMNS}, u.attempts, c.claim
                FROM app.claim_upload(%(id)s, %(lease)s) AS c CROSS JOIN LATERAL (SELECT (c.found).*) AS u
                """,
                {"id": upload_id, "lease": timedelta(seconds=lease)},
                Claim,
            )
        )
        if found.key != key:
            raise NotFoundError
    return found


def require_place(claim: Claim, deadline: float) -> None:
    """Raises ServiceError when the tenant or the base is gone, or suspended."""
    with entered(claim.id, deadline) as transaction:
        transaction.all(place_of(claim))


def place_of(claim: Claim) -> Query[NoRow]:
    return Query("SELECT FROM app.require_place(%(base)s)", {"base": claim.knowledge_base_id}, NoRow)


def store(claim: Claim, document: CutDocument, deadline: float) -> StoredDocument:
    """Stores the document and ends the claim, both or neither. Raises ClaimLostError, ServiceError."""
    with entered(claim.id, deadline) as transaction:
        require_held(claim, transaction)
        transaction.all(place_of(claim))
        (stored,) = transaction.all(documents.store(claim.knowledge_base_id, [document]))
        transaction.all(finish(claim, document_id=stored.id, chunks=stored.chunk_count))
    return stored


def fail(claim: Claim, error: ServiceError, deadline: float) -> None:
    """Ends the claim with the reason why there is no document. Raises ClaimLostError, ServiceError."""
    with entered(claim.id, deadline) as transaction:
        require_held(claim, transaction)
        transaction.all(finish(claim, code=error.code, reason=error.detail))


def require_held(claim: Claim, transaction: Transaction) -> None:
    (found,) = transaction.all(Query("SELECT app.holds_upload(%(id)s, %(claim)s) AS held", claim.params(), Held))
    if not found.held:
        raise ClaimLostError


def finish(claim: Claim, **outcome: Any) -> Query[NoRow]:
    unsaid = {"document_id": None, "chunks": None, "code": None, "reason": None}
    return Query(
        """
        SELECT FROM app.finish_upload(
          %(id)s, %(claim)s, %(document_id)s::uuid, %(chunks)s::integer, %(code)s::text, %(reason)s::text
        )
        """,
        claim.params() | unsaid | outcome,
        NoRow,
    )


def release(claim: Claim, deadline: float) -> None:
    """Gives it back, to be tried again later. Raises ServiceError."""
    with entered(claim.id, deadline) as transaction:
        transaction.all(Query("SELECT FROM app.release_upload(%(id)s, %(claim)s)", claim.params(), NoRow))


def removed(upload_id: UUID, deadline: float) -> list[Upload]:
    """Notes that the end is known and the object gone. The tenant's next upload, if a file waits for its turn.

    Raises ServiceError.
    """
    with entered(upload_id, deadline) as transaction:
        over = "UPDATE app.uploads AS u SET due_at = NULL WHERE u.id = %(id)s AND u.finished_at IS NOT NULL RETURNING 1"
        transaction.all(Query(over, {"id": upload_id}, NoRow))
        return transaction.all(Query(f"SELECT {COLUMNS} FROM app.next_upload() AS u", {}, Upload))
