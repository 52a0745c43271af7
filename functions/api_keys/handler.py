"""API keys of a tenant over HTTP."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import StringConstraints

from flomastr import issued_keys
from flomastr.auth import OnceKey, enters
from flomastr.database import Database
from flomastr.errors import NotFound
from flomastr.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http import conflict, create_app, http_handler
from flomastr.issued_keys import IssuedKey, NewKey, Rotation, ShownKey
from flomastr.paging import Page
from flomastr.patterns import KEY_ID

app = create_app("/routes/api-keys", "API keys")
Reading = Annotated[Database, enters("keys:read")]
Writing = Annotated[Database, enters("keys:write")]
KeyId = Annotated[str, StringConstraints(pattern=KEY_ID), Path()]


@app.post("", status_code=201, responses=conflict("The key has been made, and its secret is not shown again."))
async def create_api_key(new: NewKey, db: Writing, once: OnceKey, response: Response) -> ShownKey:
    """Its token and signing secret are shown here and nowhere else."""
    (issued,) = db.within(new.tenant_id).once(issued_keys.create(new), once)
    return created(issued_keys.shown(issued), response, f"/routes/api-keys/{issued.id}")


@app.get("")
async def list_api_keys(db: Reading, page: Page, response: Response) -> list[IssuedKey]:
    return page.of(issued_keys.newest(page), issued_keys.count(), db, response)


@app.get("/{key_id}")
async def get_api_key(key_id: KeyId, db: Reading, known: IfNoneMatch, response: Response) -> IssuedKey:
    return tagged(db.one(issued_keys.get(key_id)), response, known)


@app.post("/{key_id}/rotate", status_code=201, responses=conflict("The key is rotated, revoked or expired."))
async def rotate_api_key(key_id: KeyId, rotation: Rotation, db: Writing, once: OnceKey, response: Response) -> ShownKey:
    """A new key with the same scopes; the old one goes on for grace_seconds."""
    issued = db.once(issued_keys.rotate(key_id, rotation), once)
    if not issued:
        raise NotFound
    return created(issued_keys.shown(issued[0]), response, f"/routes/api-keys/{issued[0].id}")


@app.delete("/{key_id}")
async def revoke_api_key(key_id: KeyId, db: Writing, if_match: IfMatch, response: Response) -> IssuedKey:
    """At once and for good, with those that it was rotated from."""
    return tagged(db.one(issued_keys.revoke(key_id, if_match)), response)


lambda_handler = http_handler(app)
