"""Erasures over HTTP: owners request those of persons, super admins see all. A job carries them out."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, platform_db, tenant_db_from_path
from flomastr.http.etags import IfNoneMatch, created, tagged
from flomastr.http.paging import Page
from flomastr.retention import erasures
from flomastr.retention.erasures import Erasure, NewErasure

app = create_app("/routes", "erasures")
OnPlatform = Annotated[Database, platform_db("platform:read")]
Reading = Annotated[Database, tenant_db_from_path("erasures:read")]
Writing = Annotated[Database, tenant_db_from_path("erasures:write")]
REFUSED = conflict(
    "The person's data are being erased, are under a legal hold, or are the last owner's; or 20 erasures are open."
)


@app.get("/erasures")
async def list_all_erasures(db: OnPlatform, page: Page, response: Response) -> list[Erasure]:
    """Of tenants and of persons, with their receipts."""
    return page.of(erasures.newest(page), erasures.count(), db, response)


@app.get("/erasures/{erasure_id}")
async def get_any_erasure(erasure_id: UUID, db: OnPlatform, known: IfNoneMatch, response: Response) -> Erasure:
    return tagged(db.one(erasures.get(erasure_id)), response, known)


@app.post("/tenants/{slug}/erasures", status_code=202, responses=REFUSED)
async def ask_for_erasure(
    slug: str, new: NewErasure, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> Erasure:
    """Of one person's data in the tenant: membership, preferences, chats. There is no way back."""
    (erasure,) = db.idempotent(erasures.request(new), key)
    return created(erasure, response, f"/routes/tenants/{slug}/erasures/{erasure.id}")


@app.get("/tenants/{slug}/erasures")
async def list_erasures(db: Reading, page: Page, response: Response) -> list[Erasure]:
    return page.of(erasures.newest(page), erasures.count(), db, response)


@app.get("/tenants/{slug}/erasures/{erasure_id}")
async def get_erasure(erasure_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> Erasure:
    return tagged(db.one(erasures.get(erasure_id)), response, known)


lambda_handler = http_handler(app)
