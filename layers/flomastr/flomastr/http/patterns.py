"""Patterns of text fields, and a message for each, since a regular expression explains little to most people."""

from typing import Any

NO_NUL = r"^[^\x00]*$"
VISIBLE = r"^[^\x00]*[^\s\x00][^\x00]*$"
TENANT = r"^[0-9A-Za-z][0-9A-Za-z-]{0,62}$"
SLUG = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"
CONSISTENCY = r"^[0-9a-f]{16}$"
KEY_ID = r"^[0-9A-Za-z]{12}$"
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"  # names of documents and persons
EMAIL = r"^[!-?A-~]+@[!-.0-?A-~]+$"
COLOUR = r"^#[0-9A-Fa-f]{6}$"
INSTANCE = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
INSTANCE_OR_NONE = r"^([a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?)?$"
TRANSACTION = r"^[1-9][0-9]{0,17}$"  # Postgres reads what begins with 0 as octal
ANYTHING = r"^\*$"
MEDIA_TYPE = r"^[0-9A-Za-z!#$&^_.+-]+/[0-9A-Za-z!#$&^_.+-]+( ?; ?[0-9A-Za-z_-]+=[0-9A-Za-z_.:-]+)*$"
NO_OPERATOR = r"^([^$]|$)"
VISIBLE_ASCII = r"^[!-~]+$"
HTTP_URL = r"^https?://[!-~]+$"
WEBHOOK_URL = r"^https://([0-9A-Za-z_-]+\.)+[A-Za-z][0-9A-Za-z-]*(:443)?([/?][!$-\[\]-~]*)?$"

# the same without a query
N8N_URL = r"^https://([0-9A-Za-z_-]+\.)+[A-Za-z][0-9A-Za-z-]*(:443)?(/[!$->@-\[\]-~]*)?$"

REFUSALS = {
    NO_NUL: "holds the character U+0000, which cannot be stored",
    VISIBLE: "has nothing to read in it, or holds the character U+0000",
    TENANT: "is neither the id nor the slug of a tenant",
    SLUG: "must be of lower case letters, digits and hyphens, and begin and end with none of these last",
    IDEMPOTENCY_KEY: "must be 1 to 255 characters of printable ASCII without spaces",
    CONSISTENCY: "is not what a write has answered in Flo-Consistency",
    KEY_ID: "is not the id of a key, which is 12 letters and digits",
    ONE_LINE: "must not be empty or hold a control character",
    EMAIL: "is not an e-mail address of printable ASCII without spaces",
    COLOUR: "is not a colour such as #1a2b3c",
    INSTANCE: "must be 1 to 63 lower case letters, digits and .-_, and begin and end with a letter or digit",
    INSTANCE_OR_NONE: "must be up to 63 lower case letters, digits and .-_, and begin and end with a letter or digit",
    N8N_URL: "is not an https address of a host by its name, at port 443, without user, query and fragment",
    TRANSACTION: "is not the number of a transaction, as the audit trail has it",
    ANYTHING: "must be *",
    MEDIA_TYPE: "is no media type such as application/pdf",
    NO_OPERATOR: "begins with $, as operators do",
    VISIBLE_ASCII: "must be of printable ASCII without spaces",
    WEBHOOK_URL: "is not an https address of a host by its name, at port 443, without user and fragment",
    HTTP_URL: "is not an address that begins with http:// or https://, in ASCII and without spaces",
}


def message(error: Any) -> str:
    """What is wrong with a value, of one of the errors in which pydantic has it."""
    return REFUSALS.get(error.get("ctx", {}).get("pattern")) or str(error["msg"]).removeprefix("Value error, ")
