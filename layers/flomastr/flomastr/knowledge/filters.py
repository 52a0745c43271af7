"""Filters of metadata: plain values that are contained, and operators, which become one jsonpath."""

import json
from typing import Annotated, Any, cast

from fastapi import Query as QueryParameter
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from flomastr.http.fields import Json, JsonObject, at_most, storable
from flomastr.http.patterns import NO_OPERATOR

COMPARED = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
MAX_CONTAINED = 1000  # bytes; `@>` compares lists each with each, and Postgres cannot stop it between
MAX_MEMBERS = 20  # of lists in what is contained, each of which is looked for in the whole list of each passage
MAX_FILTER = 4000  # bytes
MAX_CLAUSES = 20  # operators
MAX_VALUES = 100  # of all $in and $nin, each of which is compared with each member of a list in metadata

SCALAR: Json = {"type": ["string", "number", "boolean", "null"]}
ORDERED: Json = {"type": ["string", "number"]}
VALUES: Json = {"type": "array", "items": SCALAR, "minItems": 1, "maxItems": MAX_VALUES}
SCHEMA: Json = {
    "type": "object",
    "maxProperties": 1000,
    "additionalProperties": {
        "anyOf": [
            SCALAR,
            {"type": "array", "items": {}},
            {"type": "object", "additionalProperties": {}, "propertyNames": {"pattern": NO_OPERATOR}},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {"$eq": SCALAR, "$ne": SCALAR, "$exists": {"type": "boolean"}}
                | dict.fromkeys(COMPARED, ORDERED)
                | dict.fromkeys(("$in", "$nin"), VALUES),
            },
        ]
    },
    "description": (
        f"{MAX_CONTAINED:,} bytes of plain values, with {MAX_MEMBERS} members of lists; {MAX_FILTER:,} in all; "
        f"{MAX_CLAUSES} operators, {MAX_VALUES} values in $in and $nin."
    ),
}


def params(metadata: Json | None) -> Json:
    """Parameters of a statement: what is contained, and the condition. None: all metadata pass."""
    plain = contained(metadata or {})
    return {"contained": Jsonb(plain) if plain else None, "condition": condition(metadata or {})}


def is_operators(value: Any) -> bool:
    return isinstance(value, dict) and any(name.startswith("$") for name in cast(Json, value))


def contained(metadata: Json) -> Json | None:
    """What metadata must contain."""
    return {key: value for key, value in metadata.items() if not is_operators(value)} or None


def condition(metadata: Json) -> str | None:
    """The jsonpath that metadata must meet. Raises ValueError for what is no condition."""
    by_key = {key: cast(Json, value) for key, value in metadata.items() if is_operators(value)}
    if sum(map(len, by_key.values())) > MAX_CLAUSES:
        raise ValueError(f"has more than {MAX_CLAUSES} operators")
    listed = sum(
        len(cast(list[Any], value))
        for of_key in by_key.values()
        for value in of_key.values()
        if isinstance(value, list)
    )
    if listed > MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES} values in $in and $nin")
    clauses = [clause(key, name, value) for key, of_key in by_key.items() for name, value in of_key.items()]
    return " && ".join(clauses) or None


def clause(key: str, operator: str, value: Any) -> str:
    """One condition. Whatever cannot be compared is not equal. Raises ValueError."""
    path = f"$.{json.dumps(key)}"
    match operator:
        case "$gt" | "$gte" | "$lt" | "$lte":
            wanted = f"@ {COMPARED[operator]} {literal(value, operator, ordered=True)}"
        case "$exists" if isinstance(value, bool):
            return f"exists({path})" if value else f"!exists({path})"
        case "$eq" | "$ne":
            wanted = f"@ == {literal(value, operator)}"
        case "$in" | "$nin":
            wanted = " || ".join(f"@ == {literal(one, operator)}" for one in values(value, operator))
        case "$exists":
            raise ValueError("$exists is true or false")
        case _:
            raise ValueError(f"{operator[:20]} is no operator: $eq $ne $gt $gte $lt $lte $in $nin $exists")
    return f"{'!' if operator in ('$ne', '$nin') else ''}exists({path} ? ({wanted}))"


def values(value: Any, operator: str) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(cast(list[Any], value)) <= MAX_VALUES:
        raise ValueError(f"{operator} takes a list of 1 to {MAX_VALUES} values")
    return cast(list[Any], value)


def literal(value: Any, operator: str, *, ordered: bool = False) -> str:
    """A value as a jsonpath writes it, which is as JSON does. Raises ValueError."""
    if isinstance(value, dict | list) or (ordered and isinstance(value, bool | None)):
        raise ValueError(f"{operator} compares with {'a number or a text' if ordered else 'one value, not several'}")
    return json.dumps(value)


def checked(metadata: Json) -> Json:
    """The filter, if it is one. Raises ValueError."""
    condition(metadata)
    if len(json.dumps(contained(metadata))) > MAX_CONTAINED:
        raise ValueError(f"is larger than {MAX_CONTAINED:,} bytes of JSON without its operators")
    if members(contained(metadata)) > MAX_MEMBERS:
        raise ValueError(f"has lists with more than {MAX_MEMBERS} members in all: use $in for one of many values")
    return metadata


def members(value: Any) -> int:
    """How many values stand in lists."""
    if isinstance(value, dict):
        return sum(map(members, cast(Json, value).values()))
    return sum(1 + members(one) for one in cast(list[Any], value)) if isinstance(value, list) else 0


def read(text: str) -> Json:
    """The filter that a query string has as JSON. Raises ValueError."""
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise ValueError("is no JSON object")
    return checked(storable(cast(Json, metadata)))


def readable(text: str) -> str:
    """The text, if it is a filter. Raises ValueError."""
    read(text)
    return text


MetadataFilter = Annotated[JsonObject, at_most(MAX_FILTER), AfterValidator(checked), WithJsonSchema(SCHEMA)]
MetadataInQuery = Annotated[
    str,
    StringConstraints(max_length=MAX_FILTER),
    AfterValidator(readable),
    QueryParameter(
        description="A filter as that of a search, as JSON.", json_schema_extra={"format": "metadata-filter"}
    ),
]
