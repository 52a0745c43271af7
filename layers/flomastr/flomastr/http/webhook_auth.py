"""Reports of machines. Who sends them is verified here, by API key or by signature, not by API Gateway's authorizer.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com). The secret that a key signs with is
derived from its id, so that it is stored nowhere.
"""

import time
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response, Security
from fastapi.security import SecurityScopes

from flomastr.auth import api_key_tokens
from flomastr.auth.webhook_signatures import signing_secret, verify
from flomastr.caller import Caller
from flomastr.database.session import Database
from flomastr.errors import ErrorCode, UnauthorizedError
from flomastr.http.delivery import body_size
from flomastr.http.dependencies import READ_FOR_ANYBODY, database_of
from flomastr.http.patterns import TENANT


async def reporting(
    request: Request,
    response: Response,
    scopes: SecurityScopes,
    key: Annotated[
        str, Query(description="The id of the API key that has signed; not needed with a bearer token.")
    ] = "",
    webhook_id: Annotated[str, Header()] = "",
    webhook_timestamp: Annotated[str, Header(description="Seconds since 1970, at most five minutes off.")] = "",
    webhook_signature: Annotated[str, Header(description="As in Standard Webhooks: `v1,<base64>`.")] = "",
    tenant_id: Annotated[str | None, Query(pattern=TENANT, description="Id or slug of the key's tenant.")] = None,
    x_tenant: Annotated[str | None, Header(pattern=TENANT)] = None,
) -> Database:
    """The database of the machine that a bearer token or a signature names.

    Raises UnauthorizedError; whether the key is alive and has the scope is asked with the first query.
    """
    authorization = request.headers.get("authorization")
    if authorization:
        caller = bearer(authorization)
    elif key or webhook_signature:
        signed = (webhook_id, webhook_timestamp, webhook_signature)
        caller = signer(key, *signed, await request.body())
    else:
        raise unauthorized("Send an API key in the Authorization header, or sign the request.", ErrorCode.NOT_SIGNED_IN)
    db = database_of(caller, request, response, tenant_id or x_tenant, scopes)
    return db.admitted() if body_size(request.scope["aws.event"]) > READ_FOR_ANYBODY else db


def bearer(authorization: str) -> Caller:
    """The key in an Authorization header. Raises UnauthorizedError if it cannot be one."""
    scheme, _, token = authorization.partition(" ")
    key = api_key_tokens.parse(token) if scheme.lower() == "bearer" else None
    if key is None:
        raise unauthorized(
            "Machines report here: send an API key, flo_live_..., as bearer token.", ErrorCode.INVALID_API_KEY
        )
    return Caller(key_id=key.id, key_hash=key.secret_hash.hex())


def signer(key_id: str, message_id: str, timestamp: str, signatures: str, body: bytes) -> Caller:
    """The key that has signed. That it lives is app.authorize's to say, by the hash of its signing secret.

    Raises UnauthorizedError.
    """
    if not key_id:
        raise unauthorized("Name the API key that has signed, by its id: ?key=...", ErrorCode.INVALID_SIGNATURE)
    secret = signing_secret(key_id)
    if not verify(secret, message_id, timestamp, signatures, body, time.time()):
        raise unauthorized(
            "The request is not signed by this key, or not within five minutes.", ErrorCode.INVALID_SIGNATURE
        )
    return Caller(key_id=key_id, key_hash=sha256(secret).hexdigest())


def unauthorized(detail: str, code: ErrorCode) -> UnauthorizedError:
    return UnauthorizedError(detail, code, {"WWW-Authenticate": "Bearer"})


def reports(scope: str) -> Any:
    """The database in the tenant of the machine that reports."""
    return Security(reporting, scopes=[scope])
