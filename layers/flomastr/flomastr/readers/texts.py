"""Files that are text already: plain, Markdown, HTML. They are only decoded."""

import codecs
from email.message import Message
from typing import Literal

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.knowledge.html import markdown_of
from flomastr.readers.extracted import Budget, Extracted, Part

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(data: bytes, content_type: Literal["text", "markdown", "html"], media_type: str = "") -> Extracted:
    """Raises UnprocessableError."""
    return Extracted([Part(Budget().take(decoded(data, media_type)))], content_type)


def decoded(data: bytes, media_type: str = "") -> str:
    """By its mark, else by the charset of its Content-Type, else UTF-8 or Windows-1252. Raises UnprocessableError."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if b"\0" in data:
        raise UnprocessableError("The file is no text: it holds bytes of zero.", ErrorCode.FILE_UNREADABLE)
    try:
        return data.decode(charset(media_type) or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return data.decode("cp1252", "replace")


def markdown(page: str) -> str:
    """Of HTML that a file holds. Raises UnprocessableError."""
    try:
        return markdown_of(page)
    except ValueError as error:
        raise UnprocessableError(f"The file {error}.", ErrorCode.FILE_TOO_LARGE) from error


def charset(media_type: str) -> str | None:
    """Of a Content-Type."""
    header = Message()
    header["Content-Type"] = media_type
    return header.get_content_charset()
