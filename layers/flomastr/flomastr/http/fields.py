"""Types of fields that Postgres can store and a message can explain: bounded text, JSON objects, moments."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self, cast
from unicodedata import normalize

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticSerializationError, to_json

from flomastr.http.patterns import EMAIL, INSTANCE, NO_NUL, ONE_LINE, SLUG, TENANT

JSON_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
PLUS_LOST = re.compile(r":[\d.]+ \d\d:?\d\d$")
WRITTEN_OUT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")
EXPONENT = re.compile(r"\de[+-](\d{2,3})(?=[,\]}])")
MAX_JSON = 5_000_000  # as Postgres writes it
MAX_DATA = 16_000_000  # characters of an execution's data, which lies in object storage
CLOSER_LOOK = MAX_JSON // 100  # no number of n bytes is longer than 100 n when it is written out
MAX_UNKNOWN = 20
MAX_METADATA = 250_000  # a page of 250 rows carries it
MAX_TINY_METADATA = 10_000  # of passages; up to about 4,000 it lies beside the vector, in the same page
MAX_NAME = 255
DECOMPOSED = 4  # characters that Unicode ever composes into one; normalizing many takes their number squared
type Json = dict[str, Any]

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
NOT_STORABLE = "must lie between 1970 and 9999"
DAY = timedelta(days=1)


def storable(value: dict[str, Any], most: int = MAX_JSON) -> dict[str, Any]:
    """A JSON object that Postgres stores and answers can carry, as it came. Raises ValueError with the reason.

    What has more than MAX_JSON characters is stored elsewhere, if so many are allowed.
    """
    try:
        written = to_json([[[[[value]]]]])  # as deep as answers put it, where pydantic gives up at 255 levels
    except PydanticSerializationError:
        return look_closer(value, most)
    if len(written) > CLOSER_LOOK or b"NaN" in written or b"Infinity" in written or b"\\u0000" in written:
        return look_closer(value, most)
    return value


def look_closer(value: dict[str, Any], most: int) -> dict[str, Any]:
    """At what may not be storable: it takes five times as long. Raises ValueError."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
        to_json([[[[[value]]]]])
    except (RecursionError, PydanticSerializationError):
        raise ValueError("is nested too deeply: 200 levels are safe") from None
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair, which is no character") from None
    except ValueError:
        raise ValueError("holds NaN, an infinity or an integer of more than 4,300 digits") from None
    if "\\u0000" in text and JSON_NUL.search(text):
        raise ValueError("holds the character U+0000, which cannot be stored")
    if len(text) > most or len(text) <= MAX_JSON < written_length(text):
        raise ValueError(f"is larger than {most:,} bytes with its numbers written out")
    return value


def written_length(text: str) -> int:
    """Postgres writes 1e300 with all its zeros."""
    return len(text) + sum(int(exponent) for exponent in EXPONENT.findall(text))


def at_most(size: int) -> AfterValidator:
    """Lets a JSON object of at most so many bytes pass, as Postgres writes it. The validator raises ValueError."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        if written_length(json.dumps(value)) > size:
            raise ValueError(f"is larger than {size:,} bytes of JSON")
        return value

    return AfterValidator(check)


def written_out(value: Any) -> Any:
    """Pydantic would take a number for seconds or milliseconds, as gives the nicer year. Raises ValueError."""
    if not isinstance(value, str) or not WRITTEN_OUT.match(value):
        raise ValueError("must be a date and time with an offset, such as 2026-01-31T12:00:00Z")
    if " " in value and PLUS_LOST.search(value):
        raise ValueError('must have no space before its offset: in a URL write "+" as "%2B"')
    return value


def is_a_number(value: Any) -> Any:
    """Pydantic takes "5" and true, or is strict and refuses 5.0, an integer to JSON Schema. Raises ValueError."""
    if isinstance(value, str | bool):
        raise ValueError("Input should be a valid integer")
    return value


JsonInteger = BeforeValidator(is_a_number)  # after the bounds of an int, which else do not show in its JSON Schema


def storable_moment(moment: datetime) -> datetime:
    """In UTC, since Postgres takes no offset of 16 hours or more. Raises ValueError before 1970 and from 9999 on."""
    try:
        in_utc = moment.astimezone(UTC)  # within one zone moments are compared in a tenth of the time
    except OverflowError:
        raise ValueError(NOT_STORABLE) from None
    if not EARLIEST <= in_utc <= LATEST:
        raise ValueError(NOT_STORABLE)
    return in_utc


def past_moment(moment: datetime) -> datetime:
    """The same, if a clock can have shown it. Raises ValueError."""
    return not_ahead(storable_moment(moment))


def is_ahead(moment: datetime) -> bool:
    """By so much that a clock must be wrong."""
    return moment > datetime.now(UTC) + DAY


def not_ahead(moment: datetime) -> datetime:
    """The moment, if a clock can have shown it. Raises ValueError."""
    if is_ahead(moment):
        raise ValueError("lies more than a day ahead")
    return moment


def in_nfc(value: Any) -> Any:
    """Composed, so that what looks like one name is one. What is too long as it stands is left to its bound."""
    if not isinstance(value, str) or len(value) > MAX_NAME * DECOMPOSED:
        return value
    return normalize("NFC", value)


Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)]
NfcName = Annotated[Name, BeforeValidator(in_nfc)]  # of what people find by its name, however they typed it
Text = Annotated[str, StringConstraints(max_length=100_000, pattern=NO_NUL)]
JsonObject = Annotated[dict[str, Any], AfterValidator(storable)]
Metadata = Annotated[JsonObject, at_most(MAX_METADATA)]
TinyMetadata = Annotated[JsonObject, at_most(MAX_TINY_METADATA)]
Title = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
Moment = Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(storable_moment)]
PastMoment = Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(past_moment)]
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=NO_NUL),
    Field(description="Of the IANA database, such as Europe/Berlin."),
]
Flag = Annotated[bool, Strict()]
DocumentName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME, pattern=ONE_LINE),
    BeforeValidator(in_nfc),
    Field(description="Any text of one line, kept in Unicode's NFC."),
]
TenantName = Annotated[str, Field(pattern=TENANT, description="Id or slug.")]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=ONE_LINE)]


def of_a_token(user_id: str) -> str:
    if user_id.isspace():
        raise ValueError("has nothing to read in it")
    if user_id.lower().startswith("mailto:"):
        raise ValueError("is an address: invite by email")
    return user_id


NewUserId = Annotated[UserId, AfterValidator(of_a_token)]

InstanceName = Annotated[str, StringConstraints(pattern=INSTANCE), Field(description="Of an n8n instance.")]

Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=248, pattern=EMAIL),
    AfterValidator(str.lower),
]

LIKE_AN_ID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")


def no_id(slug: str) -> str:
    if LIKE_AN_ID.fullmatch(slug):
        raise ValueError("has the form of a UUID, which a path would take for an id")
    return slug


Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=SLUG),
    AfterValidator(no_id),
    Field(description="Lower case letters, digits and hyphens. Not the form of a UUID, nor a word of the API's paths."),
]


class Body(BaseModel):
    """What a client sends: no unknown fields, so that a misspelt one is refused and not lost."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def has_few_unknown_fields(cls, value: Any) -> Any:
        """Each would have an error of its own, and a body has room for a million."""
        fields = cast(Json, value) if isinstance(value, dict) else {}
        if len(fields) > MAX_UNKNOWN and len(fields) > len(cls.model_fields) + MAX_UNKNOWN:
            raise ValueError(f"has {len(fields):,} fields, and may have {len(cls.model_fields)}")
        return cast(Any, value)


class Changes(Body):
    """A partial update: what is absent stays, an explicit null clears a field that may be null."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def has_any(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("There is nothing to change: name at least one field")
        return self


UNSET: Any = Field(default=None)  # of a field of Changes that may be absent but not null


class Message(BaseModel):
    message: str
