"""Rows whose data lies in object storage: how they are written, and read as if the data lay in the row.

An object is claimed in a transaction of its own, written, and read back; then the row that names it is written together
with a reference. Whoever is killed in between leaves an object that nothing refers to, which `expire` removes. Where
object storage cannot be reached, or none is configured, data lies in its row.
"""

import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self
from uuid import UUID

from pydantic import BaseModel

from flomastr import object_storage
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.errors import UnavailableError
from flomastr.large_data.objects import (
    ANSWERED,
    MARKER,
    PART,
    THREADS,
    DataObject,
    is_large,
    link,
    part_of,
    read,
    secure,
    size_of,
)
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError
from flomastr.observability import count, logger
from flomastr.settings import settings

IS_HASH = re.compile("[0-9a-f]{64}")


class Reported(Protocol):
    """Whatever brings data of an execution."""

    execution_data: dict[str, Any] | None

    def model_copy(self, *, update: dict[str, Any]) -> Self: ...


class Row(Reported, Protocol):
    """An execution as it is stored."""

    id: UUID
    tenant_id: UUID


class Claimed(BaseModel):
    tenant_id: UUID
    sha256: str


def in_storage[R: Reported](reports: list[R], db: Database) -> tuple[list[R], Database]:
    """The reports as they are recorded, and the database for that: a request with large data has counted by then."""
    try:
        moved = written(reports, db.all)
    except StorageUnavailableError:
        logger.warning("Large data stays in its row: object storage cannot be reached", exc_info=True)
        count("LargeDataInRows", sum(is_large(report.execution_data or {}) for report in reports))
        return in_rows(reports), db.counted.renewed()
    return moved, db if moved is reports else db.counted.renewed()


def written[R: Reported](reports: list[R], ask: Callable[[Query[Claimed]], list[Claimed]]) -> list[R]:
    """The reports, with parts in place of large data, which is in object storage by then. The same list: none is large.

    `ask` commits. Raises ServiceError.
    """
    if not settings().archive_bucket:
        return in_rows(reports)
    objects = {
        index: DataObject.of(report.execution_data)
        for index, report in enumerate(reports)
        if report.execution_data is not None and is_large(report.execution_data)
    }
    if not objects:
        return reports
    by_hash = {found.sha256: found for found in objects.values()}
    claimed = ask(claim(by_hash))
    secure([(found.tenant_id, by_hash[found.sha256]) for found in claimed])
    return [
        report.model_copy(update={"execution_data": objects[index].in_row}) if index in objects else report
        for index, report in enumerate(reports)
    ]


def in_rows[R: Reported](reports: list[R]) -> list[R]:
    """The reports for rows alone, which have a part of what is larger than an answer. The same list: none is."""
    cut = {
        index: report.model_copy(update={"execution_data": part_of(report.execution_data, PART)})
        for index, report in enumerate(reports)
        if report.execution_data and size_of(report.execution_data) > ANSWERED
    }
    return [cut.get(index, report) for index, report in enumerate(reports)] if cut else reports


def claim(hashes: Iterable[str]) -> Query[Claimed]:
    """Says that objects are about to be written, so that they stay for a day. One row for each."""
    return Query(
        """
        INSERT INTO app.execution_objects AS o (sha256)
        SELECT hash FROM unnest(%(hashes)s::text[]) AS hash ORDER BY hash
        ON CONFLICT (tenant_id, sha256) DO UPDATE SET check_at = greatest(o.check_at, excluded.check_at)
        RETURNING o.tenant_id, o.sha256
        """,
        {"hashes": list(hashes)},
        Claimed,
    )


def in_full[R: Row](rows: list[R]) -> list[R]:
    """The rows with their whole data, or a link to it where that is larger than an answer. Raises UnavailableError.

    What is missing in object storage, or damaged, is answered as the row has it, with the marker.
    """
    large = {index: hash for index, row in enumerate(rows) if (hash := hash_in(row))}
    if not large or not settings().archive_bucket:
        return rows
    object_storage.client()
    with ThreadPoolExecutor(min(THREADS, len(large))) as pool:
        found = {index: pool.submit(fetched, rows[index], hash) for index, hash in large.items()}
    return [found[index].result() if index in found else row for index, row in enumerate(rows)]


def whole[R: Row](row: R) -> R:
    """The same of one. Raises UnavailableError."""
    (found,) = in_full([row])
    return found


def recorded[R: Row](row: R) -> R:
    """The same of what has just been recorded, whose data is answered in part while object storage is away."""
    try:
        return whole(row)
    except UnavailableError:
        logger.warning("What is recorded is answered in part: object storage cannot be reached", exc_info=True)
        return row


def hash_in(row: Row) -> str | None:
    match (row.execution_data or {}).get(MARKER):
        case {"sha256": str(hash), "bytes": int()} if IS_HASH.fullmatch(hash):
            return hash
        case _:
            return None


def fetched[R: Row](row: R, hash: str) -> R:
    part = row.execution_data or {}
    if part[MARKER]["bytes"] > ANSWERED:
        until = datetime.now(UTC) + timedelta(seconds=object_storage.LINK_SECONDS)
        linked = {"url": link(row.tenant_id, hash), "expires_at": until.isoformat(timespec="seconds")}
        return row.model_copy(update={"execution_data": part | {MARKER: part[MARKER] | linked}})
    try:
        return row.model_copy(update={"execution_data": json.loads(read(row.tenant_id, hash))})
    except ObjectMissingError:
        logger.error("Data of an execution is missing in object storage", execution_id=str(row.id), sha256=hash)
        count("LargeDataMissing")
        return row
