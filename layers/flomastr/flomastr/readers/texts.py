"""Files that are text already: plain, Markdown, HTML. They are only decoded."""

import codecs
from email.message import Message
from typing import Literal

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.knowledge.html import markdown_of
from flomastr.readers.extracted import MAX_TEXT, Budget, Extracted, Part, too_much_text

# as Python names those of the WHATWG's encoding standard: others are rare, and decoding one may take its length squared
CHARSETS = {
    *("utf-8", "utf-16", "utf-16-be", "utf-16-le", "ascii", "mac-cyrillic", "mac-roman", "koi8-r", "koi8-u", "cp866"),
    *(f"iso8859-{part}" for part in range(1, 17)),
    *(f"cp{page}" for page in (874, 932, 949, 950, *range(1250, 1259))),
    *("big5", "big5hkscs", "gb2312", "gbk", "gb18030", "hz", "euc_jp", "euc_kr", "iso2022_jp", "shift_jis"),
}
MAX_BYTES = 4 * MAX_TEXT  # no charset takes more for a character
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(data: bytes, content_type: Literal["text", "markdown", "html"], media_type: str = "") -> Extracted:
    """Raises UnprocessableError."""
    return Extracted([Part(Budget().take(decoded(data, media_type)))], content_type)


def decoded(data: bytes, media_type: str = "") -> str:
    """By its mark, else by the charset of its Content-Type, else UTF-8 or Windows-1252. Raises UnprocessableError."""
    if len(data) > MAX_BYTES:
        raise too_much_text()
    for mark, name in MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if b"\0" in data:
        raise UnprocessableError("The file is no text: it holds bytes of zero.", ErrorCode.FILE_UNREADABLE)
    try:
        return data.decode(charset(media_type) or "utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def markdown(page: str) -> str:
    """Of HTML that a file holds. Raises UnprocessableError."""
    try:
        return markdown_of(page)
    except ValueError as error:
        raise UnprocessableError(f"The file {error}.", ErrorCode.FILE_TOO_LARGE) from error


def charset(media_type: str) -> str | None:
    """Of a Content-Type; None where it names none that is read."""
    header = Message()
    header["Content-Type"] = media_type
    try:
        codec = codecs.lookup(header.get_content_charset() or "").name
    except (LookupError, ValueError):
        return None
    return codec if codec in CHARSETS else None
