"""The OIDC issuer of the local platform, which signs the tokens of people. Its key lies in --data."""

import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

from dev.private_files import private_file

ISSUER = "https://flomastr.local"  # no port in it, so that tokens outlive a change of port
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/openid-configuration"
KEY_ID = "local"
HOURS = 12


@dataclass(frozen=True)
class Identity:
    """The issuer whose key lies in `data`."""

    data: Path

    def token(self, user: str, email: str, **more: Any) -> str:
        """A token for this person, with more claims if need be, good for half a day."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "email": email,
            "email_verified": True,
            "iat": now,
            "nbf": now,
            "exp": now + HOURS * 3600,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def jwks(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        pem = private_file(self.data / "identity.pem", _new_key)
        key = load_pem_private_key(pem.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
