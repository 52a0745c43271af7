"""Members of a tenant over HTTP, and the invitations that make them."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.errors import NotFoundError
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db_from_path
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message, UserId
from flomastr.http.paging import Page
from flomastr.tenancy import members
from flomastr.tenancy.members import Member, MemberChanges, NewMember

app = create_app("/routes/tenants/{slug}", "members")
Reading = Annotated[Database, tenant_db_from_path("members:read")]
Writing = Annotated[Database, tenant_db_from_path("members:write")]
Removing = Annotated[Database, tenant_db_from_path("membership:write")]
Invited = Annotated[Database, tenant_db_from_path("invitation:write")]
Whom = Annotated[UserId, Query(description="`mailto:` and the address of somebody who is invited by e-mail.")]
LAST_OWNER = conflict("The last owner stays.")


@app.post("/members", status_code=201, responses=conflict("This person is a member or invited already."))
async def invite_member(
    slug: str, new: NewMember, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> Member:
    """By id or e-mail, pending until accepted; nobody gives a role above the own."""
    (member,) = db.idempotent(members.invite(new), key)
    return created(member, response, f"/routes/tenants/{slug}/member?{urlencode({'user_id': member.user_id})}")


@app.get("/members")
async def list_members(db: Reading, page: Page, response: Response) -> list[Member]:
    return page.of(members.newest(page), members.count(), db, response)


@app.get("/member")
async def get_member(user_id: Whom, db: Reading, known: IfNoneMatch, response: Response) -> Member:
    return tagged(db.one(members.get(user_id)), response, known)


@app.put("/member", responses=LAST_OWNER)
async def update_member(
    user_id: Whom, changes: MemberChanges, db: Writing, if_match: IfMatch, response: Response
) -> Member:
    return tagged(db.one(members.update(user_id, changes, if_match)), response)


@app.delete("/member", responses=LAST_OWNER)
async def remove_member(user_id: Whom, db: Removing, if_match: IfMatch) -> Message:
    """Members leave by themselves, and are removed by admins and owners. The last owner stays."""
    db.one(members.remove(user_id, if_match))
    return Message(message="The person no longer belongs to the tenant.")


@app.post("/invitation/accept", responses=conflict("You belong to the tenant already."))
async def accept_invitation(db: Invited, key: IdempotencyKeyHeader, response: Response) -> Member:
    accepted = db.idempotent(members.accept(), key)
    if not accepted:
        raise NotFoundError("There is no invitation for you.")
    return tagged(accepted[0], response)


@app.post("/invitation/decline")
async def decline_invitation(db: Invited, key: IdempotencyKeyHeader) -> Message:
    if not db.idempotent(members.decline(), key):
        raise NotFoundError("There is no invitation for you.")
    return Message(message="The invitation is declined.")


lambda_handler = http_handler(app)
