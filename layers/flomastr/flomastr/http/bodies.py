"""Bodies of JSON: read in one call, or left unread until it is known who sends them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from fastapi.exceptions import RequestValidationError
from pydantic_core import from_json
from starlette.requests import Request

from flomastr.http.delivery import GZIP, encoding_of, unpacked

MAX_DIGITS = 4300  # of an integer that Python reads: more take time that grows by the square


class JsonRequest(Request):
    """Its body is what was sent, unpacked if it is compressed, which only some functions let pass."""

    content: bytes | None = None
    posted: Any = None  # what its JSON says, which FastAPI reads before it solves dependencies, and validates after

    async def body(self) -> bytes:
        if self.content is None:
            sent = await super().body()
            self.content = unpacked(sent) if sent and encoding_of(self.headers) == GZIP else sent
        return self.content

    async def json(self) -> Any:
        self.posted = read_json(await self.body())
        return self.posted


@dataclass(frozen=True)
class Unread:
    """JSON that nobody has looked at yet, and may be compressed."""

    body: bytes
    is_packed: bool

    @classmethod
    def of(cls, body: Any) -> Self:
        """A validator. Raises ValueError for what was not sent as JSON."""
        if not isinstance(body, cls):
            raise ValueError("must be JSON")
        return body

    @cached_property
    def content(self) -> bytes:
        """Unpacked. Raises UnsupportedEncodingError."""
        return unpacked(self.body) if self.is_packed else self.body

    def read[Read](self, understand: Callable[[Any], Read]) -> Read:
        """What is understood of it. Raises RequestValidationError if it is no JSON, or if that raises ValueError."""
        content = self.content
        try:
            posted = read_json(content)
        except (ValueError, RecursionError) as error:
            raise invalid("json_invalid", error) from error
        try:
            return understand(posted)
        except ValueError as error:
            raise invalid("value_error", error) from error


def invalid(kind: str, error: Exception) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body",), "msg": str(error)}])


class UnreadRequest(Request):
    """FastAPI would read a body before it solves dependencies, which say who sends it: so the endpoint reads it.

    Its body is what was sent, since that is what is signed.
    """

    async def json(self) -> Any:
        return Unread(await self.body(), encoding_of(self.headers) == GZIP)


def read_json(body: bytes | bytearray) -> Any:
    """As Starlette reads it, in a third of the time. What pydantic refuses is left to Python, and to its errors."""
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body, parse_int=finite)


def finite(digits: str) -> int | float:
    """An integer; of too many digits an infinity, which no field takes, so that it is refused where it stands."""
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else float("inf")
