"""Members of a tenant: invited by id or e-mail, pending until they accept, with one of three roles."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import ConfigDict, JsonValue, model_validator

from flomastr.database.query import Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, Email, NewUserId
from flomastr.http.paging import KEYSET, PageRequest

type Role = Literal["owner", "admin", "member"]
type MemberStatus = Literal["active", "pending", "inactive"]


class Member(Resource):
    tenant_id: UUID
    user_id: str
    role: Role
    status: MemberStatus
    created_at: datetime
    updated_at: datetime | None


def required_text(name: str) -> JsonValue:
    """The JSON Schema of an object that has this text."""
    return {"required": [name], "properties": {name: {"type": "string"}}}


class NewMember(Body):
    """Somebody to invite, by id or by e-mail."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [required_text("user_id"), required_text("email")]})

    user_id: NewUserId | None = None
    email: Email | None = None
    role: Role = "member"

    @model_validator(mode="after")
    def is_somebody(self) -> Self:
        if (self.user_id is None) == (self.email is None):
            raise ValueError("exactly one of user_id and email is required")
        return self


class MemberChanges(Body):
    role: Role


COLUMNS = """
  m.id, m.tenant_id, m.user_id, m.role, m.status, m.created_at, m.updated_at, app.etag(m) AS etag
"""
OF_THE_TENANT = "m.tenant_id = (SELECT app.tenant())"
MY_INVITATION = "m.status = 'pending' AND m.user_id IN (app.person(), app.invited_person())"


def invite(new: NewMember) -> Query[Member]:
    """A membership that is pending until the person accepts it.

    409 `conflict` for who belongs to the tenant already. Refused with 403 `role_too_low` for a role above the caller's.
    """
    return Query(
        f"SELECT {COLUMNS} FROM app.invite_member(coalesce(%(user_id)s, app.invited(%(email)s)), %(role)s) AS m",
        new.model_dump(),
        Member,
        conflict="This person belongs to the tenant or is invited already.",
    )


def newest(page: PageRequest) -> Query[Member]:
    """A page of members, those who are invited or have left included, and one row beyond it."""
    return Query(
        f"SELECT {COLUMNS} FROM app.tenant_memberships AS m WHERE {OF_THE_TENANT} AND {KEYSET}",
        page.params(),
        Member,
    )


def count() -> Query[Count]:
    """How many `newest` lists, on all pages."""
    return Query(f"SELECT count(*) FROM app.tenant_memberships AS m WHERE {OF_THE_TENANT}", {}, Count)


def get(user_id: str) -> Query[Member]:
    """No row: the tenant has no such member."""
    return Query(
        f"SELECT {COLUMNS} FROM app.tenant_memberships AS m WHERE {OF_THE_TENANT} AND m.user_id = %(user_id)s",
        {"user_id": user_id},
        Member,
    )


def update(user_id: str, changes: MemberChanges, if_match: list[str] | None) -> Query[Member]:
    """Who changes the role of an invited person becomes the one who invited."""
    return Query(
        f"""
        WITH invitation AS (
          UPDATE app.invitations SET invited_by = DEFAULT WHERE user_id = %(user_id)s
        )
        UPDATE app.tenant_memberships AS m
        SET role = %(role)s, updated_at = now()
        WHERE m.user_id = %(user_id)s
          AND app.require_rank(m.role)
          AND app.require_rank(%(role)s)
          AND app.require_match(app.etag(m), %(if_match)s)
        RETURNING {COLUMNS}
        """,
        {"user_id": user_id, "role": changes.role, "if_match": if_match},
        Member,
    )


def remove(user_id: str, if_match: list[str] | None) -> Query[Deleted]:
    """For the member itself, or an admin or owner.

    Under a legal hold the member becomes inactive instead, since preferences are deleted with the row.
    """
    return Query(
        """
        WITH ended AS (
          SELECT m.id, app.is_held(m.tenant_id) AS is_held
          FROM app.tenant_memberships AS m
          WHERE m.user_id = %(user_id)s
            AND CASE m.user_id WHEN app.person() THEN true ELSE app.require_rank(m.role) END
            AND app.require_match(app.etag(m), %(if_match)s)
        ),
        kept AS (
          UPDATE app.tenant_memberships AS m SET status = 'inactive', updated_at = now()
          FROM ended WHERE m.id = ended.id AND ended.is_held
        ),
        removed AS (
          DELETE FROM app.tenant_memberships AS m USING ended WHERE m.id = ended.id AND NOT ended.is_held
        )
        SELECT id FROM ended
        """,
        {"user_id": user_id, "if_match": if_match},
        Deleted,
    )


def accept() -> Query[Member]:
    """Makes the invited person a member. Refused with 409 `invitation_is_void` if who invited may no longer."""
    return Query(
        f"SELECT {COLUMNS} FROM app.accept_invitation() AS m",
        {},
        Member,
        conflict="You belong to this tenant already: decline the other invitation.",
    )


def decline() -> Query[Deleted]:
    """Deletes the invitation. No row: there is none."""
    return Query(f"DELETE FROM app.tenant_memberships AS m WHERE {MY_INVITATION} RETURNING m.id", {}, Deleted)
