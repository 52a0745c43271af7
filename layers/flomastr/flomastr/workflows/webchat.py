"""Chats of a user with a workflow: the models and their SQL. Messages are numbered from 1, and only ever appended."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from flomastr.database.query import Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, Metadata, Name, TenantName, Text
from flomastr.http.paging import KEYSET, PageRequest

type ChatRole = Literal["user", "assistant", "system"]


class ChatMessage(BaseModel):
    id: int
    role: ChatRole
    content: str
    metadata: dict[str, Any] | None
    created_at: datetime


class WebchatSession(Resource):
    session_key: str
    tenant_id: UUID
    workflow_id: UUID
    user_id: str
    messages: list[ChatMessage] | None  # null in lists
    message_count: int
    created_at: datetime
    updated_at: datetime
    is_new: bool = Field(default=False, exclude=True)  # opened by this request, or by the one that it repeats


class NewSession(Body):
    tenant_id: TenantName | None = None
    workflow_id: UUID
    user_id: Name


class NewMessage(Body):
    role: ChatRole
    content: Text
    metadata: Metadata | None = None


class NewMessages(Body):
    messages: Annotated[list[NewMessage], Field(min_length=1, max_length=100)]


class AppendedMessages(BaseModel):
    """The new messages, and how many the session has with them."""

    session_key: str
    messages: list[ChatMessage]
    message_count: int


class Filter(BaseModel):
    workflow_id: UUID | None = None
    user_id: Name | None = None


COLUMNS = """
  s.id, s.session_key, s.tenant_id, s.workflow_id, s.user_id, s.message_count, s.created_at, s.updated_at
"""
WHOLE = f"{COLUMNS}, s.messages, app.etag(s) AS etag"
MATCHES = """
  (%(workflow_id)s::uuid IS NULL OR s.workflow_id = %(workflow_id)s)
  AND (%(user_id)s::text IS NULL OR s.user_id = %(user_id)s)
"""


def open_session(new: NewSession) -> Query[WebchatSession]:
    """The one session of this user with this workflow, made if it is missing."""
    return Query(
        f"""
        INSERT INTO app.webchat_sessions AS s (workflow_id, user_id) VALUES (%(workflow_id)s, %(user_id)s)
        ON CONFLICT (tenant_id, user_id, workflow_id) DO UPDATE SET updated_at = clock_timestamp()
        RETURNING {WHOLE}, s.updated_at = s.created_at AS is_new
        """,
        {"workflow_id": new.workflow_id, "user_id": new.user_id},
        WebchatSession,
        missing="body.workflow_id: there is no such workflow.",
        kept="jsonb_build_object('id', effect.id, 'is_new', effect.is_new)",
        reread=opened,
    )


def opened(kept: dict[str, Any]) -> Query[WebchatSession]:
    """What a repeat answers: the session as it is now, and whether it was new then."""
    return Query(
        f"SELECT {WHOLE}, %(is_new)s::boolean AS is_new FROM app.webchat_sessions AS s WHERE s.id = %(id)s",
        kept,
        WebchatSession,
    )


def newest(matching: Filter, page: PageRequest) -> Query[WebchatSession]:
    """A page of sessions without their messages, and one row beyond it as the sign of a next page."""
    return Query(
        f"SELECT {COLUMNS}, NULL AS messages FROM app.webchat_sessions AS s WHERE {MATCHES} AND {KEYSET}",
        matching.model_dump() | page.params(),
        WebchatSession,
    )


def count(matching: Filter) -> Query[Count]:
    """How many sessions match, on all pages."""
    return Query(f"SELECT count(*) FROM app.webchat_sessions AS s WHERE {MATCHES}", matching.model_dump(), Count)


def get(session_key: str) -> Query[WebchatSession]:
    """One session with its messages, by the key that the client chose. No row: there is none."""
    return Query(
        f"SELECT {WHOLE} FROM app.webchat_sessions AS s WHERE s.session_key = %(session_key)s",
        {"session_key": session_key},
        WebchatSession,
    )


def delete(session_key: str, if_match: list[str] | None) -> Query[Deleted]:
    """No row: there is none. Refused with 412, 409 `legal_hold`."""
    return Query(
        """
        DELETE FROM app.webchat_sessions AS s
        WHERE s.session_key = %(session_key)s AND app.require_match(app.etag(s), %(if_match)s)
        RETURNING s.id
        """,
        {"session_key": session_key, "if_match": if_match},
        Deleted,
    )


def append(session_key: str, new: NewMessages) -> Query[AppendedMessages]:
    """Numbers the messages from the session's last one on. Refused with 404, 409 `session_full`."""
    return Query(
        """
        SELECT %(session_key)s::text AS session_key, a.numbered AS messages, a.total AS message_count
        FROM app.append_messages(%(session_key)s, %(messages)s) AS a
        """,
        {"session_key": session_key, "messages": Jsonb([message.model_dump() for message in new.messages])},
        AppendedMessages,
        kept="""
          jsonb_build_object(
            'session_key', effect.session_key, 'message_count', effect.message_count,
            'first', effect.message_count - jsonb_array_length(effect.messages) + 1
          )
        """,
        reread=appended,
    )


def appended(kept: dict[str, Any]) -> Query[AppendedMessages]:
    """What a repeat answers: those messages as the session has them now. No row: it is gone."""
    return Query(
        """
        SELECT s.session_key, %(message_count)s::integer AS message_count, jsonb_path_query_array(
          s.messages, '$[*] ? (@.id >= $first && @.id <= $last)',
          jsonb_build_object('first', %(first)s::integer, 'last', %(message_count)s::integer)
        ) AS messages
        FROM app.webchat_sessions AS s WHERE s.session_key = %(session_key)s
        """,
        kept,
        AppendedMessages,
    )
