"""API keys of a tenant over HTTP."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import StringConstraints

from flomastr.database.session import Database
from flomastr.errors import NotFoundError
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.paging import Page
from flomastr.http.patterns import KEY_ID
from flomastr.tenancy import api_keys
from flomastr.tenancy.api_keys import IssuedKey, NewKey, Rotation, ShownKey

app = create_app("/routes/api-keys", "API keys")
Reading = Annotated[Database, tenant_db("keys:read")]
Writing = Annotated[Database, tenant_db("keys:write")]
KeyId = Annotated[str, StringConstraints(pattern=KEY_ID), Path()]


@app.post("", status_code=201, responses=conflict("The key has been made, and its secret is not shown again."))
async def create_api_key(new: NewKey, db: Writing, idempotent: IdempotencyKeyHeader, response: Response) -> ShownKey:
    """Its token and signing secret are shown here and nowhere else."""
    (issued,) = db.idempotent(api_keys.create(new), idempotent)
    return created(api_keys.with_secrets(issued), response, f"/routes/api-keys/{issued.id}")


@app.get("")
async def list_api_keys(db: Reading, page: Page, response: Response) -> list[IssuedKey]:
    return page.of(api_keys.newest(page), api_keys.count(), db, response)


@app.get("/{key_id}")
async def get_api_key(key_id: KeyId, db: Reading, known: IfNoneMatch, response: Response) -> IssuedKey:
    return tagged(db.one(api_keys.get(key_id)), response, known)


@app.post("/{key_id}/rotate", status_code=201, responses=conflict("The key is rotated, revoked or expired."))
async def rotate_api_key(
    key_id: KeyId, rotation: Rotation, db: Writing, idempotent: IdempotencyKeyHeader, response: Response
) -> ShownKey:
    """A new key with the same scopes and instance; the old one goes on for grace_seconds."""
    issued = db.idempotent(api_keys.rotate(key_id, rotation), idempotent)
    if not issued:
        raise NotFoundError
    return created(api_keys.with_secrets(issued[0]), response, f"/routes/api-keys/{issued[0].id}")


@app.delete("/{key_id}")
async def revoke_api_key(key_id: KeyId, db: Writing, if_match: IfMatch, response: Response) -> IssuedKey:
    """At once and for good, with those that it was rotated from."""
    return tagged(db.one(api_keys.revoke(key_id, if_match)), response)


lambda_handler = http_handler(app)
