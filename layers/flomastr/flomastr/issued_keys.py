"""API keys as a tenant manages them: issued with scopes and an end, rotated, revoked. A secret is shown once."""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from flomastr.api_keys import ApiKey, derived_key, new_key
from flomastr.errors import Conflict
from flomastr.etags import Listed
from flomastr.fields import A_NUMBER, Body, Moment, Name, TenantName
from flomastr.flight import Entry, Query
from flomastr.idempotency import IdempotencyKey
from flomastr.paging import PageRequest
from flomastr.rows import Count
from flomastr.settings import signing_key
from flomastr.webhooks import signing_secret, whsec

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
]


def ahead(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("lies in the past")
    return moment


class IssuedKey(Listed):
    id: str
    place: UUID = Field(exclude=True)
    tenant_id: UUID
    name: str
    scopes: list[Scope]
    requests_per_minute: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None


class ShownKey(IssuedKey):
    """With its secrets, which are shown here and nowhere else."""

    token: str = ""
    signing_secret: str = ""


class NewKey(Body):
    tenant_id: TenantName | None = None
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)]
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000), A_NUMBER] | None = None  # beside the tenant's
    expires_at: Annotated[Moment, AfterValidator(ahead)] | None = None


class Rotation(Body):
    grace_seconds: Annotated[
        int, Field(ge=0, le=MAX_GRACE, description="For so long the old key goes on."), A_NUMBER
    ] = 86_400


COLUMNS = """
  k.id, app.uuid7(k.created_at, md5(k.id)::uuid) AS place, k.tenant_id, k.name, k.scopes, k.requests_per_minute,
  k.created_by, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.replaced_by,
  app.etag(to_jsonb(k) - 'last_used_at') AS etag
"""


def key_for(entry: Entry, once: IdempotencyKey | None) -> ApiKey:
    """A new key; under an Idempotency-Key always the same, so that nothing secret is stored with the answer."""
    if once is None:
        return new_key()
    request = f"api key {entry.caller.user_id} {entry.tenant} {once.key} ".encode() + once.fingerprint
    return derived_key(hmac.digest(signing_key(), request, "sha512"))


def secrets(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "secret_hash": key.secret_hash,
        "signing_hash": sha256(signing_secret(key.id)).digest(),
    }


def shown(issued: ShownKey, key: ApiKey) -> ShownKey:
    """Raises Conflict if it cannot be shown again: the request was repeated, but named its tenant in another way."""
    if issued.id != key.id:
        raise Conflict("The key has been made, and its secret cannot be shown again: rotate it.", "secret_was_shown")
    return issued.model_copy(update={"token": key.token(), "signing_secret": whsec(signing_secret(key.id))})


def create(new: NewKey, key: ApiKey) -> Query[ShownKey]:
    return Query(
        "INSERT INTO app.api_keys AS k"
        " (id, tenant_id, name, secret_hash, signing_hash, scopes, requests_per_minute, created_by, expires_at)"
        " VALUES (%(id)s, app.tenant(), %(name)s, %(secret_hash)s, %(signing_hash)s, %(scopes)s,"
        "  %(requests_per_minute)s, current_setting('app.actor'), %(expires_at)s)"
        " RETURNING" + COLUMNS,
        new.model_dump() | secrets(key),
        ShownKey,
    )


def rotate(old_id: str, rotation: Rotation, key: ApiKey) -> Query[ShownKey]:
    return Query(
        "SELECT"
        + COLUMNS
        + "FROM app.rotate_key(%(old_id)s, %(id)s, %(secret_hash)s, %(signing_hash)s,"
        + "  make_interval(secs => %(grace_seconds)s)) AS k",
        rotation.model_dump() | secrets(key) | {"old_id": old_id},
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
    """At once and for good. The key stays in the list, with its end."""
    return Query(
        "UPDATE app.api_keys AS k SET revoked_at = coalesce(k.revoked_at, now())"
        " WHERE k.id = %(id)s AND app.require_match(app.etag(to_jsonb(k) - 'last_used_at'), %(if_match)s) RETURNING"
        + COLUMNS,
        {"id": id, "if_match": if_match},
        IssuedKey,
    )
