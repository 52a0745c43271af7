"""Recoveries of a tenant, of some tables or rows of it, to how they were: previewed, applied, and undone."""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from flomastr.database.query import BY_ID, Count, Query
from flomastr.errors import ConflictError, ErrorCode, NotFoundError
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, Moment
from flomastr.http.paging import KEYSET, PageRequest
from flomastr.http.patterns import TRANSACTION
from flomastr.settings import signing_key
from flomastr.tenancy.lifecycle import Reason

type RecoveredTable = Literal[
    "tenant_settings", "workflows", "workflow_executions", "webchat_sessions", "user_preferences", "alerts",
    "knowledge_bases", "knowledge_base_models", "documents",
]  # fmt: skip
type TransactionNumber = Annotated[str, StringConstraints(pattern=TRANSACTION)]
type RowOutcome = Literal["insert", "update", "delete", "held", "archived", "orphaned", "taken", "changed_since"]

EACH_ONCE = Field(json_schema_extra={"uniqueItems": True})
TARGETS = ("transaction", "at", "deleted_id")


def schema_of(target: str) -> JsonValue:
    kinds: dict[str, JsonValue] = {name: {"type": "string" if name == target else "null"} for name in TARGETS}
    return {"required": [target], "properties": kinds}


class NewRecovery(Body):
    """To how it was at a moment; before a transaction of the audit trail; or before a row was deleted, with all that
    was deleted with it."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [schema_of(target) for target in TARGETS]})

    at: Moment | None = None
    transaction: TransactionNumber | None = None
    deleted_id: UUID | None = None
    tables: Annotated[list[RecoveredTable], Field(min_length=1, max_length=10), EACH_ONCE] | None = None
    row_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000), EACH_ONCE] | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def has_one_target(self) -> Self:
        if sum(value is not None for value in (self.at, self.transaction, self.deleted_id)) != 1:
            raise ValueError("name one of at, transaction and deleted_id")
        for named in (self.tables, self.row_ids):
            if len(named or ()) != len(set(named or ())):
                raise ValueError("tables and row_ids name each once")
        return self


class ApplyRecovery(Body):
    preview_id: UUID
    token: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class RecoveryExample(BaseModel):
    """A row: what of it is otherwise now, and how that was then."""

    table: RecoveredTable
    action: RowOutcome
    id: UUID
    now: dict[str, Any] | None
    then: dict[str, Any] | None


class Recovery(Resource):
    """`counts` by table: rows to insert, update and delete again; and what stays as it is, since it is under a legal
    hold, archived, without the row that it belongs to (orphaned), because another row has its unique name (taken), or
    was changed by others (changed_since)."""

    tenant_id: UUID
    at: datetime | None
    transaction: str | None
    tables: list[RecoveredTable]
    row_ids: list[UUID] | None
    is_exact: bool = Field(description="False: to a moment between two restore points, correct within a commit's time.")
    counts: dict[RecoveredTable, dict[RowOutcome, int]]
    swept_along: int = Field(description="Rows that would be deleted with others. Above 0 it cannot be applied.")
    erasures_since: int
    state: Literal["previewed", "pending", "done", "failed"]
    reason: str | None
    requested_by: str
    created_at: datetime
    applied_by: str | None
    applied_at: datetime | None
    applied_transaction: str | None
    undone_id: UUID | None = Field(description="Of the recovery that this one undoes.")
    error: str | None


class RecoveryPreview(Recovery):
    examples: list[RecoveryExample]
    token: str = Field(default="", description="What `apply` asks for.")


class RestorePoint(Resource):
    taken_at: datetime = Field(description="A recovery `at` exactly this moment is exact.")
    reason: str


COLUMNS = """
  r.id, r.tenant_id, r.at, r.of_transaction::text AS transaction, r.tables, r.row_ids, r.is_exact, r.counts,
  r.swept_along, r.state, r.reason, r.requested_by, r.created_at, r.applied_by, r.applied_at,
  r.applied_xid::text AS applied_transaction, r.undone_id, r.error, app.etag(r) AS etag,
  (
    SELECT count(*) FROM app.erasures AS e
    WHERE e.tenant_id = r.tenant_id AND e.created_at > coalesce(r.at, r.created_at)
  ) AS erasures_since
"""


def preview(new: NewRecovery) -> Query[RecoveryPreview]:
    """What it would do, as of now. Refused with 404 for a transaction or deleted row, 422 `invalid_range`."""
    return Query(
        f"""
        SELECT {COLUMNS}, p.examples
        FROM app.preview_recovery(
          %(at)s, %(transaction)s::xid8, %(deleted_id)s, %(tables)s::text[], %(row_ids)s::uuid[], %(reason)s
        ) AS p
        CROSS JOIN LATERAL (SELECT (p.recovery).*) AS r
        """,
        new.model_dump(),
        RecoveryPreview,
        kept=BY_ID,
        reread=lambda row: previewed(row["id"]),
    )


def previewed(id: UUID) -> Query[RecoveryPreview]:
    """The preview, without examples."""
    return Query(
        f"SELECT {COLUMNS}, '[]'::jsonb AS examples FROM app.recoveries AS r WHERE r.id = %(id)s",
        {"id": id},
        RecoveryPreview,
    )


def with_token(preview: RecoveryPreview) -> RecoveryPreview:
    """What shows that whoever applies it has seen the preview."""
    return preview.model_copy(update={"token": token_of(preview.id)})


def token_of(id: UUID) -> str:
    return hmac.digest(signing_key(), f"recovery {id}".encode(), sha256).hex()[:32]


def apply(wanted: ApplyRecovery) -> Query[Recovery]:
    """At once, or by the job `recover` if it writes more than 1,000 rows. No row: there is no such preview.

    Refused with 409: `changed_meanwhile`, `too_many_open`, `wrong_state`. Raises ConflictError for a token of no
    preview.
    """
    if not hmac.compare_digest(wanted.token.encode(), token_of(wanted.preview_id).encode()):
        raise ConflictError("body.token: is not the preview's.", ErrorCode.NOT_CONFIRMED)
    return Query(f"SELECT {COLUMNS} FROM app.start_recovery(%(id)s) AS r", {"id": wanted.preview_id}, Recovery)


def undo(id: UUID) -> Query[Recovery]:
    """The recovery that undoes it. No row: there is none. Refused with 409 `changed_meanwhile`, `wrong_state`."""
    return Query(f"SELECT {COLUMNS} FROM app.undo_recovery(%(id)s) AS r", {"id": id}, Recovery)


def found(recoveries: list[Recovery]) -> Recovery:
    """The first one. Raises NotFoundError where there is none."""
    if not recoveries:
        raise NotFoundError
    return recoveries[0]


def get(id: UUID) -> Query[Recovery]:
    """No row: there is no such recovery."""
    return Query(f"SELECT {COLUMNS} FROM app.recoveries AS r WHERE r.id = %(id)s", {"id": id}, Recovery)


def newest(page: PageRequest) -> Query[Recovery]:
    """A page of recoveries, mere previews included, and one row beyond it."""
    return Query(f"SELECT {COLUMNS} FROM app.recoveries AS r WHERE {KEYSET}", page.params(), Recovery)


def count() -> Query[Count]:
    """How many recoveries have been previewed."""
    return Query("SELECT count(*) FROM app.recoveries", {}, Count)


def restore_points(page: PageRequest) -> Query[RestorePoint]:
    """A page of those that were taken every minute or in this tenant, and one row beyond it."""
    return Query(
        f"SELECT p.id, p.taken_at, p.reason FROM app.restore_points AS p WHERE {KEYSET}", page.params(), RestorePoint
    )


def count_restore_points() -> Query[Count]:
    """How many there are, on all pages."""
    return Query("SELECT count(*) FROM app.restore_points", {}, Count)
