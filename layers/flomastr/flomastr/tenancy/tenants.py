"""Tenants: the models and their SQL. lifecycle.py provisions, suspends, deletes and undeletes them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints

from flomastr.database.query import Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import UNSET, Body, Changes, JsonInteger, Name
from flomastr.http.paging import KEYSET, PageRequest
from flomastr.http.patterns import HTTP_URL
from flomastr.tenancy.slugs import NewSlug

type TenantStatus = Literal["active", "inactive", "suspended"]
type HttpUrl = Annotated[str, StringConstraints(max_length=255, pattern=HTTP_URL)]
type Days = Annotated[int, Field(ge=1, le=365), JsonInteger]
type Fraction = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]


class Tenant(Resource):
    slug: str
    name: str
    status: TenantStatus
    n8n_url: str | None
    branding_settings: dict[str, Any]
    confidence_threshold: float
    hot_ttl_days: int
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime | None


class NewTenant(Body):
    slug: NewSlug
    name: Name
    n8n_url: HttpUrl | None = None
    confidence_threshold: Fraction = 0.8
    hot_ttl_days: Days = 30


class TenantChanges(Changes):
    name: Name = UNSET
    n8n_url: HttpUrl | None = None


class Filter(BaseModel):
    status: TenantStatus | None = None
    deleted: Annotated[bool, Field(description="The soft-deleted ones instead; super admins see them.")] = False


COLUMNS = """
  t.id, t.slug, t.name, t.status, t.n8n_url, t.confidence_threshold, t.hot_ttl_days, t.deleted_at, t.created_at,
  t.updated_at
"""
WHOLE = f"{COLUMNS}, t.branding_settings, app.etag(t) AS etag"
MATCHING = """
  (
    SELECT t.* FROM app.tenants AS t WHERE (SELECT app.on_platform())
    UNION ALL
    SELECT t.* FROM app.tenant_memberships AS m JOIN app.tenants AS t ON t.id = m.tenant_id
    WHERE NOT (SELECT app.on_platform()) AND m.user_id = (SELECT app.person()) AND m.status = 'active'
  ) AS t
  WHERE (%(status)s::text IS NULL OR t.status = %(status)s) AND (t.deleted_at IS NOT NULL) = %(deleted)s
"""


def create(new: NewTenant) -> Query[Tenant]:
    """A tenant without members. 409 `conflict` for a slug that is taken, also by a deleted tenant."""
    return Query(
        f"""
        INSERT INTO app.tenants AS t (slug, name, n8n_url, confidence_threshold, hot_ttl_days)
        VALUES (%(slug)s, %(name)s, %(n8n_url)s, %(confidence_threshold)s, %(hot_ttl_days)s)
        RETURNING {WHOLE}
        """,
        new.model_dump(),
        Tenant,
        conflict="body.slug: it is taken.",
    )


def newest(matching: Filter, page: PageRequest) -> Query[Tenant]:
    """All tenants for super admins, else the caller's own. Without logos, which are too large for a list."""
    return Query(
        f"""
        SELECT {COLUMNS}, t.branding_settings - 'logo_svg' AS branding_settings
        FROM {MATCHING} AND {KEYSET}
        """,
        matching.model_dump() | page.params(),
        Tenant,
    )


def count(matching: Filter) -> Query[Count]:
    """How many tenants match, on all pages."""
    return Query(f"SELECT count(*) FROM {MATCHING}", matching.model_dump(), Count)


def get() -> Query[Tenant]:
    """The tenant that the request is in, with its logo."""
    return Query(f"SELECT {WHOLE} FROM app.tenants AS t WHERE t.id = app.tenant()", {}, Tenant)


def update(changes: TenantChanges, if_match: list[str] | None) -> Query[Tenant]:
    """Fields that are not set stay. Refused with 412."""
    return Query(
        f"""
        UPDATE app.tenants AS t
        SET (name, n8n_url, updated_at) = (
          SELECT c.name, c.n8n_url, now() FROM jsonb_populate_record(t, %(changes)s) AS c
        )
        WHERE t.id = app.tenant() AND app.require_match(app.etag(t), %(if_match)s)
        RETURNING {WHOLE}
        """,
        {"changes": Jsonb(changes.model_dump(exclude_unset=True)), "if_match": if_match},
        Tenant,
    )


def delete(if_match: list[str] | None) -> Query[Deleted]:
    """A soft delete: nobody may use the tenant, and a super admin can undelete it."""
    return Query(
        """
        SELECT c.tenant_id AS id
        FROM app.tenants AS t, LATERAL app.change_tenant_state(t.slug, 'soft_delete', NULL) AS c
        WHERE t.id = app.tenant() AND app.require_match(app.etag(t), %(if_match)s)
        """,
        {"if_match": if_match},
        Deleted,
    )
