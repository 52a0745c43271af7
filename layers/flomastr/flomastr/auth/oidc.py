"""OIDC tokens: RS256 or ES256, signed by a key of the issuer's JWKS, in their time, for this application."""

import json
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt import PyJWK, PyJWKSet, PyJWTError

from flomastr.caller import Caller
from flomastr.observability import logger
from flomastr.settings import Settings

ALGORITHMS = ["RS256", "ES256"]
LEEWAY_SECONDS = 30
FRESH_SECONDS = 300.0
STALE_SECONDS = 86_400.0  # how long known keys serve while the issuer cannot be reached
COOLDOWN_SECONDS = 10.0  # between two requests to the issuer, whatever unknown keys callers name
FETCH_SECONDS = 2.0


class InvalidTokenError(Exception):
    """The token does not prove who is calling."""


@dataclass
class KeySet:
    """The issuer's public keys, kept for a while."""

    url: str
    keys: dict[str, PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    asked_at: float = float("-inf")

    def key(self, key_id: str) -> PyJWK:
        now = time.monotonic()
        wanted = key_id not in self.keys or now - self.fetched_at > FRESH_SECONDS
        if wanted and now - self.asked_at > COOLDOWN_SECONDS:
            self.fetch(now)
        if key_id not in self.keys or now - self.fetched_at > STALE_SECONDS:
            raise InvalidTokenError("signed by an unknown key")
        return self.keys[key_id]

    def fetch(self, now: float) -> None:
        self.asked_at = now
        try:
            with urllib.request.urlopen(self.url, timeout=FETCH_SECONDS) as response:
                key_set = PyJWKSet.from_dict(json.load(response))
        except Exception:  # whatever the issuer answers, the keys that are known go on serving
            logger.exception("The issuer's keys cannot be fetched")
            return
        self.keys = {key.key_id: key for key in key_set.keys if key.key_id}
        self.fetched_at = now


def verify(token: str, keys: KeySet, settings: Settings) -> Caller:
    """The person whom the token names. Raises InvalidTokenError."""
    try:
        claims = verified_claims(token, keys, settings.oidc_issuer)
        email = claims.get("email") if claims.get("email_verified") is True else None
        caller = Caller(user_id=claims["sub"], email=email)
    except (PyJWTError, ValueError) as error:  # half a surrogate pair and an e-mail that is no text are the latter
        raise InvalidTokenError(str(error)) from error
    parties = settings.oidc_authorized_parties
    if parties and claims.get("azp") not in parties.split(","):
        raise InvalidTokenError("issued for another application")
    return caller


def verified_claims(token: str, keys: KeySet, issuer: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    return jwt.decode(
        token,
        keys.key(str(header.get("kid"))),
        algorithms=ALGORITHMS,
        issuer=issuer,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
    )
