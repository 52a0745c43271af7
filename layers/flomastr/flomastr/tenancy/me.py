"""The signed-in person: global role, memberships and invitations, and which tenant a name stands for."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from flomastr.caller import Claim
from flomastr.database.query import Query
from flomastr.http.fields import Body, Name
from flomastr.tenancy.members import MemberStatus, Role
from flomastr.tenancy.platform_users import GlobalRole


class MyRole(BaseModel):
    email: str | None
    role: GlobalRole
    is_admin: bool
    is_super_admin: bool


class Membership(BaseModel):
    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    role: Role
    status: MemberStatus  # pending is an invitation


class MyStatus(BaseModel):
    user_id: str
    email: str | None
    missing_claims: list[Claim]  # why there is no e-mail: without it nobody is super admin, nor invited by e-mail
    is_super_admin: bool
    memberships: list[Membership]


class Identifier(Body):
    """What the caller has at hand: a slug or an id of a tenant, or the own e-mail."""

    identifier: Name


class Resolved(BaseModel):
    """Among the caller's own tenants: what belongs to others is not found."""

    tenant_slug: str | None
    tenant_name: str | None
    is_super_admin: bool
    found: bool


MY_TENANTS = """
  FROM app.tenant_memberships AS m
  JOIN app.tenants AS t ON t.id = m.tenant_id AND t.deleted_at IS NULL
"""
NO_PARAMETERS: dict[str, Any] = {}


def role() -> Query[MyRole]:
    """The person's global role, by the verified e-mail of the token."""
    return Query(
        """
        SELECT
          nullif(current_setting('app.email'), '') AS email, app.role() AS role,
          app.role() IN ('admin', 'super_admin') AS is_admin, app.role() = 'super_admin' AS is_super_admin
        """,
        NO_PARAMETERS,
        MyRole,
    )


def status(missing_claims: list[Claim]) -> Query[MyStatus]:
    """The person's role, memberships and invitations; `missing_claims` are those that the token lacks."""
    return Query(
        f"""
        SELECT
          app.person() AS user_id, nullif(current_setting('app.email'), '') AS email,
          %(missing_claims)s::text[] AS missing_claims,
          app.role() = 'super_admin' AS is_super_admin,
          (
            SELECT coalesce(jsonb_agg(jsonb_build_object('tenant_id', t.id, 'tenant_slug', t.slug,
              'tenant_name', t.name, 'role', m.role, 'status', m.status) ORDER BY m.id), '[]')
            {MY_TENANTS}
            WHERE m.user_id IN (app.person(), app.invited_person()) AND m.status IN ('active', 'pending')
          ) AS memberships
        """,
        {"missing_claims": missing_claims},
        MyStatus,
    )


def resolve(identifier: str | None) -> Query[Resolved]:
    """The person's tenant of this identifier; without one the first, as owner before admin before member."""
    return Query(
        f"""
        SELECT mine.slug AS tenant_slug, mine.name AS tenant_name, app.role() = 'super_admin' AS is_super_admin,
          mine.slug IS NOT NULL AS found
        FROM (SELECT) AS always
        LEFT JOIN LATERAL (
          SELECT t.slug, t.name
          {MY_TENANTS}
          WHERE m.user_id = app.person() AND m.status = 'active' AND (
            %(identifier)s::text IS NULL
            OR lower(%(identifier)s) IN (t.slug, lower(current_setting('app.email')))
            OR t.id = app.id_in(%(identifier)s)
          )
          ORDER BY app.rank(m.role) DESC, m.id
          LIMIT 1
        ) AS mine ON true
        """,
        {"identifier": identifier},
        Resolved,
    )
