"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): how a key signs, and how that is verified."""

import hmac
import re
from base64 import b64encode
from hashlib import sha256
from uuid import UUID

from flomastr.settings import signing_key

TOLERANCE_SECONDS = 300

TIMESTAMP = re.compile(r"[0-9]{1,12}")


def signing_secret(key_id: str) -> bytes:
    """The secret that an API key signs with: derived from its id, so that it is stored nowhere."""
    return hmac.digest(signing_key(), b"webhook " + key_id.encode(), sha256)


def alert_secret(alert_id: UUID) -> bytes:
    """The secret that the webhooks of an alert are signed with: derived from its id, as that of a key."""
    return hmac.digest(signing_key(), f"alert {alert_id}".encode(), sha256)


def whsec(secret: bytes) -> str:
    """The secret as people copy it."""
    return f"whsec_{b64encode(secret).decode()}"


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256, in Base64, of id, timestamp (seconds since 1970) and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{b64encode(hmac.digest(secret, signed, sha256)).decode()}"


def verify(secret: bytes, message_id: str, timestamp: str, signatures: str, body: bytes, now: float) -> bool:
    """Whether one of the signatures is the secret's, and of now.

    Standard Webhooks signs with what the Base64 stands for. n8n's Crypto node signs with the text itself, with or
    without its prefix. All are compared, so that the time tells nothing of the form.
    """
    if not message_id or not TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    text = whsec(secret)
    keys = (secret, text.encode(), text.removeprefix("whsec_").encode())
    expected = [signature(key, message_id, timestamp, body).encode() for key in keys]
    return any([hmac.compare_digest(sent.encode(), one) for sent in signatures.split(" ") for one in expected])
