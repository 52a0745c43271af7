"""Workflows: the models and their SQL."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints

from flomastr.database.query import BY_ID, Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import UNSET, Body, Changes, Flag, InstanceName, Metadata, Name, NfcName, TenantName, Text
from flomastr.http.paging import KEYSET, MAX_PAGE_BYTES, ROWS_BEFORE, PageRequest, as_many_as_fit
from flomastr.http.patterns import NO_NUL

type Category = Annotated[str, StringConstraints(max_length=100, pattern=NO_NUL)]
type Tags = Annotated[list[Name], Field(max_length=100)]


class Workflow(Resource):
    tenant_id: UUID
    name: str
    description: str | None
    n8n_workflow_id: str | None
    category: str | None
    tags: list[str]
    is_active: bool
    is_public: bool
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime | None
    instance: str = Field(description="The n8n instance.")


class NewWorkflow(Body):
    tenant_id: TenantName | None = None
    name: NfcName
    description: Text | None = None
    n8n_workflow_id: Name | None = None
    category: Category | None = None
    tags: Tags = Field(default=[])
    is_active: Flag = True
    is_public: Flag = False
    metadata: Metadata = Field(default={})


class WorkflowChanges(Changes):
    name: NfcName = UNSET
    description: Text | None = None
    category: Category | None = None
    tags: Tags = UNSET
    is_active: Flag = UNSET
    is_public: Flag = UNSET
    metadata: Metadata = UNSET


class Filter(BaseModel):
    is_active: bool | None = None
    is_public: bool | None = None
    category: Category | None = None
    instance: InstanceName | None = None


INSTANCE = """
  coalesce((
    SELECT i.name FROM app.n8n_instances AS i WHERE i.tenant_id = w.tenant_id AND i.number = w.n8n_instance
  ), 'default') AS instance
"""
COLUMNS = f"""
  w.id, w.tenant_id, w.name, w.description, w.n8n_workflow_id, w.category, w.tags, w.is_active, w.is_public,
  w.metadata, w.created_at, w.updated_at, {INSTANCE}
"""
WHOLE = f"{COLUMNS}, app.etag(w) AS etag"
MATCHES = """
  (%(is_active)s::boolean IS NULL OR w.is_active = %(is_active)s)
  AND (%(is_public)s::boolean IS NULL OR w.is_public = %(is_public)s)
  AND (%(category)s::text IS NULL OR w.category = %(category)s)
  AND (%(instance)s::text IS NULL OR w.n8n_instance = (SELECT app.known_n8n_instance(%(instance)s)))
"""


def create(new: NewWorkflow) -> Query[Workflow]:
    """409 `conflict` if another workflow of the tenant has its `n8n_workflow_id`."""
    return Query(
        f"""
        INSERT INTO app.workflows AS w (
          name, description, n8n_workflow_id, category, tags, is_active, is_public, metadata
        )
        VALUES (
          %(name)s, %(description)s, %(n8n_workflow_id)s, %(category)s, %(tags)s, %(is_active)s, %(is_public)s,
          %(metadata)s
        )
        RETURNING {WHOLE}
        """,
        new.model_dump() | {"metadata": Jsonb(new.metadata)},
        Workflow,
        conflict="body.n8n_workflow_id: the tenant has a workflow with this id already.",
        kept=BY_ID,
        reread=lambda row: get(row["id"]),
    )


def newest(matching: Filter, page: PageRequest) -> Query[Workflow]:
    """A page: as many rows as fit with their metadata into MAX_PAGE_BYTES."""
    rows = f"""
        SELECT w.*, app.bytes_of(w.metadata, %(max_bytes)s) OVER before AS bytes_before
        FROM (SELECT w.* FROM app.workflows AS w WHERE {MATCHES} AND {KEYSET}) AS w
        WINDOW before AS ({ROWS_BEFORE})
    """
    return Query(
        as_many_as_fit(COLUMNS, rows, "w"),
        matching.model_dump() | page.params() | {"max_bytes": MAX_PAGE_BYTES},
        Workflow,
    )


def count(matching: Filter) -> Query[Count]:
    """How many workflows match, on all pages."""
    return Query(f"SELECT count(*) FROM app.workflows AS w WHERE {MATCHES}", matching.model_dump(), Count)


def get(id: UUID) -> Query[Workflow]:
    """One workflow with its description and metadata. No row: there is none in this tenant."""
    return Query(f"SELECT {WHOLE} FROM app.workflows AS w WHERE w.id = %(id)s", {"id": id}, Workflow)


def update(id: UUID, changes: WorkflowChanges, if_match: list[str] | None) -> Query[Workflow]:
    """Fields that are not set stay. No row: there is no such workflow. Refused with 412, 409 `legal_hold`."""
    return Query(
        f"""
        UPDATE app.workflows AS w
        SET (name, description, category, tags, is_active, is_public, metadata, updated_at) = (
          SELECT c.name, c.description, c.category, c.tags, c.is_active, c.is_public, c.metadata, now()
          FROM jsonb_populate_record(w, %(changes)s) AS c
        )
        WHERE w.id = %(id)s AND app.require_match(app.etag(w), %(if_match)s)
        RETURNING {WHOLE}
        """,
        {"id": id, "changes": Jsonb(changes.model_dump(exclude_unset=True)), "if_match": if_match},
        Workflow,
    )


def delete(id: UUID, if_match: list[str] | None) -> Query[Deleted]:
    """With its executions and chats. No row: there is no such workflow. Refused with 409 `workflow_too_large`."""
    return Query(
        "SELECT w.id FROM app.delete_workflow(%(id)s, %(if_match)s) AS w",
        {"id": id, "if_match": if_match},
        Deleted,
    )
