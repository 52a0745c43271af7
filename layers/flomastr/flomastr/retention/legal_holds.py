"""Legal holds: neither people nor jobs delete what is under one. A released hold stays as a record."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from flomastr.database.query import Count, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, TenantName
from flomastr.http.paging import KEYSET, PageRequest
from flomastr.tenancy.lifecycle import Reason

type HoldScope = Literal["workflow", "execution", "tenant"]

IDS = {"workflow": "workflow_id", "execution": "execution_id"}  # what a scope needs, and no other has


class LegalHold(Resource):
    tenant_id: UUID
    scope: HoldScope
    workflow_id: UUID | None
    execution_id: UUID | None
    reason: str
    created_by: str
    created_at: datetime
    released_by: str | None
    released_at: datetime | None
    release_reason: str | None


def schema_of(scope: str) -> JsonValue:
    ids: dict[str, JsonValue] = {id: {"type": "string" if of == scope else "null"} for of, id in IDS.items()}
    needed: list[JsonValue] = ["scope", *(id for of, id in IDS.items() if of == scope)]
    return {"required": needed, "properties": {"scope": {"const": scope}, **ids}}


class NewHold(Body):
    """On one workflow with all that is of it, on one execution, hot or archived, or on all of the tenant."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [schema_of("workflow"), schema_of("execution"), schema_of("tenant")]}
    )

    tenant_id: TenantName | None = None
    scope: HoldScope
    workflow_id: UUID | None = None
    execution_id: UUID | None = None
    reason: Reason

    @model_validator(mode="after")
    def has_the_id_of_its_scope(self) -> Self:
        if [self.workflow_id is not None, self.execution_id is not None] != [of == self.scope for of in IDS]:
            needed = f"{IDS[self.scope]} and no other id" if self.scope in IDS else "no id"
            raise ValueError(f"the scope {self.scope} takes {needed}")
        return self


class Release(Body):
    reason: Reason


class Filter(BaseModel):
    active: bool | None = None


COLUMNS = """
  h.id, h.tenant_id, h.scope, h.workflow_id, h.execution_id, h.reason, h.created_by, h.created_at,
  h.released_by, h.released_at, h.release_reason, app.etag(h) AS etag
"""
MATCHES = """
  h.tenant_id = (SELECT app.tenant()) AND (%(active)s::boolean IS NULL OR (h.released_at IS NULL) = %(active)s)
"""


def create(new: NewHold) -> Query[LegalHold]:
    """A hold that counts from its commit on. Refused with 404 for what it would hold, 409 `too_many_open`."""
    return Query(
        f"""
        SELECT {COLUMNS}
        FROM app.create_hold(%(scope)s, %(workflow_id)s::uuid, %(execution_id)s::uuid, %(reason)s) AS h
        """,
        new.model_dump(),
        LegalHold,
    )


def newest(matching: Filter, page: PageRequest) -> Query[LegalHold]:
    """A page of holds, released ones included, and one row beyond it."""
    return Query(
        f"SELECT {COLUMNS} FROM app.legal_holds AS h WHERE {MATCHES} AND {KEYSET}",
        matching.model_dump() | page.params(),
        LegalHold,
    )


def count(matching: Filter) -> Query[Count]:
    """How many holds match, on all pages."""
    return Query(f"SELECT count(*) FROM app.legal_holds AS h WHERE {MATCHES}", matching.model_dump(), Count)


def get(id: UUID) -> Query[LegalHold]:
    """No row: there is no such hold."""
    return Query(f"SELECT {COLUMNS} FROM app.legal_holds AS h WHERE h.id = %(id)s", {"id": id}, LegalHold)


def release(id: UUID, release: Release) -> Query[LegalHold]:
    """Ends a hold, which stays as a record. No row: there is none. Refused with 409 `hold_is_released`."""
    return Query(
        f"SELECT {COLUMNS} FROM app.release_hold(%(id)s, %(reason)s) AS h",
        {"id": id, "reason": release.reason},
        LegalHold,
    )
