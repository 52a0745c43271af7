"""Global roles over HTTP, for super admins; and for everybody, who they are here."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, my_db, platform_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message, Name
from flomastr.http.paging import Page
from flomastr.tenancy import me, platform_users
from flomastr.tenancy.me import Identifier, MyRole, MyStatus, Resolved
from flomastr.tenancy.platform_users import NewUser, User, UserChanges

app = create_app("/routes", "users")
Reading = Annotated[Database, platform_db("platform:read")]
Writing = Annotated[Database, platform_db("platform:write")]
Myself = Annotated[Database, my_db("me:read")]
LAST = conflict("The last super admin stays.")


@app.post("/users", status_code=201, responses=conflict("This person has a role already."))
async def create_user(new: NewUser, db: Writing, key: IdempotencyKeyHeader, response: Response) -> User:
    (user,) = db.idempotent(platform_users.create(new), key)
    return created(user, response, f"/routes/users/{user.id}")


@app.get("/users")
async def list_users(db: Reading, page: Page, response: Response) -> list[User]:
    return page.of(platform_users.newest(page), platform_users.count(), db, response)


@app.get("/users/{user_role_id}")
async def get_user(user_role_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> User:
    return tagged(db.one(platform_users.get(user_role_id)), response, known)


@app.put("/users/{user_role_id}", responses=LAST)
async def update_user(
    user_role_id: UUID, changes: UserChanges, db: Writing, if_match: IfMatch, response: Response
) -> User:
    return tagged(db.one(platform_users.update(user_role_id, changes, if_match)), response)


@app.delete("/users/{user_role_id}", responses=LAST)
async def delete_user(user_role_id: UUID, db: Writing, if_match: IfMatch) -> Message:
    db.one(platform_users.delete(user_role_id, if_match))
    return Message(message="The person has no global role any more.")


@app.get("/me/role")
async def get_my_role(db: Myself) -> MyRole:
    return db.one(me.role())


@app.get("/api/v1/users/me/status")
async def get_my_status(db: Myself) -> MyStatus:
    """With memberships and invitations, and the claims that the token lacks for these."""
    return db.one(me.status(db.access.caller.lacks))


@app.get("/resolve-tenant")
async def get_my_tenant(
    db: Myself, identifier: Annotated[Name | None, Query(description="Slug, id, or the own e-mail.")] = None
) -> Resolved:
    """Which of the own tenants is meant; without identifier the first."""
    return db.one(me.resolve(identifier))


@app.post("/resolve-tenant")
async def resolve_tenant(body: Identifier, db: Myself) -> Resolved:
    return db.one(me.resolve(body.identifier))


lambda_handler = http_handler(app)
