"""An OIDC issuer: its keys, its tokens, and its JWKS over HTTP, which a test may change, spoil or shut."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.test"
PARTY = "https://app.test"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def published(*names: str) -> dict[str, Any]:
    """The JWKS of RSA keys by their ids; an id that begins with `ec` is an elliptic one."""
    keys = [
        ECAlgorithm.to_jwk(ec_key(name).public_key(), as_dict=True)
        if name.startswith("ec")
        else RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
        for name in names
    ]
    return {"keys": [{**key, "kid": name, "use": "sig"} for key, name in zip(keys, names, strict=True)]}


def claims(**overrides: Any) -> dict[str, Any]:
    """Of a good token. A claim that is overridden by None is left out."""
    now = int(time.time())
    good = {
        "iss": ISSUER, "sub": "user_1", "azp": PARTY, "email": "one@example.com", "email_verified": True,
        "iat": now, "nbf": now, "exp": now + 60,
    }  # fmt: skip
    return {name: value for name, value in (good | overrides).items() if value is not None}


def token(key: str = "first", *, signed_by: str | None = None, **overrides: Any) -> str:
    """A token that names a key, signed by it or by another."""
    signer = signed_by or key
    if signer.startswith("ec"):
        return jwt.encode(claims(**overrides), ec_key(signer), algorithm="ES256", headers={"kid": key})
    return jwt.encode(claims(**overrides), rsa_key(signer), algorithm="RS256", headers={"kid": key})


@dataclass
class Issuer:
    """What it answers when it is asked for its keys, and how often it was asked."""

    answer: bytes = b""
    status: int = 200
    asked: int = 0
    url: str = ""

    def publish(self, *names: str) -> None:
        self.answer, self.status = json.dumps(published(*names)).encode(), 200


@contextmanager
def serving() -> Generator[Issuer]:
    issuer = Issuer()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            if not issuer.status:
                self.wfile.write(issuer.answer)  # no HTTP at all
                return
            self.send_response(issuer.status)
            self.end_headers()
            self.wfile.write(issuer.answer)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            issuer.publish("first")
            yield issuer
        finally:
            server.shutdown()
            thread.join()
