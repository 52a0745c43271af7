"""Lists and counts changes of rows of both tiers together, as `history` does executions."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import inf
from typing import Any
from uuid import UUID

from fastapi import Response

from flomastr.archive import manifest, reader
from flomastr.archive.history import FIRST, LAST, with_fresh_manifest
from flomastr.archive.manifest import File
from flomastr.archive.parquet import FILES
from flomastr.database.session import Database
from flomastr.http.paging import MAX_PAGE_BYTES, PageRequest
from flomastr.tenant_recovery import audit
from flomastr.tenant_recovery.audit import AuditFilter, Change, Id

type Row = dict[str, Any]

MOST_LATER = 250_000  # rows of files in which what came after a change is looked for
MOST_TOLD = 64_000_000  # characters of what came after, for all changes of a page
MATCHES = """
  ($table IS NULL OR table_name = $table) AND ($row_id IS NULL OR row_id = $row_id OR contains(row_ids, $row_id))
  AND ($actor IS NULL OR actor = $actor) AND ($action IS NULL OR action = $action)
  AND ($first_at IS NULL OR recorded_at >= $first_at::timestamptz)
  AND ($last_at IS NULL OR recorded_at < $last_at::timestamptz)
"""
CHANGES = f"""
SELECT
  id, epoch_us(recorded_at) AS at, transaction, coalesce(actor, '') AS actor, request_id, table_name, action, row_id,
  row_ids, strlen(old) AS bytes
FROM {FILES} WHERE id BETWEEN $first AND $last AND id IN $ids ORDER BY id DESC
"""
LATER = f"""
SELECT * FROM (  -- lengths alone: a window keeps all that it is over in memory
  SELECT id, row_id, strlen(old) AS bytes FROM {FILES} WHERE id > $since AND row_id IN $rows AND old IS NOT NULL
) QUALIFY row_number() OVER (PARTITION BY row_id ORDER BY id) <= $each ORDER BY id
"""


def page_of(db: Database, matching: AuditFilter, page: PageRequest, response: Response) -> list[Change]:
    """The page of the audit trail, and its X-Total-Count if the request prefers it. Raises FileUnreadableError."""
    if page.counts:
        response.headers["X-Total-Count"] = str(with_fresh_manifest(db, lambda db: count(db, matching)))
    return page.cut(with_fresh_manifest(db, lambda db: newest(db, matching, page)), response)


def newest(db: Database, matching: AuditFilter, page: PageRequest) -> list[Change]:
    """A page and the next change, if any. A change that is archived in between is found twice, not missed."""
    if page.offset:
        skipped = ids(db, matching, page.after, page.offset)
        if len(skipped) < page.offset:
            return []
        page = replace(page, after=skipped[-1], offset=0)
    hot, files = db.both(audit.newest(matching, page), manifest.change_files())
    bottom = hot[-1].sort_key if len(hot) > page.limit else FIRST
    by_id = {change.sort_key: change for change in hot}
    archived = archived_ids(files, matching, page.after or LAST, bottom, page.limit + 1)
    shown = sorted({*by_id, *archived}, reverse=True)[: page.limit + 1]
    by_id |= told(db, files, [id for id in shown if id not in by_id])
    return [by_id[id] for id in shown]


def count(db: Database, matching: AuditFilter) -> int:
    (hot,), files = db.both(audit.count(matching), manifest.change_files())
    if not files or matching == AuditFilter(actor=None):
        return hot.count + sum(file.rows for file in files)
    (cold,) = reader.fetch(f"SELECT count(*) AS rows FROM {FILES} WHERE {MATCHES}", files, parameters(matching))
    return hot.count + cold["rows"]


def ids(db: Database, matching: AuditFilter, after: UUID | None, most: int) -> list[UUID]:
    """Of changes before one of them, newest first, without reading them."""
    hot, files = db.both(audit.ids(matching, after, most), manifest.change_files())
    bottom = hot[-1].id if len(hot) == most else FIRST
    archived = archived_ids(files, matching, after or LAST, bottom, most)
    return sorted({*(row.id for row in hot), *archived}, reverse=True)[:most]


def archived_ids(files: Sequence[File], matching: AuditFilter, upper: UUID, bottom: UUID, wanted: int) -> list[UUID]:
    query = f"SELECT id FROM {FILES} WHERE id >= $lower AND id < $upper AND {MATCHES} ORDER BY id DESC LIMIT $wanted"

    def read(files: Sequence[File], lower: UUID, upper: UUID, wanted: int) -> list[Id]:
        asked = parameters(matching) | {"lower": str(lower), "upper": str(upper), "wanted": wanted}
        return [Id.model_validate(row) for row in reader.fetch(query, files, asked)]

    return [row.id for row in reader.stepwise(files, upper, bottom, wanted, read, lambda rows: rows)]


def parameters(matching: AuditFilter) -> dict[str, Any]:
    return matching.model_dump(mode="json")


def told(db: Database, files: Sequence[File], ids: Sequence[UUID]) -> dict[UUID, Change]:
    """Archived changes, with what they found and left."""
    if not ids:
        return {}
    read = [file for file in files if any(file.first_id <= id <= file.last_id for id in ids)]
    names = {"ids": [str(id) for id in ids], "first": str(min(ids)), "last": str(max(ids))}
    rows = with_old(read, reader.fetch(CHANGES, read, names))
    values = {told.id: told for told in db.all(audit.tell(with_later(files, rows)))}
    return {UUID(row["id"]): change(row, values[UUID(row["id"])]) for row in rows}


def with_old(files: Sequence[File], rows: Sequence[Row]) -> list[Row]:
    """Rows with what they found, as far as the first of them take no more than a page may."""
    sums = accumulate(row["bytes"] or 0 for row in rows)
    read = [UUID(row["id"]) for row, sum in zip(rows, sums, strict=True) if row["bytes"] and sum <= MAX_PAGE_BYTES]
    found = {row["id"]: row["old"] for row in reader.fetch_by_id("id, old", files, read)} if read else {}
    return [row | {"old": found.get(row["id"])} for row in rows]


def with_later(files: Sequence[File], rows: Sequence[Row]) -> list[Row]:
    """The rows as app.values_after_archived takes them, with the next changes of the same rows in files."""
    followed = {row["row_id"]: row["id"] for row in rows if row["row_id"] and row["action"] != "delete"}
    since = min(followed.values(), default=str(LAST))
    newer = sorted((file for file in files if str(file.last_id) > since), key=lambda file: file.first_id)
    read = [file for index, file in enumerate(newer) if sum(before.rows for before in newer[:index]) < MOST_LATER]
    asked = {"since": since, "rows": list(followed), "each": 20 + len(rows)}
    later = with_old(read, reader.fetch(LATER, read, asked)) if read else []
    room, told = MOST_TOLD, list[Row]()
    for row in rows:
        told.append(with_next(row, later, len(read) == len(newer), room))
        room -= len(told[-1]["later"])
    return told


def with_next(row: Row, later: Sequence[Row], are_all: bool, room: int) -> Row:
    """Those that are too large to be read, or for the room that is left, end what is known."""
    images = [next["old"] for next in later if next["row_id"] == row["row_id"] and next["id"] > row["id"]][:20]
    sizes = accumulate(inf if image is None else len(image) for image in images)
    known = [image for image, size in zip(images, sizes, strict=True) if size <= room]
    names = ("id", "table_name", "action", "row_id", "old")
    return {name: row[name] for name in names} | {
        "is_read": is_read(row),
        "later": f"[{','.join(known)}]",
        "are_all": are_all and len(known) == len(images),
    }


def is_read(row: Row) -> bool:
    return row["bytes"] is None or row["old"] is not None


def change(row: Row, told: audit.Told) -> Change:
    """As the model of the hot tier."""
    names = ("id", "transaction", "actor", "request_id", "action")
    return Change.model_validate(
        {name: row[name] for name in names}
        | {
            "at": reader.moment(row["at"]),
            "tier": "cold",
            "table": row["table_name"],
            "row_ids": row["row_ids"].strip("{}").split(",") if row["row_ids"] else [row["row_id"]],
            "before": told.before if is_read(row) else {"omitted_bytes": row["bytes"]},
            "after": told.after,
        }
    )
