"""Lists of n8n's items, in whatever n8n's API, its nodes or an export have wrapped them."""

import json
from collections.abc import Iterator
from typing import Any, cast

MARKERS = {"execution", "trigger", "eventName", "workflowId", "workflowData"}  # each of n8n's forms has one of these
WRAPPERS = ("data", "results", "executions", "items", "rows", "json", "body")  # the first that is there holds the list
DEEPEST = 6  # of wrappers in each other: `[{"json": {"body": {"data": {"results": [...]}}}}]` has six


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
