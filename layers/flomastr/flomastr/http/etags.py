"""ETags on single resources: If-None-Match answers 304, If-Match lets a write happen to no other state."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Response
from pydantic import BaseModel, Field

from flomastr.errors import NotModifiedError
from flomastr.http.patterns import ANYTHING, NO_NUL


class Versioned(BaseModel):
    """What comes with `app.etag` of its row. The tag is a header, not a field."""

    etag: str = Field(default="", exclude=True)


class ListItem(Versioned):
    """A row of a list, which is in the order of `sort_key`: the id, unless the model says another column."""

    sort_key: UUID = Field(exclude=True, validation_alias="id")
    is_sign: bool = Field(default=False, exclude=True)  # that there is a next page, which begins with it


class Resource(ListItem):
    """A row with a UUIDv7 of its own."""

    id: UUID


def tags_in(header: str | None) -> list[str] | None:
    """The tags of If-Match or If-None-Match. None without the header: then any state will do."""
    if header is None:
        return None
    return [unquoted(tag.strip()) for tag in header.split(",")]


def unquoted(tag: str) -> str:
    """`*` means any state; an ETag that is written "*" is one that no state has."""
    return tag if tag == '"*"' else tag.strip('"')


async def if_match(
    if_match: Annotated[
        str | None, Header(pattern=NO_NUL, description="Write only if the ETag is still this one.")
    ] = None,
) -> list[str] | None:
    return tags_in(if_match)


async def if_none_match(
    if_none_match: Annotated[str | None, Header(description="Answer 304 if the ETag is still this one.")] = None,
) -> list[str]:
    return [tag.removeprefix('W/"') for tag in tags_in(if_none_match) or []]


async def if_new(
    if_none_match: Annotated[
        str | None, Header(pattern=ANYTHING, description="`*`: write only if there is none yet.")
    ] = None,
) -> bool:
    return if_none_match is not None


IfMatch = Annotated[list[str] | None, Depends(if_match)]
IfNoneMatch = Annotated[list[str], Depends(if_none_match)]
IfNew = Annotated[bool, Depends(if_new)]


def tagged[Row: Versioned](resource: Row, response: Response, known: list[str] | None = None) -> Row:
    """The resource with its ETag header. Raises NotModifiedError when the caller knows it."""
    header = {"ETag": f'"{resource.etag}"'}
    if known and (resource.etag in known or "*" in known):
        raise NotModifiedError(headers=header)
    response.headers.update(header)
    return resource


def created[Row: Versioned](resource: Row, response: Response, location: str) -> Row:
    """A new resource with its ETag and Location."""
    response.headers["Location"] = location
    return tagged(resource, response)
