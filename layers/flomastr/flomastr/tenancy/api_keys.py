"""API keys of a tenant: issued with scopes and an expiry, rotated, revoked. A secret is shown once."""

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
from flomastr.http.fields import Body, InstanceName, JsonInteger, Moment, Name, TenantName
from flomastr.http.paging import PageRequest, keyset
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


def in_the_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("lies in the past")
    return moment


class IssuedKey(ListItem):
    id: str
    sort_key: UUID = Field(exclude=True)
    tenant_id: UUID
    name: str
    scopes: list[Scope]
    instance: str | None = Field(description="The n8n instance of what it delivers; null: the one that is named.")
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
    instance: InstanceName | None = None
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000), JsonInteger] | None = None  # beside the tenant's
    expires_at: Annotated[Moment, AfterValidator(in_the_future)] | None = None


class Rotation(Body):
    grace_seconds: Annotated[
        int, Field(ge=0, le=MAX_GRACE, description="For so long the old key goes on."), JsonInteger
    ] = 86_400


COLUMNS = """
  k.id, app.uuid7(k.created_at, md5(k.id)::uuid) AS sort_key, k.tenant_id, k.name, k.scopes, k.instance,
  k.rate_limit_per_minute, k.created_by, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.replaced_by,
  app.key_etag(k) AS etag
"""
SHOWN = f"{COLUMNS}, %(salt)s AS salt"
KEYSET_BY_SORT_KEY = keyset("sort_key")


def derive_key(salt: str) -> ApiKey:
    """The key with the secrets that the salt and the service's signing key make.

    Derived, so that a response repeated under its Idempotency-Key shows them again, though no secret was stored.
    """
    return derived_key(hmac.digest(signing_key(), f"api key {salt}".encode(), "sha512"))


def new_secrets() -> dict[str, Any]:
    """The columns of a new key, and the salt from which the service's signing key derives its secrets."""
    salt = token_hex(16)
    key = derive_key(salt)
    signing_hash = sha256(signing_secret(key.id)).digest()
    return {"id": key.id, "secret_hash": key.secret_hash, "signing_hash": signing_hash, "salt": salt}


def with_secrets(issued: ShownKey) -> ShownKey:
    """Raises ConflictError if the service's signing key has changed since the request was first sent."""
    key = derive_key(issued.salt)
    if issued.id != key.id:
        raise ConflictError(
            "The key has been made, and its secret cannot be shown again: rotate it.", ErrorCode.SECRET_WAS_SHOWN
        )
    return issued.model_copy(update={"token": key.token(), "signing_secret": whsec(signing_secret(key.id))})


def create(new: NewKey) -> Query[ShownKey]:
    """A key with its secrets, which `with_secrets` shows once."""
    return Query(
        f"""
        INSERT INTO app.api_keys AS k (
          id, tenant_id, name, secret_hash, signing_hash, scopes, instance, rate_limit_per_minute, created_by,
          expires_at
        )
        VALUES (
          %(id)s, app.tenant(), %(name)s, %(secret_hash)s, %(signing_hash)s, %(scopes)s, %(instance)s,
          %(rate_limit_per_minute)s, current_setting('app.actor'), %(expires_at)s
        )
        RETURNING {SHOWN}
        """,
        new.model_dump() | new_secrets(),
        ShownKey,
    )


def rotate(old_id: str, rotation: Rotation) -> Query[ShownKey]:
    """A key in place of an old one, which goes on for a while. Refused with 409 `key_is_rotated`, `key_has_ended`."""
    return Query(
        f"""
        SELECT {SHOWN}
        FROM app.rotate_key(
          %(old_id)s, %(id)s, %(secret_hash)s, %(signing_hash)s, make_interval(secs => %(grace_seconds)s)
        ) AS k
        """,
        rotation.model_dump() | new_secrets() | {"old_id": old_id},
        ShownKey,
    )


def newest(page: PageRequest) -> Query[IssuedKey]:
    """A page of keys, revoked ones included, without secrets, and one row beyond it."""
    return Query(
        f"SELECT * FROM (SELECT {COLUMNS} FROM app.api_keys AS k) AS k WHERE {KEYSET_BY_SORT_KEY}",
        page.params(),
        IssuedKey,
    )


def count() -> Query[Count]:
    """How many keys the tenant has had."""
    return Query("SELECT count(*) FROM app.api_keys", {}, Count)


def get(id: str) -> Query[IssuedKey]:
    """Without secrets. No row: the tenant has no such key."""
    return Query(f"SELECT {COLUMNS} FROM app.api_keys AS k WHERE k.id = %(id)s", {"id": id}, IssuedKey)


def revoke(id: str, if_match: list[str] | None) -> Query[IssuedKey]:
    """Ends the key at once, and the keys that it was rotated from. It stays in the list, with revoked_at."""
    return Query(
        f"SELECT {COLUMNS} FROM app.revoke_key(%(id)s, %(if_match)s) AS k",
        {"id": id, "if_match": if_match},
        IssuedKey,
    )
