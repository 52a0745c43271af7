"""The work of `ingest`: files that have come become documents, or reasons why not, and are removed then."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from pydantic import ValidationError

from flomastr.database import connection
from flomastr.embeddings import queue
from flomastr.errors import ErrorCode, NotFoundError, ServiceError, UnavailableError, UnprocessableError
from flomastr.knowledge.ingest import CutDocument
from flomastr.observability import logger, metrics
from flomastr.readers.kinds import SentFile
from flomastr.readers.passages import cut_file
from flomastr.readers.reading import Bounds, read
from flomastr.uploads import claims, messages, raw_files
from flomastr.uploads.claims import Claim, ClaimLostError
from flomastr.uploads.messages import Look
from flomastr.uploads.raw_files import RawFile
from flomastr.uploads.uploads import Upload

MAX_ATTEMPTS = 6  # over a quarter of an hour
BOUNDS = Bounds(megabytes=640, cpu_seconds=30, seconds=60)  # decision 131 has what files took
GIVEN_UP = "The file could not be read or stored, six times. Send it again, or in parts."

type Record = dict[str, Any]


def work(records: Sequence[Record], seconds: float) -> list[str]:
    """Reads the files that SQS records name. Returns ids of the messages to deliver again."""
    deadline, lost = time.monotonic() + seconds, list[str]()
    for record in records:
        try:
            for key in messages.keys_in(record["body"]):
                look(key, deadline)
        except (psycopg.Error, UnavailableError, ValidationError) as error:
            logger.error("A message will be delivered again", reason=type(error).__name__)
            connection.discard()
            lost.append(record["messageId"])
    return lost


def look(key: str, deadline: float) -> None:
    """At an object, and at the upload that it is of. Raises UnavailableError, psycopg.Error."""
    named = raw_files.KEY.fullmatch(key)
    if not named:
        logger.warning("An object that is no upload", key=key)
        return
    with raw_files.opened(key) as file:
        try:
            look_at(key, UUID(named[2]), file, deadline)
        except NotFoundError:  # of a tenant that was erased, or of none that ever was
            raw_files.remove(key)


def look_at(key: str, upload_id: UUID, file: RawFile | None, deadline: float) -> None:
    """Raises NotFoundError where nothing may be at this key, and UnavailableError, psycopg.Error."""
    if file is None:
        after(claims.removed(upload_id, deadline))
        return
    claim = claims.claim(upload_id, key, deadline - time.monotonic() + claims.STORE_SECONDS, deadline)
    if claim.claim:
        ingest(claim, file, deadline)
    elif claim.is_over:
        clear(claim, deadline)


def ingest(claim: Claim, file: RawFile, deadline: float) -> None:
    """Reads the file and ends the claim. Raises NotFoundError, UnavailableError, psycopg.Error."""
    try:
        claims.require_place(claim, deadline)
        stored = claims.store(claim, document_of(claim, file), deadline)
        queue.send(stored.tasks())
        metrics.add_metric(name="UploadsStored", unit="Count", value=1)
    except ClaimLostError:
        return
    except UnavailableError as error:
        logger.warning("An upload will be tried again", reason=error.detail, attempts=claim.attempts)
        claims.release(claim, deadline)
        return
    except ServiceError as error:
        logger.info("An upload has failed", code=error.code)
        metrics.add_metric(name="UploadsFailed", unit="Count", value=1)
        claims.fail(claim, error, deadline)
    clear(claim, deadline)


def document_of(claim: Claim, file: RawFile) -> CutDocument:
    """What is stored of the file. Raises ServiceError with the reason why nothing is."""
    if claim.attempts > MAX_ATTEMPTS:
        metrics.add_metric(name="UploadsGivenUp", unit="Count", value=1)
        raise UnprocessableError(GIVEN_UP, ErrorCode.FILE_UNREADABLE)
    if file.size != claim.size:
        raise differs(f"has {file.size:,} bytes, and should have {claim.size:,}")
    if file.content_type != claim.media_type:
        raise differs(f"came as {file.content_type[:100]}, and should be {claim.media_type}")
    extracted = read(SentFile(file.read(), claim.media_type, claim.name), BOUNDS)
    return cut_file(claim.name, claim.title or extracted.title, extracted, claim.metadata)


def differs(how: str) -> UnprocessableError:
    return UnprocessableError(f"The file {how}.", ErrorCode.UPLOAD_DIFFERS)


def clear(claim: Claim, deadline: float) -> None:
    """Removes the file, and looks for the tenant's next one. Raises UnavailableError."""
    raw_files.remove(claim.key)
    after(claims.removed(claim.id, deadline))


def after(uploads: Sequence[Upload]) -> None:
    messages.send(Look.at(upload.tenant_id, upload.id) for upload in uploads)
