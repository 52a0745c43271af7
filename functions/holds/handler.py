"""Legal holds of a tenant over HTTP, for its administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.errors import NotFoundError
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfNoneMatch, created, tagged
from flomastr.http.paging import Page
from flomastr.retention import legal_holds
from flomastr.retention.legal_holds import Filter, LegalHold, NewHold, Release

app = create_app("/routes/legal-holds", "holds")
Reading = Annotated[Database, tenant_db("holds:read")]
Writing = Annotated[Database, tenant_db("holds:write")]


@app.post("", status_code=201, responses=conflict("The tenant has 1000 active legal holds."))
async def create_hold(new: NewHold, db: Writing, key: IdempotencyKeyHeader, response: Response) -> LegalHold:
    """From now on nothing that is under it is deleted."""
    (hold,) = db.idempotent(legal_holds.create(new), key)
    return created(hold, response, f"/routes/legal-holds/{hold.id}")


@app.get("")
async def list_holds(
    db: Reading, matching: Annotated[Filter, Query()], page: Page, response: Response
) -> list[LegalHold]:
    """Newest first, the released ones included; filter active."""
    return page.of(legal_holds.newest(matching, page), legal_holds.count(matching), db, response)


@app.get("/{hold_id}")
async def get_hold(hold_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> LegalHold:
    return tagged(db.one(legal_holds.get(hold_id)), response, known)


@app.post("/{hold_id}/release", responses=conflict("It has been released."))
async def release_hold(
    hold_id: UUID, release: Release, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> LegalHold:
    """It stays as a record, with who released it and why."""
    released = db.idempotent(legal_holds.release(hold_id, release), key)
    if not released:
        raise NotFoundError
    return tagged(released[0], response)


lambda_handler = http_handler(app)
