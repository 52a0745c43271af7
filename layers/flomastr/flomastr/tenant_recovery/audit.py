"""The audit trail: who changed which row of the tenant, from what, to what."""

import json
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from flomastr.database.query import Count, Query
from flomastr.http.etags import ListItem
from flomastr.http.fields import Moment, Name
from flomastr.http.paging import MAX_PAGE_BYTES, PageRequest

type ChangeAction = Literal["insert", "update", "delete"]
type AuditedTable = Literal[
    "tenant_settings", "tenant_memberships", "workflows", "workflow_executions", "webchat_sessions",
    "user_preferences", "alerts", "knowledge_bases", "knowledge_base_models", "documents",
]  # fmt: skip
type Tier = Literal["hot", "cold"]


class Change(ListItem):
    """One row that changed, or the rows that one statement inserted.

    Values of more than 1,000 bytes are told by their size, or left out where a row was inserted. Where those of a page
    take more than 4 MB of storage, so are all further ones. `in_part` has what changed of a long value: of a list that
    grew how many were the `first`, of an object the `members` that changed and the names of `added` ones.

    Large data of executions is told by what the row had of it, with its size and hash in `flomastr_object`. Once the
    change is archived, nothing keeps the whole.
    """

    at: datetime
    tier: Tier = Field("hot", description="Cold: archived, to be read and not to be recovered from.")
    transaction: str = Field(description="What it was changed with. A recovery can undo the whole of it, while hot.")
    actor: str
    request_id: str | None
    table: str
    action: ChangeAction
    row_ids: list[UUID]
    before: dict[str, Any] | None = Field(description="Of an update what it changed, of a deletion all; else null.")
    after: dict[str, Any] | None = Field(
        description="What became of that. Null where the row is gone; without what its next 20 changes have not told."
    )


class Id(BaseModel):
    id: UUID


class Told(BaseModel):
    """What a page tells of an archived change."""

    id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditFilter(BaseModel):
    table: AuditedTable | None = None
    row_id: UUID | None = None
    actor: Name | None = Field(None, description="Such as `user:...` or `key:...`.")
    action: ChangeAction | None = None
    first_at: Moment | None = None
    last_at: Moment | None = None


MATCHES = """
  h.tenant_id = app.tenant()
  AND (%(table)s::text IS NULL OR h.table_name = %(table)s)
  AND (%(row_id)s::uuid IS NULL OR h.row_id = %(row_id)s OR h.row_ids @> ARRAY[%(row_id)s::uuid])
  AND (%(actor)s::text IS NULL OR t.actor = %(actor)s)
  AND (%(action)s::text IS NULL OR h.action = %(action)s)
  AND (%(first_at)s::timestamptz IS NULL OR h.recorded_at >= %(first_at)s)
  AND (%(last_at)s::timestamptz IS NULL OR h.recorded_at < %(last_at)s)
"""
CHANGES = "app.row_history AS h JOIN app.recorded_transactions AS t ON t.tenant_id = h.tenant_id AND t.xid = h.xid"
PAGE = f"""
  SELECT
    app.change_id(c.seq) AS id, c.recorded_at AS at, c.xid::text AS transaction, c.actor,
    c.request_id, c.table_name AS "table", c.action, coalesce(c.row_ids, ARRAY[c.row_id]) AS row_ids,
    CASE WHEN c.is_read THEN app.small_values(c.old, NULL)
      ELSE jsonb_build_object('omitted_bytes', pg_column_size(c.old)) END AS before,
    CASE WHEN c.action = 'delete' OR c.row_id IS NULL THEN NULL
      WHEN c.is_read THEN app.small_values(app.values_after(c.table_name, c.row_id, c.seq, c.old), NULL)
      ELSE '{{}}' END AS after
  FROM (
    SELECT p.*,
      coalesce(sum(pg_column_size(p.old)) OVER (ORDER BY p.seq DESC) <= %(max_bytes)s, true) AS is_read
    FROM (
      SELECT h.*, t.actor, t.request_id FROM {CHANGES}
      WHERE {MATCHES} AND (%(after)s::bigint IS NULL OR h.seq < %(after)s)
      ORDER BY h.seq DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
    ) AS p
  ) AS c
  ORDER BY c.seq DESC
"""


def newest(matching: AuditFilter, page: PageRequest) -> Query[Change]:
    """A page of changes, newest first, and one beyond it. An id is the number of the change."""
    return Query(
        PAGE,
        matching.model_dump() | page.params() | {"after": page.after and page.after.int, "max_bytes": MAX_PAGE_BYTES},
        Change,
    )


def count(matching: AuditFilter) -> Query[Count]:
    """How many changes match, on all pages."""
    return Query(f"SELECT count(*) FROM {CHANGES} WHERE {MATCHES}", matching.model_dump(), Count)


def ids(matching: AuditFilter, after: UUID | None, most: int) -> Query[Id]:
    """Of the newest changes that match, before one of them."""
    return Query(
        f"""
        SELECT app.change_id(h.seq) AS id FROM {CHANGES}
        WHERE {MATCHES} AND (%(after)s::bigint IS NULL OR h.seq < %(after)s) ORDER BY h.seq DESC LIMIT %(most)s
        """,
        matching.model_dump() | {"after": after and after.int, "most": most},
        Id,
    )


def tell(archived: list[dict[str, Any]]) -> Query[Told]:
    """What changes of files found and left: their `old` as text, and in `later` the next ones of the same row."""
    return Query(
        """
        SELECT
          c.id, app.small_values(c.old::jsonb, NULL) AS before,
          CASE WHEN c.action = 'delete' OR c.row_id IS NULL THEN NULL
            WHEN c.is_read THEN app.small_values(app.values_after_archived(
              c.table_name, c.row_id, app.change_seq(c.id), c.old::jsonb, c.later::jsonb, c.are_all
            ), NULL)
            ELSE '{}' END AS after
        FROM jsonb_to_recordset(%(archived)s::jsonb) AS c (
          id uuid, table_name text, action text, row_id uuid, old text, is_read boolean, later text, are_all boolean
        )
        """,
        {"archived": json.dumps(archived)},
        Told,
    )
