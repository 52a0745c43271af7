"""Rehydrations: requests to copy archived executions into Postgres for some days, which a job carries out."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, model_validator

from flomastr.archive import manifest
from flomastr.database.query import Count, Query
from flomastr.database.session import Database
from flomastr.errors import BadRequestError, ErrorCode
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, JsonInteger, Moment, TenantName
from flomastr.http.paging import KEYSET, PageRequest

type RestoreState = Literal["pending", "running", "done", "failed", "expired"]


TEXT: JsonValue = {"type": "string"}
NULL: JsonValue = {"type": "null"}


class NewRestore(Body):
    """Of the executions that started from `first_at` to before `last_at`, or of those of a file, for so many days."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["first_at", "last_at"],
                    "properties": {"first_at": TEXT, "last_at": TEXT, "file_id": NULL},
                },
                {"required": ["file_id"], "properties": {"first_at": NULL, "last_at": NULL, "file_id": TEXT}},
            ]
        }
    )

    tenant_id: TenantName | None = None
    first_at: Moment | None = None
    last_at: Moment | None = None
    file_id: UUID | None = None
    workflow_id: UUID | None = None
    days: Annotated[int, Field(ge=1, le=90), JsonInteger]

    @model_validator(mode="after")
    def is_of_a_range_or_a_file(self) -> Self:
        given = [value is not None for value in (self.first_at, self.last_at, self.file_id)]
        if given not in ([True, True, False], [False, False, True]):
            raise ValueError("first_at and last_at are required, or file_id instead")
        return self


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


def request(db: Database, new: NewRestore) -> Query[Restore]:
    """Ranges may overlap: a row that is hot is not copied a second time. Raises BadRequestError, NotFoundError."""
    first_at, last_at = range_of(db, new)
    if last_at <= first_at:
        raise BadRequestError("body.last_at: must be later than first_at", ErrorCode.INVALID_RANGE)
    return Query(
        f"""
        SELECT {COLUMNS}
        FROM app.ask_for_rehydration(%(first_at)s, %(last_at)s, %(workflow_id)s::uuid, %(days)s::integer) AS r
        """,
        {"first_at": first_at, "last_at": last_at, "workflow_id": new.workflow_id, "days": new.days},
        Restore,
    )


def range_of(db: Database, new: NewRestore) -> tuple[datetime, datetime]:
    """What is named, or that of the file, which costs a round trip more."""
    if new.first_at and new.last_at:
        return new.first_at, new.last_at
    file = db.one(manifest.range_of(new.file_id))
    return file.first_at, file.last_at


def newest(page: PageRequest) -> Query[Restore]:
    """A page of rehydrations, ended ones included, and one row beyond it."""
    return Query(
        f"SELECT {COLUMNS} FROM app.rehydrations AS r WHERE {KEYSET}",
        page.params(),
        Restore,
    )


def count() -> Query[Count]:
    """How many rehydrations have been requested."""
    return Query("SELECT count(*) FROM app.rehydrations", {}, Count)


def get(id: UUID) -> Query[Restore]:
    """No row: there is no such rehydration."""
    return Query(f"SELECT {COLUMNS} FROM app.rehydrations AS r WHERE r.id = %(id)s", {"id": id}, Restore)
