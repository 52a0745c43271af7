"""API keys as a tenant manages them: issued with scopes and an end, rotated, revoked. A secret is shown once."""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from flomastr.auth.api_key_tokens import ApiKey, derived_key
from flomastr.auth.webhook_signatures import signing_secret, whsec
from flomastr.database.query import Count, Query
from flomastr.errors import ConflictError, ErrorCode
from flomastr.http.etags import ListItem
from flomastr.http.fields import Body, JsonInteger, Moment, Name, TenantName
from flomastr.http.paging import PageRequest
from flomastr.settings import signing_key

MAX_GRACE = 30 * 86_400

type Scope = Literal[
    "workflows:read",
    "workflows:write",
    "executions:read",
    "executions:write",
    "events:write",
    "webchat:read",
    "webchat:write",
    "preferences:read",
    "preferences:write",
    "tenant:read",
    "knowledge:read",
    "knowledge:write",
]


def ahead(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("lies in the past")
    return moment


class IssuedKey(ListItem):
    id: str
    sort_key: UUID = Field(exclude=True)
    tenant_id: UUID
    name: str
    scopes: list[Scope]
    rate_limit_per_minute: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None


class ShownKey(IssuedKey):
    """With its secrets, which are shown here and nowhere else."""

    salt: str = Field(exclude=True)
    token: str = ""
    signing_secret: str = ""


class NewKey(Body):
    tenant_id: TenantName | None = None
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000), JsonInteger] | None = None  # beside the tenant's
    expires_at: Annotated[Moment, AfterValidator(ahead)] | None = None


class Rotation(Body):
    grace_seconds: Annotated[
        int, Field(ge=0, le=MAX_GRACE, description="For so long the old key goes on."), JsonInteger
    ] = 86_400


COLUMNS = """
  k.id, app.uuid7(k.created_at, md5(k.id)::uuid) AS place, k.tenant_id, k.name, k.scopes, k.rate_limit_per_minute,
  k.created_by, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.replaced_by,
  app.key_etag(k) AS etag
"""


SHOWN = COLUMNS + ", %(salt)s AS salt "


def key_of(salt: str) -> ApiKey:
    """The secrets are derived, so that an answer which is repeated under its Idempotency-Key shows them again, though
    nothing secret was stored with it."""
    return derived_key(hmac.digest(signing_key(), f"api key {salt}".encode(), "sha512"))


def new_secrets() -> dict[str, Any]:
    """What is stored of a new key, and the salt that tells its secrets to whoever has the service's signing key."""
    salt = token_hex(16)
    key = key_of(salt)
    signing_hash = sha256(signing_secret(key.id)).digest()
    return {"id": key.id, "secret_hash": key.secret_hash, "signing_hash": signing_hash, "salt": salt}


def shown(issued: ShownKey) -> ShownKey:
    """Raises Conflict if the service's signing key has changed since the request was first sent."""
    key = key_of(issued.salt)
    if issued.id != key.id:
        raise ConflictError(
            "The key has been made, and its secret cannot be shown again: rotate it.", ErrorCode.SECRET_WAS_SHOWN
        )
    return issued.model_copy(update={"token": key.token(), "signing_secret": whsec(signing_secret(key.id))})


def create(new: NewKey) -> Query[ShownKey]:
    return Query(
        "INSERT INTO app.api_keys AS k"
        " (id, tenant_id, name, secret_hash, signing_hash, scopes, rate_limit_per_minute, created_by, expires_at)"
        " VALUES (%(id)s, app.tenant(), %(name)s, %(secret_hash)s, %(signing_hash)s, %(scopes)s,"
        "  %(rate_limit_per_minute)s, current_setting('app.actor'), %(expires_at)s)"
        " RETURNING" + SHOWN,
        new.model_dump() | new_secrets(),
        ShownKey,
    )


def rotate(old_id: str, rotation: Rotation) -> Query[ShownKey]:
    return Query(
        "SELECT"
        + SHOWN
        + "FROM app.rotate_key(%(old_id)s, %(id)s, %(secret_hash)s, %(signing_hash)s,"
        + "  make_interval(secs => %(grace_seconds)s)) AS k",
        rotation.model_dump() | new_secrets() | {"old_id": old_id},
        ShownKey,
    )


def newest(page: PageRequest) -> Query[IssuedKey]:
    return Query(
        "SELECT * FROM (SELECT"
        + COLUMNS
        + "FROM app.api_keys AS k) AS k WHERE (%(after)s::uuid IS NULL OR k.place < %(after)s)"
        + " ORDER BY k.place DESC LIMIT %(limit)s + 1 OFFSET %(offset)s",
        page.params(),
        IssuedKey,
    )


def count() -> Query[Count]:
    return Query("SELECT count(*) FROM app.api_keys", {}, Count)


def get(id: str) -> Query[IssuedKey]:
    return Query("SELECT" + COLUMNS + "FROM app.api_keys AS k WHERE k.id = %(id)s", {"id": id}, IssuedKey)


def revoke(id: str, if_match: list[str] | None) -> Query[IssuedKey]:
    """At once and for good, with those that it was rotated from. The key stays in the list, with its end."""
    return Query(
        "SELECT" + COLUMNS + "FROM app.revoke_key(%(id)s, %(if_match)s) AS k",
        {"id": id, "if_match": if_match},
        IssuedKey,
    )
