"""Webchat sessions over HTTP."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message, Name
from flomastr.http.paging import Page
from flomastr.workflows import webchat
from flomastr.workflows.webchat import AppendedMessages, Filter, NewMessages, NewSession, WebchatSession

app = create_app("/routes/webchat/sessions", "webchat")
Reading = Annotated[Database, tenant_db("webchat:read")]
Writing = Annotated[Database, tenant_db("webchat:write")]
Key = Annotated[Name, Path()]
OPEN: dict[int | str, dict[str, Any]] = {200: {"description": "Open already.", "model": WebchatSession}}


@app.post("", status_code=201, responses=OPEN)
async def open_session(new: NewSession, db: Writing, key: IdempotencyKeyHeader, response: Response) -> WebchatSession:
    """The one session of this user with this workflow, made if there is none."""
    (session,) = db.idempotent(webchat.open_session(new), key)
    if not session.is_new:
        response.status_code = 200
    return created(session, response, f"/routes/webchat/sessions/{session.session_key}")


@app.get("")
async def list_sessions(
    db: Reading, matching: Annotated[Filter, Query()], page: Page, response: Response
) -> list[WebchatSession]:
    """Without their messages."""
    return page.of(webchat.newest(matching, page), webchat.count(matching), db, response)


@app.get("/{session_key}")
async def get_session(session_key: Key, db: Reading, known: IfNoneMatch, response: Response) -> WebchatSession:
    return tagged(db.one(webchat.get(session_key)), response, known)


@app.delete("/{session_key}", responses=conflict(HELD))
async def delete_session(session_key: Key, db: Writing, if_match: IfMatch) -> Message:
    db.one(webchat.delete(session_key, if_match))
    return Message(message="The session and its messages are deleted.")


@app.post("/{session_key}/messages", status_code=201, responses=conflict("The session is full: open it anew."))
async def append_messages(
    session_key: Key, new: NewMessages, db: Writing, key: IdempotencyKeyHeader
) -> AppendedMessages:
    """In their order. A session takes 1,000 messages and 1,000,000 bytes; a full one is deleted and opened anew."""
    (appended,) = db.idempotent(webchat.append(session_key, new), key)
    return appended


lambda_handler = http_handler(app)
