"""Responses for executions that are archived: a redirect for reads, a conflict for changes."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel

from flomastr.archive import manifest
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.errors import ConflictError, ErrorCode, NotFoundError, ServiceError
from flomastr.large_data import rows as large_data
from flomastr.workflows.executions import Execution


class MovedToHistoryError(ServiceError):
    """The execution is archived. Follow Location, with the same headers."""

    status = HTTPStatus.TEMPORARY_REDIRECT
    code = ErrorCode.ARCHIVED


class ArchivedError(ConflictError):
    """The execution is archived and no longer changes."""

    code = ErrorCode.ARCHIVED


async def moved(request: Request) -> MovedToHistoryError:
    """The redirect to the same execution in the history, with the same query, which may name the tenant."""
    path = request.url.path.replace("/routes/", "/routes/history/", 1)
    query = f"?{request.url.query}" if request.url.query else ""
    return MovedToHistoryError(headers={"Location": path + query})


Moved = Annotated[MovedToHistoryError, Depends(moved)]
MOVED: dict[int | str, dict[str, Any]] = {307: {"description": "It is archived: follow Location."}}


def one[Row: BaseModel](db: Database, query: Query[Row], id: UUID, otherwise: ServiceError) -> Row:
    """The hot execution. If it may be in the archive, raises `otherwise`; if not, NotFoundError."""
    rows = db.all(query)
    if rows:
        return rows[0]
    raise otherwise if db.all(manifest.files_around(id)) else NotFoundError


def full[E: Execution](db: Database, query: Query[E], id: UUID, otherwise: ServiceError) -> E:
    """The same with its whole data, some of which may lie in object storage. Raises UnavailableError as well."""
    return large_data.whole(one(db, query, id, otherwise))


def updated[E: Execution](db: Database, query: Query[E], id: UUID) -> E:
    """The same of one that the query changes, whose data is in part while it cannot be read. Raises ArchivedError."""
    return large_data.recorded(one(db, query, id, ArchivedError()))
