"""API keys: `flo_live_<id>_<secret><checksum>`, shown once, stored as a hash."""

import re
import string
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

from pydantic import BaseModel

from flomastr.database.query import Query

ALPHABET = string.digits + string.ascii_letters
FORM = re.compile(r"flo_(?:live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


class ApiKey(NamedTuple):
    id: str
    secret: str

    @property
    def secret_hash(self) -> bytes:
        return sha256(self.secret.encode()).digest()

    def token(self, environment: str = "live") -> str:
        """As its owner writes it into the Authorization header."""
        return f"flo_{environment}_{self.id}_{self.secret}{checksum(self.secret)}"


class VerifiedKey(BaseModel):
    tenant_id: UUID
    scopes: list[str]


def derived_key(seed: bytes) -> ApiKey:
    """From 64 bytes, always the same."""
    text = base62(int.from_bytes(seed), 44)
    return ApiKey(text[:12], text[12:])


def parse(token: str) -> ApiKey | None:
    """The key in a token, or None when it cannot be one: a typo costs no query."""
    form = FORM.fullmatch(token)
    if form is None or form[3] != checksum(form[2]):
        return None
    return ApiKey(form[1], form[2])


def verify(key: ApiKey) -> Query[VerifiedKey]:
    """What the key may do. Refused with 401 `invalid_api_key` if it is unknown, expired or revoked."""
    return Query(
        "SELECT tenant_id, scopes FROM app.verified_key(%(id)s, %(hash)s)",
        {"id": key.id, "hash": key.secret_hash},
        VerifiedKey,
    )


def checksum(secret: str) -> str:
    """Six base-62 digits of CRC-32, so that a guessed or misspelt key is recognised without a query."""
    return base62(crc32(secret.encode()), 6)


def base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
