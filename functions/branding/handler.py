"""A tenant's branding over HTTP."""

from typing import Annotated

from fastapi import Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, tagged
from flomastr.tenancy import branding
from flomastr.tenancy.branding import Branding, BrandingChanges

app = create_app("/routes/branding", "branding")
Reading = Annotated[Database, tenant_db("tenant:read")]
Writing = Annotated[Database, tenant_db("tenant:write")]


@app.get("")
async def get_branding(db: Reading, known: IfNoneMatch, response: Response) -> Branding:
    return tagged(db.one(branding.get()), response, known)


@app.put("", responses=conflict(HELD))
async def update_branding(changes: BrandingChanges, db: Writing, if_match: IfMatch, response: Response) -> Branding:
    return tagged(db.one(branding.update(changes, if_match)), response)


@app.delete("/reset", responses=conflict(HELD))
async def reset_branding(db: Writing, if_match: IfMatch, response: Response) -> Branding:
    return tagged(db.one(branding.reset(if_match)), response)


lambda_handler = http_handler(app)
