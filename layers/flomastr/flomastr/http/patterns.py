"""Patterns of text fields, and a message for each, since a regular expression explains little to most people."""

from typing import Any

NO_NUL = r"^[^\x00]*$"
VISIBLE = r"^[^\x00]*[^\s\x00][^\x00]*$"
TENANT = r"^[0-9A-Za-z][0-9A-Za-z-]{0,62}$"
SLUG = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"
KEY_ID = r"^[0-9A-Za-z]{12}$"
USER_ID = r"^[!-.0-~]+$"  # the subject of a token, and `mailto:` for an invitation; it stands in paths
SUBJECT = r"^[^\x00-\x1f\x7f-\x9f]+$"  # what a token may call somebody: no control character
EMAIL = r"^[!-.0-?A-~]+@[!-.0-?A-~]+$"  # as that
DOCUMENT_NAME = r"^[^/\x00-\x1f\x7f]*[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$"
COLOUR = r"^#[0-9A-Fa-f]{6}$"
ANYTHING = r"^\*$"
HTTP_URL = r"^https?://[!-~]+$"

REFUSALS = {
    NO_NUL: "holds the character U+0000, which cannot be stored",
    VISIBLE: "has nothing to read in it, or holds the character U+0000",
    TENANT: "is neither the id nor the slug of a tenant",
    SLUG: "must be of lower case letters, digits and hyphens, and begin and end with none of these last",
    IDEMPOTENCY_KEY: "must be 1 to 255 characters of printable ASCII without spaces",
    KEY_ID: "is not the id of a key, which is 12 letters and digits",
    USER_ID: "must be of printable ASCII without spaces and slashes",
    SUBJECT: "must not hold a control character",
    EMAIL: "is not an e-mail address of printable ASCII without spaces and slashes",
    DOCUMENT_NAME: "must not hold a slash or a control character, nor be of dots alone",
    COLOUR: "is not a colour such as #1a2b3c",
    ANYTHING: "must be *",
    HTTP_URL: "is not an address that begins with http:// or https://, in ASCII and without spaces",
}


def message(error: Any) -> str:
    """What is wrong with a value, of one of the errors in which pydantic has it."""
    return REFUSALS.get(error.get("ctx", {}).get("pattern")) or str(error["msg"]).removeprefix("Value error, ")
