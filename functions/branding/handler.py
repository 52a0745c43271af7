"""A tenant's branding over HTTP."""

from typing import Annotated

from fastapi import Response

from flomastr import branding
from flomastr.auth import enters
from flomastr.branding import Branding, BrandingChanges
from flomastr.database import Database
from flomastr.etags import IfMatch, IfNoneMatch, tagged
from flomastr.http import create_app, http_handler

app = create_app("/routes/branding", "branding")
Reading = Annotated[Database, enters("tenant:read")]
Writing = Annotated[Database, enters("tenant:write")]


@app.get("")
async def get_branding(db: Reading, known: IfNoneMatch, response: Response) -> Branding:
    return tagged(db.one(branding.get()), response, known)


@app.put("")
async def update_branding(changes: BrandingChanges, db: Writing, if_match: IfMatch, response: Response) -> Branding:
    return tagged(db.one(branding.update(changes, if_match)), response)


@app.delete("/reset")
async def reset_branding(db: Writing, if_match: IfMatch, response: Response) -> Branding:
    return tagged(db.one(branding.reset(if_match)), response)


lambda_handler = http_handler(app)
