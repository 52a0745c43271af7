"""Values as versions of n8n, its database and its nodes write them: ids, moments, names, errors, and lists of items."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from flomastr.http.fields import MAX_NAME, Name, storable_moment, written_out
from flomastr.http.patterns import NO_NUL
from flomastr.workflows.cleaning import UNSTORABLE

MAX_MESSAGE = 100_000
DATABASE_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(UTC|[Zz]|[+-]\d\d(?::?\d\d)?)?")
SAID = ("message", "description", "name")  # of an error, in the order of what they tell

MARKERS = {  # each of n8n's forms has one of these
    "execution", "trigger", "eventName", "workflowId", "workflowData", "connections",
}  # fmt: skip
MAX_TAGS = 100
WRAPPERS = ("data", "results", "executions", "items", "rows", "json", "body")  # the first that is there holds the list
DEEPEST = 6  # of wrappers in each other: `[{"json": {"body": {"data": {"results": [...]}}}}]` has six


def as_text(id: Any) -> Any:
    """Ids are texts; some of n8n's forms give numbers."""
    return str(id) if type(id) is int else id


def id_of_another(id: Any) -> str | None:
    """What is no id is nothing: what a run tells of another one must not cost its own record."""
    if type(id) is int and 0 <= id < 2**63:
        return str(id)
    return id if isinstance(id, str) and len(id) <= 255 and id.isascii() and id.isprintable() and id else None


def as_error(error: Any) -> Any:
    """n8n's errors are objects; expressions and code of an error workflow make texts and nothing of them."""
    if error is None or isinstance(error, dict):
        return cast(Any, error)
    return {"message": error if isinstance(error, str) else json.dumps(error)}


def message_of(error: Any) -> str | None:
    """What an error says: its message, which may be an object with a message in it, else its description or name."""
    if not isinstance(error, dict):
        return shortened(as_error(error)["message"]) if error not in (None, "") else None
    fields = cast(dict[str, Any], error)
    for name in SAID:
        said = fields.get(name)
        if isinstance(said, str) and said.strip():
            return shortened(said)
    said = fields.get("message")
    nested = message_of(said) if isinstance(said, dict) else None
    return nested or (shortened(json.dumps(said)) if said else None)


def shortened(message: str) -> str:
    return message[:MAX_MESSAGE]


def message_as_text(message: Any) -> Any:
    return message if message is None or isinstance(message, str) else json.dumps(message)


def database_moment(value: Any) -> Any:
    """A moment of an export, which is UTC where it names no offset; an empty cell is none. Raises ValueError."""
    if value in (None, ""):
        return None
    match = DATABASE_MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return written_out(value)
    day, clock, offset = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{'' if offset == 'UTC' else (offset or '').upper()}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def object_of_json(value: Any) -> Any:
    """An export has objects as texts, and what is no object says nothing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return cast(Any, value) if isinstance(value, dict) else None


def is_true(value: Any) -> bool:
    """As JSON, SQLite, MySQL and Postgres write it."""
    return value is True or value == 1 or str(value).lower() in ("true", "t", "1")


def true_or_not(value: Any) -> bool | None:
    """None: it is not said."""
    return None if value in (None, "") else is_true(value)


def names_of(tags: Any) -> list[str] | None:
    """Of n8n's tags those that can be stored, each once and in the order of their names. None: it has not said any."""
    if not isinstance(tags, list):
        return None
    names = set[str]()
    for tag in cast(list[Any], tags):
        name = cast(dict[str, Any], tag).get("name") if isinstance(tag, dict) else tag
        if isinstance(name, str) and name.strip() and not UNSTORABLE.search(name):
            names.add(name[:MAX_NAME])
    return sorted(names)[:MAX_TAGS]


def items_in(posted: Any, levels: int = DEEPEST) -> Iterator[Any]:
    """The items of a page, of pages, of what nodes made of them, or the one that it is. A page may have none."""
    content = wrapped(posted)
    match content:
        case None:
            yield posted
        case [*listed] if levels and (listed or isinstance(posted, dict)):
            for one in listed:
                yield from items_in(one, levels - 1)
        case {} if levels:
            yield from items_in(content, levels - 1)
        case _:
            yield posted


def wrapped(posted: Any) -> Any:
    """The list or object within. None: it is an item itself."""
    if isinstance(posted, list):
        return cast(Any, posted)
    if not isinstance(posted, dict) or is_item(cast(dict[str, Any], posted)):
        return None
    fields = cast(dict[str, Any], posted)
    for name in WRAPPERS:
        if name in fields:
            return of_json(fields[name])
    return None


def is_item(fields: dict[str, Any]) -> bool:
    return bool(fields.keys() & MARKERS) or "id" in fields


def of_json(content: Any) -> Any:
    """The content; if it is a text of JSON, as an HTTP Request node may give it, what it says. None for all else."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return None
    return cast(Any, content) if isinstance(content, list | dict) else None


Id = Annotated[Name, BeforeValidator(as_text, json_schema_input_type=Name | int)]
OtherId = Annotated[str | None, BeforeValidator(id_of_another, json_schema_input_type=Any)]
Message = Annotated[
    str,
    StringConstraints(pattern=NO_NUL),
    AfterValidator(shortened),
    BeforeValidator(message_as_text, json_schema_input_type=Any),
]
Mode = Annotated[Name | None, BeforeValidator(none_if_empty)]
AnyName = Annotated[str, StringConstraints(pattern=NO_NUL)]  # the record says what fits and what it is called by
N8nMoment = Annotated[
    Annotated[AwareDatetime, AfterValidator(storable_moment)] | None,
    BeforeValidator(database_moment, json_schema_input_type=str | None),
]
