"""What a route asks for to reach the database: `db: Annotated[Database, enters("workflows:read")]`."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request

from flomastr.database import Database, deadline_in
from flomastr.errors import Unauthorized
from flomastr.fields import IDEMPOTENCY_KEY, TENANT
from flomastr.flight import Entry
from flomastr.idempotency import IdempotencyKey
from flomastr.identity import Caller

RESERVE_MS = 1000  # of Lambda's time, to tell the caller that the database's is over


def caller(request: Request) -> Caller:
    """From the authorizer's context, which API Gateway hands on as it stands."""
    event: dict[str, Any] = request.scope["aws.event"]
    verified = event["requestContext"].get("authorizer", {}).get("lambda")
    if not verified:
        raise Unauthorized
    return Caller.model_validate(verified)


async def idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(pattern=IDEMPOTENCY_KEY, description="Repeat a POST under the same key, and it happens once."),
    ] = None,
) -> IdempotencyKey | None:
    if idempotency_key is None:
        return None
    body = await request.body()
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body
    return IdempotencyKey(idempotency_key, sha256(asked).digest())


def deadline(request: Request) -> float:
    left_ms: int = request.scope["aws.context"].get_remaining_time_in_millis()
    return deadline_in((left_ms - RESERVE_MS) / 1000)


def enters(scope: str) -> Any:
    """A dependency: the database as this caller may see it, under a scope such as `workflows:read`."""

    async def entered(
        request: Request,
        tenant_id: Annotated[
            str | None, Query(pattern=TENANT, description="Id or slug. Else X-Tenant, else your only tenant.")
        ] = None,
        x_tenant: Annotated[str | None, Header(pattern=TENANT)] = None,
    ) -> Database:
        return Database(Entry(caller(request), tenant_id or x_tenant, scope), deadline(request))

    return Depends(entered)


OnceKey = Annotated[IdempotencyKey | None, Depends(idempotency_key)]
