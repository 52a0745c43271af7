"""Signing in at the local issuer: OIDC's code flow with PKCE, where a page of people stands in for passwords."""

import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dev.samples.people import PEOPLE, Person
from dev.services.oidc_issuer import HOURS, ISSUER, JWKS_PATH, METADATA_PATH, Identity

SECONDS = 60  # that a code is good for, once
ANY_ORIGIN = {"access-control-allow-origin": "*", "cache-control": "no-store"}
PAGE = (Path(__file__).parent / "sign_in.html").read_text()


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    person: Person
    client: str
    redirect: str
    challenge: str
    nonce: str | None
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)


class SignIn:
    """The endpoints that an identity provider has, for the issuer whose key lies in `data`."""

    def __init__(self, data: Path) -> None:
        self._identity = Identity(data)
        self._grants: dict[str, Grant] = {}

    def routes(self) -> list[Route]:
        return [
            Route(JWKS_PATH, self.keys),
            Route(METADATA_PATH, self.metadata),
            Route("/sign-in", self.page),
            Route("/sign-in/as", self.grant),
            Route("/sign-in/token", self.token, methods=["POST"]),
        ]

    async def keys(self, _: Request) -> Response:
        return JSONResponse(self._identity.jwks(), headers=ANY_ORIGIN)

    async def metadata(self, request: Request) -> Response:
        here = str(request.base_url).rstrip("/")
        described = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{here}/sign-in",
            "token_endpoint": f"{here}/sign-in/token",
            "jwks_uri": f"{here}{JWKS_PATH}",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }
        return JSONResponse(described, headers=ANY_ORIGIN)

    async def page(self, request: Request) -> Response:
        """Whom one may be. Each is a link that goes on with what the application asked for."""
        asked = dict(request.query_params)
        if wrong := _refused(asked):
            return HTMLResponse(escape(wrong), 400)
        return HTMLResponse(PAGE.replace("{people}", "".join(_link(person, asked) for person in PEOPLE)))

    async def grant(self, request: Request) -> Response:
        """Back to the application with a code."""
        asked = dict(request.query_params)
        person = next((person for person in PEOPLE if person.id == asked.get("person")), None)
        if (wrong := _refused(asked)) or person is None:
            return HTMLResponse(escape(wrong or "There is nobody of this name."), 400)
        code = secrets.token_urlsafe()
        self._grants[code] = Grant(
            person, asked["client_id"], asked["redirect_uri"], asked["code_challenge"], asked.get("nonce")
        )
        back = {"code": code, "iss": ISSUER} | ({"state": asked["state"]} if "state" in asked else {})
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        """Tokens for a code, if who asks has the secret that the code was asked for with."""
        given = dict(parse_qsl((await request.body()).decode()))
        grant = self._grants.pop(given.get("code", ""), None)
        if grant is None or not _matches(grant, given):
            return JSONResponse({"error": "invalid_grant"}, 400, headers=ANY_ORIGIN)
        return JSONResponse(self._tokens(grant), headers=ANY_ORIGIN)

    def _tokens(self, grant: Grant) -> dict[str, Any]:
        person, client = grant.person, grant.client
        nonce = {"nonce": grant.nonce} if grant.nonce else {}
        return {
            "access_token": self._identity.token(person.id, person.email, azp=client),
            "id_token": self._identity.token(person.id, person.email, aud=client, name=person.name, **nonce),
            "token_type": "Bearer",
            "expires_in": HOURS * 3600,
            "scope": "openid profile email",
        }


def _refused(asked: dict[str, str]) -> str | None:
    """What is wrong with a request to sign in. Tokens of this machine stay on it."""
    if missing := {"client_id", "redirect_uri", "code_challenge"} - asked.keys():
        return f"The application did not say: {', '.join(sorted(missing))}."
    if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
        return "Only response_type=code with code_challenge_method=S256 is served."
    if urlsplit(asked["redirect_uri"]).hostname not in ("127.0.0.1", "localhost"):
        return "The application is not on this machine."
    return None


def _link(person: Person, asked: dict[str, str]) -> str:
    target = escape(f"sign-in/as?{urlencode(asked | {'person': person.id})}")
    return f'<li><a href="{target}"><b>{escape(person.name)}</b><span>{escape(person.about)}</span></a></li>'


def _matches(grant: Grant, given: dict[str, str]) -> bool:
    digest = sha256(given.get("code_verifier", "").encode()).digest()
    challenge = urlsafe_b64encode(digest).decode().rstrip("=")
    expected = (grant.client, grant.redirect, grant.challenge)
    return time.monotonic() < grant.until and expected == (
        given.get("client_id"),
        given.get("redirect_uri"),
        challenge,
    )
