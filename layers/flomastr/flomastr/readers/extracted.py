"""What a reader makes of a file."""

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from flomastr.errors import ErrorCode, UnprocessableError

MAX_TEXT = 500_000  # characters of one document
MAX_TITLE = 1000
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Part:
    """Text of a page, a slide or a sheet, and its number or name."""

    text: str
    place: int | str | None = None


@dataclass(frozen=True)
class Extracted:
    """Parts in their order. `places` is what their places are called in the metadata of passages: pages, say."""

    parts: list[Part]
    content_type: Literal["text", "markdown", "html"] = "text"
    places: str = ""
    title: str | None = None


@dataclass
class Budget:
    """Of characters: reading ends when a file has more than a document may have."""

    left: int = field(default=MAX_TEXT)

    def take(self, text: str) -> str:
        """The text without what Postgres cannot store. Raises UnprocessableError."""
        self.left -= len(text)
        if self.left < 0:
            raise too_much_text()
        return text.replace("\0", "").encode(errors="ignore").decode()


def written(extracted: Extracted) -> Extracted:
    """The same. Raises UnprocessableError where no part has a text."""
    if not any(part.text.strip() for part in extracted.parts):
        raise UnprocessableError("The file has no text.", ErrorCode.FILE_WITHOUT_TEXT)
    return extracted


def titled(extracted: Extracted) -> Extracted:
    """The same, with what the file calls itself as a document may be called: one line, and not too long."""
    said = " ".join((extracted.title or "")[: 10 * MAX_TITLE].split())
    return replace(extracted, title=UNSTORABLE.sub("", said)[:MAX_TITLE].strip() or None)


def too_much_text() -> UnprocessableError:
    """The error of a file with more text than a document may have."""
    return too_large(f"The file has more than {MAX_TEXT:,} characters of text.")


def too_large(what: str) -> UnprocessableError:
    """The error of a file that is beyond a bound, which the sentence names."""
    return UnprocessableError(f"{what} Send its parts.", ErrorCode.FILE_TOO_LARGE)
