"""OIDC tokens: RS256 or ES256, signed by a key of the issuer's JWKS, in their time, for this application."""

import json
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt import PyJWK, PyJWKSet, PyJWTError

from flomastr.caller import Caller, Claim, is_subject
from flomastr.observability import count, logger
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
        """The public key of this id, asked for if it is unknown or old. Raises InvalidTokenError."""
        now = time.monotonic()
        wanted = key_id not in self.keys or now - self.fetched_at > FRESH_SECONDS
        if wanted and now - self.asked_at > COOLDOWN_SECONDS:
            self.fetch(now)
        if key_id not in self.keys or now - self.fetched_at > STALE_SECONDS:
            raise InvalidTokenError("signed by an unknown key")
        return self.keys[key_id]

    def fetch(self, now: float) -> None:
        """Asks the issuer, at `now` of time.monotonic(). On a failure the known keys stay."""
        self.asked_at = now
        try:
            with urllib.request.urlopen(self.url, timeout=FETCH_SECONDS) as response:
                key_set = PyJWKSet.from_dict(json.load(response))
        except Exception:  # whatever the issuer answers, the keys that are known go on serving
            count("IssuerUnreachable")
            logger.exception("The issuer's keys cannot be fetched")
            return
        self.keys = {key.key_id: key for key in key_set.keys if key.key_id}
        self.fetched_at = now


def verify(token: str, keys: KeySet, settings: Settings) -> Caller:
    """The person whom the token names. Raises InvalidTokenError."""
    try:
        claims = verified_claims(token, keys, settings)
        caller = person(claims)
    except (PyJWTError, ValueError) as error:  # half a surrogate pair and an e-mail that is no text are the latter
        raise InvalidTokenError(str(error)) from error
    if not is_authorized(claims.get("azp"), settings):
        raise InvalidTokenError("issued for another application")
    return caller


def verified_claims(token: str, keys: KeySet, settings: Settings) -> dict[str, Any]:
    """Those of a token whose signature, time, issuer and audience are right. Raises PyJWTError, InvalidTokenError."""
    header = jwt.get_unverified_header(token)
    return jwt.decode(
        token,
        keys.key(str(header.get("kid"))),
        algorithms=ALGORITHMS,
        issuer=settings.oidc_issuer,
        audience=listed(settings.oidc_audiences),
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": bool(settings.oidc_audiences)},
    )


def person(claims: dict[str, Any]) -> Caller:
    """Whom verified claims name, with the e-mail if it is verified. Raises InvalidTokenError."""
    if not is_subject(claims["sub"]):
        raise InvalidTokenError(
            "the subject is empty, blank, longer than 255 characters, an address or not to be printed"
        )
    missing = missing_claims(claims)
    return Caller(user_id=claims["sub"], email=None if missing else claims["email"], missing_claims=missing or None)


def missing_claims(claims: dict[str, Any]) -> list[Claim]:
    """What a verified e-mail needs. One that the issuer has not verified counts for nothing."""
    there: dict[Claim, bool] = {
        "email": bool(claims.get("email")),
        "email_verified": claims.get("email_verified") is True,
    }
    return [claim for claim, is_there in there.items() if not is_there]


def is_authorized(party: object, settings: Settings) -> bool:
    """An application is an address, with or without a slash at its end, or a client's id."""
    if not settings.oidc_authorized_parties:
        return True
    parties = [name.rstrip("/") for name in listed(settings.oidc_authorized_parties)]
    return isinstance(party, str) and party.rstrip("/") in parties


def listed(names: str) -> list[str]:
    """Of a setting, comma separated, as people write it."""
    return [name for name in (part.strip() for part in names.split(",")) if name.strip("/")]
