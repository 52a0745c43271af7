"""Rehydrations: requests to copy archived executions into Postgres for some days, which a job carries out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from flomastr.database.query import Count, Query
from flomastr.errors import BadRequestError, ErrorCode
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, JsonInteger, Moment, TenantName
from flomastr.http.paging import KEYSET, PageRequest

type RestoreState = Literal["pending", "running", "done", "failed", "expired"]


class NewRestore(Body):
    """Of the executions that started from `first_at` to before `last_at`, for so many days."""

    tenant_id: TenantName | None = None
    first_at: Moment
    last_at: Moment
    workflow_id: UUID | None = None
    days: Annotated[int, Field(ge=1, le=90), JsonInteger]


class Restore(Resource):
    """How far it has come. `rows_total` is known when it is running, `expires_at` when it is done."""

    tenant_id: UUID
    first_at: datetime
    last_at: datetime
    workflow_id: UUID | None
    days: int
    state: RestoreState
    rows_total: int | None
    rows_done: int
    error: str | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


COLUMNS = """
  r.id, r.tenant_id, r.first_at, r.last_at, r.workflow_id, r.days, r.state, r.rows_total, r.rows_done, r.error,
  r.created_by, r.created_at, r.finished_at, r.expires_at, app.etag(r) AS etag
"""


def request(new: NewRestore) -> Query[Restore]:
    """Ranges may overlap: a row that is hot is not copied a second time. Raises BadRequestError."""
    if new.last_at <= new.first_at:
        raise BadRequestError("body.last_at: must be later than first_at", ErrorCode.INVALID_RANGE)
    return Query(
        f"""
        SELECT {COLUMNS}
        FROM app.ask_for_rehydration(%(first_at)s, %(last_at)s, %(workflow_id)s::uuid, %(days)s::integer) AS r
        """,
        new.model_dump(),
        Restore,
    )


def newest(page: PageRequest) -> Query[Restore]:
    return Query(
        f"SELECT {COLUMNS} FROM app.rehydrations AS r WHERE {KEYSET}",
        page.params(),
        Restore,
    )


def count() -> Query[Count]:
    return Query("SELECT count(*) FROM app.rehydrations", {}, Count)


def get(id: UUID) -> Query[Restore]:
    return Query(f"SELECT {COLUMNS} FROM app.rehydrations AS r WHERE r.id = %(id)s", {"id": id}, Restore)
