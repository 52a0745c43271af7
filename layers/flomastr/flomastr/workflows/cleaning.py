"""What Postgres cannot store of an execution: its data is cleaned and cut, so that the execution itself is recorded."""

import json
import math
import re
from collections.abc import Collection
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, Field

from flomastr.http.fields import MAX_DATA, MAX_JSON, Json, storable
from flomastr.large_data.objects import MARKER
from flomastr.settings import settings

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
CUT = "[cut]"
LONG = 1e40  # beyond it, and below its inverse, a number has more zeros than digits
LEVELS = 200  # of lists and objects, that can be stored
NAMED_LEVELS = 6  # which have n8n's names, or those of nodes
PART = 100_000  # characters


class DataNotes(BaseModel):
    """What of an execution is stored in another way than it was sent."""

    characters: int = Field(default=0, description="U+0000 and halves of surrogate pairs, in whose place is U+FFFD.")
    numbers: int = Field(default=0, description="Numbers kept as a text, such as 1e+300; null, if they are none.")
    cut: int = Field(
        default=0,
        description=f'What is kept as "[cut]", too deep or too large to store; and `{MARKER}`, which is left out.',
    )

    def __add__(self, other: "DataNotes") -> "DataNotes":
        return DataNotes(
            characters=self.characters + other.characters,
            numbers=self.numbers + other.numbers,
            cut=self.cut + other.cut,
        )


NOTHING = DataNotes()
OF_DATA = ("data", "execution_data")  # fields that may lie in object storage


def cleaned(value: Any, most: int = MAX_JSON) -> tuple[Any, DataNotes]:
    """What can be stored of a value of JSON, of at most so many characters, and what had to be changed for that."""
    notes = DataNotes()
    if isinstance(value, dict) and MARKER in value:
        value = {name: one for name, one in cast(Json, value).items() if name != MARKER}
        notes.cut += 1
    try:
        return storable(clean(small(value, most, notes), LEVELS, notes), most), notes
    except ValueError:
        return {} if isinstance(value, dict) else CUT, DataNotes(cut=1)


def data_of_execution(data: Json) -> Json:
    """Raises ValueError, also for data that would name an object in storage, as rows alone do."""
    if MARKER in storable(data, most_of_data()):
        raise ValueError(f"has a field {MARKER}, which is kept for rows whose data lies in object storage")
    return data


def most_of_data() -> int:
    """Characters: where there is no object storage data has to fit into its row."""
    return MAX_DATA if settings().archive_bucket else MAX_JSON


ExecutionData = Annotated[dict[str, Any], AfterValidator(data_of_execution)]


def small(value: Any, most: int, notes: DataNotes) -> Any:
    """The value, or what of it is not large. Raises ValueError: it is large with small parts alone."""
    if length(value) <= most:
        return value
    kept = shrunk(value, NAMED_LEVELS, notes)
    if length(kept) > most:
        raise ValueError
    return kept


def length(value: Any) -> int:
    """In characters, as Postgres writes it, unless its numbers have many zeros."""
    return len(json.dumps(value, ensure_ascii=False))


def shrunk(value: Any, levels: int, notes: DataNotes) -> Any:
    """The value, or what of it is not large, by so many levels of its objects. What is left out is counted."""
    fields = cast(Json, value) if isinstance(value, dict) else None
    if not isinstance(value, dict | list | str) or length(value) <= PART:
        return cast(Any, value)
    if levels == 0 or fields is None:
        notes.cut += 1
        return CUT
    return {name: shrunk(one, levels - 1, notes) for name, one in fields.items()}


def clean(value: Any, levels: int, notes: DataNotes) -> Any:
    """A copy of a value of JSON with so many levels. What is changed is counted in `notes`."""
    if isinstance(value, str):
        return clean_text(value, notes)
    if isinstance(value, float):
        return clean_number(value, notes)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        notes.cut += 1
        return CUT
    if isinstance(value, list):
        return [clean(one, levels - 1, notes) for one in cast(list[Any], value)]
    fields = cast(Json, value)
    kept = {clean_text(name, notes): clean(one, levels - 1, notes) for name, one in fields.items()}
    notes.cut += len(fields) - len(kept)  # names that have become one
    return kept


def clean_text(text: str, notes: DataNotes) -> str:
    """A text that can be stored, with U+FFFD in place of each character that cannot, which is counted in `notes`."""
    text, replaced = UNSTORABLE.subn(REPLACEMENT, text)
    notes.characters += replaced
    return text


def clean_number(number: float, notes: DataNotes) -> float | str | None:
    if number == 0 or 1 / LONG < abs(number) < LONG:
        return number
    notes.numbers += 1
    return repr(number) if math.isfinite(number) else None


def with_cleaned(item: Any, names: Collection[str]) -> tuple[Any, DataNotes]:
    """The item, whose fields of these names are cleaned if it is an object."""
    if not isinstance(item, dict):
        return item, NOTHING
    item = cast(Json, item)
    fields = {
        name: cleaned(value, most_of_data() if name in OF_DATA else MAX_JSON)
        for name, value in item.items()
        if name in names
    }
    kept = {name: value for name, (value, _) in fields.items()}
    return item | kept, sum((notes for _, notes in fields.values()), NOTHING)
