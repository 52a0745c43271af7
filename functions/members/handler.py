"""Members of a tenant over HTTP, and the invitations that make them."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Response

from flomastr.database.session import Database
from flomastr.errors import NotFound
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import OnceKey, enters_named
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message, UserId
from flomastr.http.paging import Page
from flomastr.tenancy import members
from flomastr.tenancy.members import Member, MemberChanges, NewMember

app = create_app("/routes/tenants/{slug}", "members")
Reading = Annotated[Database, enters_named("members:read")]
Writing = Annotated[Database, enters_named("members:write")]
Removing = Annotated[Database, enters_named("membership:write")]
Invited = Annotated[Database, enters_named("invitation:write")]
Whom = Annotated[UserId, Path(description="`mailto:` and the address of somebody who is invited by e-mail.")]
LAST_OWNER = conflict("The last owner stays.")


@app.post("/members", status_code=201, responses=conflict("This person is a member or invited already."))
async def invite_member(slug: str, new: NewMember, db: Writing, key: OnceKey, response: Response) -> Member:
    """By id or e-mail, pending until accepted; nobody gives a role above the own."""
    (member,) = db.once(members.invite(new), key)
    return created(member, response, f"/routes/tenants/{slug}/members/{quote(member.user_id)}")


@app.get("/members")
async def list_members(db: Reading, page: Page, response: Response) -> list[Member]:
    return page.of(members.newest(page), members.count(), db, response)


@app.get("/members/{user_id}")
async def get_member(user_id: Whom, db: Reading, known: IfNoneMatch, response: Response) -> Member:
    return tagged(db.one(members.get(user_id)), response, known)


@app.put("/members/{user_id}", responses=LAST_OWNER)
async def update_member(
    user_id: Whom, changes: MemberChanges, db: Writing, if_match: IfMatch, response: Response
) -> Member:
    return tagged(db.one(members.update(user_id, changes, if_match)), response)


@app.delete("/members/{user_id}", responses=LAST_OWNER)
async def remove_member(user_id: Whom, db: Removing, if_match: IfMatch) -> Message:
    """Members leave by themselves, and are removed by admins and owners. The last owner stays."""
    db.one(members.remove(user_id, if_match))
    return Message(message="The person no longer belongs to the tenant.")


@app.post("/invitation/accept", responses=conflict("You belong to the tenant already."))
async def accept_invitation(db: Invited, key: OnceKey, response: Response) -> Member:
    accepted = db.once(members.accept(), key)
    if not accepted:
        raise NotFound("There is no invitation for you.")
    return tagged(accepted[0], response)


@app.post("/invitation/decline")
async def decline_invitation(db: Invited, key: OnceKey) -> Message:
    if not db.once(members.decline(), key):
        raise NotFound("There is no invitation for you.")
    return Message(message="The invitation is declined.")


lambda_handler = http_handler(app)
