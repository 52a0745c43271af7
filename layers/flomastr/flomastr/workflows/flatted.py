"""Data of an execution as n8n's database holds it: `flatted`, in which each object and text stands once."""

import json
import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Self, cast

from flomastr.http.fields import MAX_JSON, Json
from flomastr.workflows.cleaning import CUT, LEVELS

COMPRESSED = "gzip:base64:"
ANYWAY, TIMES, MOST = 100_000, 20, 2 * MAX_JSON  # characters; n8n's data are a tenth when they are compressed


@dataclass
class Room:
    """Characters that all items of a request may still unpack to. What is sent is what its caller is charged for."""

    left: int

    @classmethod
    def of(cls, body_bytes: int) -> Self:
        return cls(min(ANYWAY + TIMES * body_bytes, MOST))


def unpacked(data: Any, room: Room) -> tuple[Json | None, int]:
    """The object that a text or a list of flatted values stands for, or none; and how much of it is cut."""
    before = room.left
    try:
        values = json.loads(inflated(data, room)) if isinstance(data, str) else data
    except (ValueError, RecursionError, zlib.error):
        return None, 1
    if isinstance(values, dict):
        return cast(Json, values), 0
    if not isinstance(values, list) or not values or not isinstance(values[0], dict):
        return None, 1
    most = min(MAX_JSON // 2, before)
    known = cast(list[Any], values)
    flatted = Flatted(known, [size_of(value) for value in known], most)
    found = flatted.at(0, LEVELS)
    room.left = min(room.left, before - (most - flatted.left))
    return found, flatted.cut


def inflated(text: str, room: Room) -> str:
    """The text as it is, or of n8n's compressed form. Raises ValueError if it is too large, and zlib.error."""
    if not text.startswith(COMPRESSED):
        return text
    inflating = zlib.decompressobj(zlib.MAX_WBITS | 16)
    content = inflating.decompress(b64decode(text.removeprefix(COMPRESSED)), max(min(MAX_JSON, room.left), 1))
    room.left -= len(content)
    if inflating.unconsumed_tail:
        raise ValueError("is too large when it is inflated")
    return content.decode()


def size_of(value: Any) -> int:
    """In characters of JSON, about, without what it refers to."""
    if isinstance(value, dict):
        return 4 + sum(len(name) + 10 for name in cast(Json, value))
    if isinstance(value, list):
        return 4 + 10 * len(cast(list[Any], value))
    return 4 + len(str(value))


@dataclass
class Flatted:
    """Values that refer to each other by index, written as a text. Some refer to themselves, so all has a bound.

    What is written bounds how many references are followed, since each stands in something that was written.
    """

    values: list[Any]
    sizes: list[int]  # of the values, known before: many may refer to a large one
    left: int  # characters that may still be written
    cut: int = 0

    def at(self, index: int, levels: int) -> Any:
        size = self.sizes[index]
        if levels == 0 or size > self.left:
            self.cut += 1
            return CUT
        self.left -= size
        value = self.values[index]
        if isinstance(value, dict):
            fields = cast(Json, value)
            return {name: self.of(one, levels - 1) for name, one in fields.items()}
        if isinstance(value, list):
            return [self.of(one, levels - 1) for one in cast(list[Any], value)]
        return value

    def of(self, value: Any, levels: int) -> Any:
        """A text is the index of what it stands for."""
        if not isinstance(value, str):
            return value
        known = value.isascii() and value.isdecimal() and len(value) < 10 and int(value) < len(self.values)
        if known:
            return self.at(int(value), levels)
        self.cut += 1
        return CUT
