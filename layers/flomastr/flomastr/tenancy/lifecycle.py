"""States of a tenant: provisioned, suspended, deleted, undeleted, erased. Each action is recorded, with who and why."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from flomastr.database.query import Query
from flomastr.http.fields import Body, Email, Name, NewUserId, Slug, TenantName
from flomastr.http.patterns import NO_NUL
from flomastr.tenancy.slugs import NewSlug
from flomastr.tenancy.tenants import HttpUrl, TenantStatus

type Action = Literal["suspend", "reactivate", "soft_delete", "restore", "hard_delete"]  # restore: undelete
type Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL)]


class StateChange(Body):
    tenant_id: TenantName
    reason: Reason | None = None


class HardDelete(Body):
    """For ever: the slug is typed back. Erasing takes its time, and nothing stops it."""

    tenant_id: TenantName
    reason: Reason
    confirm: Slug


class ChangedTenant(BaseModel):
    tenant_id: UUID
    action: Action
    status: TenantStatus | Literal["deleted", "being erased"]
    message: str
    timestamp: datetime


class TenantAction(BaseModel):
    """One thing that was done to a tenant."""

    action: Action | Literal["provision"]
    reason: str | None
    actor: str
    created_at: datetime


class TenantState(BaseModel):
    tenant_id: UUID
    slug: str
    name: str
    status: TenantStatus
    is_suspended: bool
    is_soft_deleted: bool
    is_being_erased: bool
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    actions: list[TenantAction]  # the last twenty, newest first


class Provision(Body):
    tenant_slug: NewSlug
    owner_email: Email
    owner_user_id: NewUserId | None = None
    tenant_name: Name | None = None
    n8n_url: HttpUrl | None = None


class Provisioned(BaseModel):
    tenant_id: UUID
    tenant_slug: str
    owner_user_id: str
    owner_email: str
    membership_id: UUID
    success: Literal[True] = True
    message: str


def change(action: Action, tenant: str, reason: str | None, confirm: str | None = None) -> Query[ChangedTenant]:
    """Takes the tenant (slug or id) to the action's state. Refused with 404, 409 `wrong_state` or `legal_hold`, 422."""
    return Query(
        """
        SELECT
          tenant_id, action, status, created_at AS timestamp,
          format('The tenant is %%s.', status)
          || CASE status WHEN 'being erased' THEN ' GET /routes/erasures has its progress.' ELSE '' END AS message
        FROM app.change_tenant_state(%(tenant)s, %(action)s, %(reason)s, %(confirm)s)
        """,
        {"tenant": tenant, "action": action, "reason": reason, "confirm": confirm},
        ChangedTenant,
    )


def status(tenant: str) -> Query[TenantState]:
    """Of a tenant (slug or id), a deleted one too, with its last 20 actions. No row: there is none."""
    return Query(
        """
        SELECT
          t.id AS tenant_id, t.slug, t.name, t.status, t.status = 'suspended' AS is_suspended,
          t.deleted_at IS NOT NULL AS is_soft_deleted,
          EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = t.id AND e.user_id IS NULL) AS is_being_erased,
          t.deleted_at, t.created_at, t.updated_at, (
            SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.id DESC), '[]')
            FROM (SELECT * FROM app.tenant_actions AS a WHERE a.tenant_id = t.id ORDER BY a.id DESC LIMIT 20) AS a
          ) AS actions
        FROM app.tenants AS t
        WHERE t.slug = lower(%(tenant)s) OR t.id = app.id_in(%(tenant)s)
        """,
        {"tenant": tenant},
        TenantState,
    )


def provision(new: Provision) -> Query[Provisioned]:
    """Creates a tenant with an owner, who is invited if only the e-mail is known."""
    return Query(
        """
        SELECT
          p.*, %(owner_email)s AS owner_email,
          CASE WHEN %(owner_user_id)s::text IS NULL THEN 'The tenant waits for its owner to accept the invitation.'
          ELSE 'The tenant is ready.' END AS message
        FROM app.provision_tenant(
          %(tenant_slug)s, %(tenant_name)s, %(n8n_url)s, %(owner_email)s, %(owner_user_id)s
        ) AS p
        """,
        new.model_dump() | {"tenant_name": new.tenant_name or new.tenant_slug},
        Provisioned,
        conflict="body.tenant_slug: it is taken.",
    )
