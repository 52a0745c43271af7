"""Global roles, by verified e-mail. Super admins run the platform; the other roles are for its applications to read."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from flomastr.database.query import Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, Email
from flomastr.http.paging import KEYSET, PageRequest

type GlobalRole = Literal["user", "admin", "super_admin"]


class User(Resource):
    email: str
    role: GlobalRole
    assigned_by: str | None
    assigned_at: datetime
    created_at: datetime
    updated_at: datetime | None


class NewUser(Body):
    email: Email
    role: GlobalRole = "user"


class UserChanges(Body):
    role: GlobalRole


COLUMNS = """
  u.id, u.email, u.role, u.assigned_by, u.created_at AS assigned_at, u.created_at, u.updated_at, app.etag(u) AS etag
"""


def create(new: NewUser) -> Query[User]:
    """Gives a person a global role, whether the person has signed in before or not. 409 `conflict` if there is one."""
    return Query(
        f"""
        INSERT INTO app.user_roles AS u (email, role, assigned_by)
        VALUES (%(email)s, %(role)s, nullif(current_setting('app.email'), ''))
        RETURNING {COLUMNS}
        """,
        new.model_dump(),
        User,
        conflict="body.email: this person has a role already.",
    )


def newest(page: PageRequest) -> Query[User]:
    """A page of people with a global role, and one row beyond it."""
    return Query(f"SELECT {COLUMNS} FROM app.user_roles AS u WHERE {KEYSET}", page.params(), User)


def count() -> Query[Count]:
    """How many people have a global role."""
    return Query("SELECT count(*) FROM app.user_roles", {}, Count)


def get(id: UUID) -> Query[User]:
    """No row: nobody has a role under that id."""
    return Query(f"SELECT {COLUMNS} FROM app.user_roles AS u WHERE u.id = %(id)s", {"id": id}, User)


def update(id: UUID, changes: UserChanges, if_match: list[str] | None) -> Query[User]:
    """No row: nobody has a role under that id. Refused with 412, 409 `last_super_admin`."""
    return Query(
        f"""
        UPDATE app.user_roles AS u
        SET role = %(role)s, assigned_by = nullif(current_setting('app.email'), ''), updated_at = now()
        WHERE u.id = %(id)s AND app.require_match(app.etag(u), %(if_match)s)
        RETURNING {COLUMNS}
        """,
        {"id": id, "role": changes.role, "if_match": if_match},
        User,
    )


def delete(id: UUID, if_match: list[str] | None) -> Query[Deleted]:
    """No row: nobody has a role under that id. Refused with 412, 409 `last_super_admin`."""
    return Query(
        """
        DELETE FROM app.user_roles AS u
        WHERE u.id = %(id)s AND app.require_match(app.etag(u), %(if_match)s)
        RETURNING u.id
        """,
        {"id": id, "if_match": if_match},
        Deleted,
    )
