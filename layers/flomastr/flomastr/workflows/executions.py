"""Executions of workflows: the models and their SQL. recording.py stores them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query as QueryParameter
from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from flomastr.database.query import Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import UNSET, Changes, InstanceName, PastMoment, Text
from flomastr.http.paging import MAX_PAGE_BYTES, ROWS_BEFORE, PageRequest, as_many_as_fit
from flomastr.workflows.cleaning import ExecutionData

MAX_DATA_BYTES = MAX_PAGE_BYTES * 3 // 2  # as Postgres writes them: `[1, 1]` takes that much more than `[1,1]`

type Status = Literal["new", "running", "waiting", "unknown", "crashed", "canceled", "error", "success"]


class Execution(Resource):
    workflow_id: UUID
    tenant_id: UUID
    n8n_execution_id: str | None
    status: Status
    mode: str | None
    started_at: datetime
    finished_at: datetime | None
    execution_data: Annotated[
        dict[str, Any] | None,
        Field(description="Of more than 5 MB a part; the whole is at `flomastr_object.url` until `expires_at`."),
    ]
    error_message: str | None
    created_at: datetime


class ExecutionChanges(Changes):
    status: Status = UNSET
    finished_at: PastMoment | None = None
    execution_data: ExecutionData | None = None
    error_message: Text | None = None


class Filter(BaseModel):
    workflow_id: UUID | None = None
    status: Status | None = None
    instance: InstanceName | None = None


Matching = Annotated[Filter, QueryParameter()]
WithData = Annotated[bool, QueryParameter(description="With execution_data; the page ends before 4 MB.")]

COLUMNS = """
  e.id, e.workflow_id, e.tenant_id, e.n8n_execution_id, e.status, e.mode, e.started_at, e.finished_at,
  e.error_message, e.created_at
"""
WHOLE = f"{COLUMNS}, e.execution_data, app.etag(e) AS etag"
# asked once, and of none nothing: what is no parameter of a plan does not change it
OF_INSTANCE = "(SELECT app.workflows_of_instance(%(instance)s) WHERE %(instance)s::text IS NOT NULL)::uuid[]"
IN_INSTANCE = f"(%(instance)s::text IS NULL OR e.workflow_id = ANY ({OF_INSTANCE}))"
MATCHES = f"""
  (%(workflow_id)s::uuid IS NULL OR e.workflow_id = %(workflow_id)s)
  AND (%(status)s::text IS NULL OR e.status = %(status)s)
  AND {IN_INSTANCE}
"""
PAGE = f"""
  FROM app.newest_executions_of(
    %(workflow_id)s, {OF_INSTANCE}, %(status)s, %(after)s, %(limit)s + 1 + %(offset)s
  ) AS e
  ORDER BY e.id DESC OFFSET %(offset)s
"""


def newest(matching: Filter, page: PageRequest) -> Query[Execution]:
    """A page without `execution_data`, and one row beyond it as the sign of a next page."""
    return Query(
        f"SELECT {COLUMNS}, NULL AS execution_data {PAGE}",
        matching.model_dump() | page.params(),
        Execution,
    )


def newest_with_data(matching: Filter, page: PageRequest) -> Query[Execution]:
    """A page with data: as many rows as fit into MAX_DATA_BYTES. The data of others are not read."""
    rows = f"""
        SELECT e.*, app.data_bytes_of(e.execution_data, %(max_bytes)s) OVER before AS bytes_before
        FROM (SELECT e.* {PAGE}) AS e
        WINDOW before AS ({ROWS_BEFORE})
    """
    return Query(
        as_many_as_fit(f"{COLUMNS}, e.execution_data", rows, "e"),
        matching.model_dump() | page.params() | {"max_bytes": MAX_DATA_BYTES},
        Execution,
    )


def count(matching: Filter) -> Query[Count]:
    """How many hot executions match, on all pages."""
    return Query(f"SELECT count(*) FROM app.workflow_executions AS e WHERE {MATCHES}", matching.model_dump(), Count)


def get(id: UUID) -> Query[Execution]:
    """One execution with its data. No row: it does not exist, or is archived."""
    return Query(
        f"SELECT {WHOLE} FROM app.execution_of(%(id)s) AS e",
        {"id": id},
        Execution,
    )


def update(id: UUID, changes: ExecutionChanges, if_match: list[str] | None) -> Query[Execution]:
    """A final execution gets a finished_at if it has none, and is never reopened. Under a legal hold it only grows."""
    return Query(
        f"""
        UPDATE app.workflow_executions AS e
        SET (status, finished_at, execution_data, error_message) = (
          SELECT
            c.status, CASE WHEN app.is_final(c.status) THEN coalesce(c.finished_at, now()) ELSE c.finished_at END,
            c.execution_data, c.error_message
          FROM jsonb_populate_record(e, %(changes)s) AS c
        )
        WHERE e.id = %(id)s
          AND app.await_lock(e.n8n_execution_id)
          AND app.require_match(app.etag(e), %(if_match)s)
          AND app.require_not_reopened(e.status, %(changes)s ->> 'status')
          AND app.refer_to_object(e.id, %(changes)s -> 'execution_data')
        RETURNING {WHOLE}
        """,
        {"id": id, "changes": Jsonb(changes.model_dump(mode="json", exclude_unset=True)), "if_match": if_match},
        Execution,
    )


def delete(id: UUID, if_match: list[str] | None) -> Query[Deleted]:
    """No row: it does not exist, or is archived. Refused with 412, 409 `legal_hold`."""
    return Query(
        """
        DELETE FROM app.workflow_executions AS e
        WHERE e.id = %(id)s
          AND app.await_lock(e.n8n_execution_id)
          AND app.require_match(app.etag(e), %(if_match)s)
        RETURNING e.id
        """,
        {"id": id, "if_match": if_match},
        Deleted,
    )
