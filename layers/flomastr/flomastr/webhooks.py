"""Reports of machines. Who sends them is verified here, by API key or by signature, not by API Gateway's authorizer.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com). The secret that a key signs with is
derived from its id, so that it is stored nowhere.
"""

import hmac
import re
import time
from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response, Security
from fastapi.security import SecurityScopes

from flomastr import api_keys
from flomastr.auth import deadline
from flomastr.database import Database
from flomastr.errors import Unauthorized
from flomastr.flight import Entry
from flomastr.identity import Caller
from flomastr.patterns import TENANT
from flomastr.settings import signing_key

TOLERANCE_SECONDS = 300
TIMESTAMP = re.compile(r"[0-9]{1,12}")


def signing_secret(key_id: str) -> bytes:
    return hmac.digest(signing_key(), b"webhook " + key_id.encode(), sha256)


def whsec(secret: bytes) -> str:
    """The secret as people copy it."""
    return f"whsec_{b64encode(secret).decode()}"


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{b64encode(hmac.digest(secret, signed, sha256)).decode()}"


def verify(secret: bytes, message_id: str, timestamp: str, signatures: str, body: bytes, now: float) -> bool:
    """Whether one of the signatures is the secret's, and of now."""
    if not message_id or not TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = signature(secret, message_id, timestamp, body).encode()
    return any(hmac.compare_digest(told.encode(), expected) for told in signatures.split(" "))


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
    authorization = request.headers.get("authorization")
    if authorization:
        caller = bearer(authorization)
    elif key or webhook_signature:
        signed = (webhook_id, webhook_timestamp, webhook_signature)
        caller = signer(key, *signed, await request.body())
    else:
        raise unauthorized("Send an API key in the Authorization header, or sign the request.", "not_signed_in")
    (scope,) = scopes.scopes
    return Database(Entry(caller, tenant_id or x_tenant, scope, response.headers.update), deadline(request))


def bearer(authorization: str) -> Caller:
    scheme, _, token = authorization.partition(" ")
    key = api_keys.parse(token) if scheme.lower() == "bearer" else None
    if key is None:
        raise unauthorized("Machines report here: send an API key, flo_live_..., as bearer token.", "invalid_api_key")
    return Caller(key_id=key.id, key_hash=key.secret_hash.hex())


def signer(key_id: str, message_id: str, timestamp: str, signatures: str, body: bytes) -> Caller:
    """The key that has signed. That it lives is app.enter's to say, by the hash of its signing secret."""
    if not key_id:
        raise unauthorized("Name the API key that has signed, by its id: ?key=...", "invalid_signature")
    secret = signing_secret(key_id)
    if not verify(secret, message_id, timestamp, signatures, body, time.time()):
        raise unauthorized("The request is not signed by this key, or not within five minutes.", "invalid_signature")
    return Caller(key_id=key_id, key_hash=sha256(secret).hexdigest())


def unauthorized(detail: str, code: str) -> Unauthorized:
    return Unauthorized(detail, code, {"WWW-Authenticate": "Bearer"})


def reports(scope: str) -> Any:
    """The database in the tenant of the machine that reports."""
    return Security(reporting, scopes=[scope])
