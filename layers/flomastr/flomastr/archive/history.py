"""Lists, counts and reads the executions of both tiers together.

One pipeline reads the hot rows first and the manifest second, so a row that is archived in between is found twice, not
missed. Of two versions of a row the hot one counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import md5
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from flomastr.archive import duckdb_filesystem, manifest, reader
from flomastr.archive.manifest import File
from flomastr.archive.reader import Archived, TieredExecution
from flomastr.database.query import Count, Query
from flomastr.database.session import Database
from flomastr.errors import NotFoundError
from flomastr.http.paging import PageRequest, fitting
from flomastr.large_data import rows as large_data
from flomastr.object_storage import ObjectMissingError
from flomastr.workflows import executions
from flomastr.workflows.executions import Execution, Filter

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


class Id(BaseModel):
    id: UUID


class Workflows(BaseModel):
    ids: list[UUID]


def with_fresh_manifest[Result](db: Database, read: Callable[[Database], Result]) -> Result:
    """What `read` returns. It is called again when a file is missing: it was replaced since, or is so on the primary.

    Raises FileUnreadableError when a file is missing once more, and what `read` raises.
    """
    try:
        return read(db)
    except ObjectMissingError:
        try:
            return read(db.by_primary())
        except ObjectMissingError as error:
            raise duckdb_filesystem.unreadable(error) from error


def page_of(
    db: Database, matching: Filter, page: PageRequest, include_data: bool, response: Response
) -> list[TieredExecution]:
    """The page of the list, and its X-Total-Count if the request prefers it."""
    if page.counts:
        response.headers["X-Total-Count"] = str(count(db, matching))
    return page.cut(newest(db, matching, page, include_data), response)


def newest(db: Database, matching: Filter, page: PageRequest, include_data: bool) -> list[TieredExecution]:
    """A page and the next row, if any."""
    return with_fresh_manifest(db, lambda db: read_page(db, matching, page, include_data))


def read_page(db: Database, matching: Filter, page: PageRequest, include_data: bool) -> list[TieredExecution]:
    if page.offset:  # of both tiers: the rows to skip have to be read as well
        skipped = read_page(db, matching, replace(page, limit=page.offset, offset=0), include_data=False)
        if len(skipped) <= page.offset:
            return []
        page = replace(page, after=skipped[page.offset - 1].id, offset=0)
    hot_page = executions.newest_with_data if include_data else executions.newest
    hot, files, wanted = both_tiers(
        db, tiered(hot_page(matching, page)), manifest.execution_files(page.after), matching
    )
    if include_data:
        hot = large_data.in_full(hot)
    is_cut = len(hot) > page.limit or (include_data and fitting(hot) < len(hot)) or any(row.is_sign for row in hot)
    bottom = hot[-1].id if hot and is_cut else FIRST
    found = archived(db, files, wanted, page.after or LAST, bottom, page.limit + 1)
    by_id = {row.id: row for row in found} | {row.id: row for row in hot}
    rows = [by_id[id] for id in sorted(by_id, reverse=True)[: page.limit + 1]]
    return with_data(files, rows) if include_data else rows


def both_tiers[Hot: BaseModel](
    db: Database, hot: Query[Hot], files: Query[File], matching: Filter
) -> tuple[list[Hot], list[File], Archived]:
    """What is hot, the files, and what to look for in them: one round trip."""
    wanted = Archived(matching.workflow_id, matching.status)
    if matching.instance is None:
        return *db.both(hot, files), wanted
    rows, found, ((workflows,)) = db.several(hot, files, workflows_of(matching.instance))
    return rows, found, replace(wanted, workflows=workflows.ids)


def workflows_of(instance: str) -> Query[Workflows]:
    return Query("SELECT app.workflows_of_instance(%(instance)s) AS ids", {"instance": instance}, Workflows)


def tiered(query: Query[Execution]) -> Query[TieredExecution]:
    return Query(query.sql, query.params, TieredExecution)


def archived(
    db: Database, files: Sequence[File], matching: Archived, upper: UUID, bottom: UUID, wanted: int
) -> list[TieredExecution]:
    """At most `wanted` matching archived executions between two ids, newest first."""
    return reader.stepwise(
        files,
        upper,
        bottom,
        wanted,
        lambda read, lower, upper, missing: reader.newest(read, lower, upper, matching, missing),
        lambda rows: current(db, matching, rows),
    )


def current(db: Database, matching: Archived, rows: list[TieredExecution]) -> list[TieredExecution]:
    """Without those whose hot version no longer matches; of what a filter names, only the status may change."""
    if not rows or matching.status is None:
        return rows
    changed = {row.id for row in db.all(changed_since(rows, matching.status))}
    return [row for row in rows if row.id not in changed]


def changed_since(rows: Sequence[TieredExecution], status: str) -> Query[Id]:
    return Query(
        "SELECT e.id FROM app.workflow_executions AS e WHERE e.id = ANY (%(ids)s) AND e.status <> %(status)s",
        {"ids": [row.id for row in rows], "status": status},
        Id,
    )


def with_data(files: Sequence[File], rows: list[TieredExecution]) -> list[TieredExecution]:
    """Adds execution_data to the first rows, as many as a response can carry, and the next one; drops the rest.

    Hot rows have theirs in full. Raises UnavailableError.
    """
    ids = [row.id for row in rows if row.tier == "cold"]
    if not ids:
        return rows
    sizes = reader.sizes(files, ids)
    weight = 0
    for index, row in enumerate(rows):
        if weight > executions.MAX_DATA_BYTES:
            rows = [*rows[:index], row.model_copy(update={"is_sign": True})]
            break
        weight += sizes.get(row.id, 0)
    data = reader.data(files, [row.id for row in rows if row.tier == "cold"])
    cold = [row.model_copy(update={"execution_data": data[row.id]}) for row in rows if row.id in data]
    full = {row.id: row for row in large_data.in_full(cold)}
    return [full.get(row.id, row) for row in rows]


def count(db: Database, matching: Filter) -> int:
    """A rehydrated copy counts once. A row that was delivered again after its archival counts in both tiers."""
    return with_fresh_manifest(db, lambda db: read_count(db, matching))


def read_count(db: Database, matching: Filter) -> int:
    hot, files, wanted = both_tiers(db, hot_count(matching), manifest.execution_files(None), matching)
    return hot[0].count + reader.count(files, wanted)


def hot_count(matching: Filter) -> Query[Count]:
    return Query(
        f"""
        SELECT count(*) FROM app.workflow_executions AS e WHERE {executions.MATCHES} AND {manifest.IS_NO_COPY}
        """,
        matching.model_dump(),
        Count,
    )


def get(db: Database, id: UUID) -> TieredExecution:
    """An execution of either tier with its data. From a file it has an ETag of its content.

    Raises NotFoundError, FileUnreadableError.
    """
    return with_fresh_manifest(db, lambda db: read_one(db, id))


def read_one(db: Database, id: UUID) -> TieredExecution:
    hot, files = db.both(tiered(executions.get(id)), manifest.files_around(id))
    if hot:
        return large_data.whole(hot[0])
    found = reader.newest(files, id, UUID(int=id.int + 1), reader.ANY, 1) if files else []
    if not found:
        raise NotFoundError
    execution = found[0].model_copy(update={"execution_data": reader.data(files, [id])[id]})
    tag = md5(execution.model_dump_json().encode(), usedforsecurity=False).hexdigest()
    return large_data.whole(execution).model_copy(update={"etag": tag})
