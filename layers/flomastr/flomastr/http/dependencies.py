"""What a route asks for to reach the database: `db: Annotated[Database, tenant_db("workflows:read")]`."""

import re
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Path, Query, Request, Response, Security
from fastapi.security import SecurityScopes
from pydantic import ValidationError

from flomastr.caller import Caller, is_subject
from flomastr.database.access import AccessRequest
from flomastr.database.idempotency import IdempotencyKey
from flomastr.database.session import Database, deadline_in
from flomastr.errors import UnauthorizedError
from flomastr.http.bodies import JsonRequest
from flomastr.http.delivery import body_size
from flomastr.http.patterns import CONSISTENCY, IDEMPOTENCY_KEY, TENANT
from flomastr.http.problems import request_id
from flomastr.http.weights import weight_of

NOBODY = "The token's `sub` cannot name a person: it is empty, too long, an address or not to be printed."
READ_FOR_ANYBODY = 50_000  # bytes, unpacked: validating them takes less than asking the database who sends them
RESERVE_MS = 1000  # of Lambda's time, to answer after the database's time is over


def caller(request: Request) -> Caller:
    """From the authorizer's context, which API Gateway hands on as it stands. Raises UnauthorizedError."""
    event: dict[str, Any] = request.scope["aws.event"]
    verified = event["requestContext"].get("authorizer", {}).get("lambda")
    if not verified:
        raise UnauthorizedError
    try:
        found = Caller.model_validate(verified)
    except ValidationError:  # which would quote what it found
        raise UnauthorizedError(NOBODY) from None
    if found.user_id is not None and not is_subject(found.user_id):
        raise UnauthorizedError(NOBODY)
    return found


async def idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(pattern=IDEMPOTENCY_KEY, description="Repeat a POST under the same key, and it happens once."),
    ] = None,
) -> IdempotencyKey | None:
    """The key with a hash of method, path, query, body, and its type if that is not JSON. None without the header."""
    if idempotency_key is None:
        return None
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = "" if media_type.endswith("json") else media_type
    asked = f"{request.method} {request.url.path}?{request.url.query}{kind}\n".encode() + body
    return IdempotencyKey(idempotency_key, sha256(asked).digest())


def deadline(request: Request) -> float:
    """The moment of time.monotonic() until which the database may take: Lambda's time less what an answer needs."""
    left_ms: int = request.scope["aws.context"].get_remaining_time_in_millis()
    return deadline_in((left_ms - RESERVE_MS) / 1000)


def database(request: Request, response: Response, tenant: str | None, scopes: SecurityScopes) -> Database:
    """The caller's, under the route's one scope, in the tenant of this id or slug. Raises ServiceError."""
    return admitted_if_large(request, database_of(caller(request), request, response, tenant, scopes))


def database_of(
    caller: Caller, request: Request, response: Response, tenant: str | None, scopes: SecurityScopes
) -> Database:
    """The database as the caller may use it, for what the request weighs and until its deadline."""
    (scope,) = scopes.scopes
    access = AccessRequest(caller, tenant, scope, response.headers.update, weight_of(request), request_id(request))
    return Database(access, deadline(request))


def admitted_if_large(request: Request, db: Database) -> Database:
    """A large body of JSON is validated, which takes a second, after a round trip that authorizes and counts it."""
    is_json = isinstance(request, JsonRequest) and request.posted is not None
    return db.admitted() if is_json and body_size(request.scope["aws.event"]) > READ_FOR_ANYBODY else db


def tenant_of_body(request: Request) -> str | None:
    """Whatever names none is refused when the body is validated."""
    posted = request.posted if isinstance(request, JsonRequest) else None
    named = cast(dict[str, Any], posted).get("tenant_id") if isinstance(posted, dict) else None
    return named if isinstance(named, str) and re.fullmatch(TENANT, named) else None


async def named_tenant(
    request: Request,
    tenant_id: Annotated[
        str | None, Query(pattern=TENANT, description="Id or slug. Else X-Tenant, else your only tenant.")
    ] = None,
    x_tenant: Annotated[str | None, Header(pattern=TENANT)] = None,
) -> str | None:
    return tenant_of_body(request) or tenant_id or x_tenant


NamedTenant = Annotated[str | None, Depends(named_tenant)]


async def in_tenant(request: Request, response: Response, scopes: SecurityScopes, tenant: NamedTenant) -> Database:
    return database(request, response, tenant, scopes)


def my_db_unless_named(db: Database) -> Database:
    """The same database; that of the person, under `me:...`, where no tenant is named. A key always has its tenant."""
    access = db.access
    if access.tenant or access.caller.key_id:
        return db
    return replace(db, access=replace(access, scope=f"me:{access.scope.rpartition(':')[2]}"))


async def in_tenant_if_named(
    request: Request, response: Response, scopes: SecurityScopes, tenant: NamedTenant
) -> Database:
    db = database_of(caller(request), request, response, tenant, scopes)
    return admitted_if_large(request, my_db_unless_named(db))


async def in_tenant_of_path(
    request: Request,
    response: Response,
    scopes: SecurityScopes,
    slug: Annotated[str, Path(pattern=TENANT, description="Id or slug.")],
) -> Database:
    return database(request, response, slug, scopes)


async def in_tenant_by_replica(
    db: Annotated[Database, Depends(in_tenant)],
    flo_consistency: Annotated[
        str | None,
        Header(pattern=CONSISTENCY, description="What the last write has answered: the list then includes that write."),
    ] = None,
) -> Database:
    return db.by_replica(int(flo_consistency or "0", 16))


async def without_tenant(request: Request, response: Response, scopes: SecurityScopes) -> Database:
    return database(request, response, None, scopes)


def tenant_db(scope: str, *, replica: bool = False) -> Any:
    """The database of the tenant that query, header or body name, else of the caller's only one.

    `replica` lets a read replica answer, if there is one: for reads that may be some seconds old.
    """
    return Security(in_tenant_by_replica if replica else in_tenant, scopes=[scope])


def tenant_db_if_named(scope: str) -> Any:
    """The database of the tenant that is named anywhere, else of the person alone. A key always has its tenant."""
    return Security(in_tenant_if_named, scopes=[scope])


def tenant_db_from_path(scope: str) -> Any:
    """The database of the tenant `{slug}` of the path."""
    return Security(in_tenant_of_path, scopes=[scope])


def platform_db(scope: str) -> Any:
    """The database of the platform, for super admins: `platform:...`."""
    return Security(without_tenant, scopes=[scope])


def my_db(scope: str) -> Any:
    """The database of the person who is signed in, outside any tenant: `me:...`."""
    return Security(without_tenant, scopes=[scope])


IdempotencyKeyHeader = Annotated[IdempotencyKey | None, Depends(idempotency_key)]
