"""Signing in at the local issuer, as an application does it: a page of people, a code, and tokens for it."""

import asyncio
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette

from dev.samples.people import PEOPLE
from dev.services import sign_in
from dev.services.oidc_issuer import ISSUER, METADATA_PATH, Identity
from dev.services.sign_in import SignIn

VERIFIER = "a-secret-of-the-application-that-is-long-enough"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": "console",
    "redirect_uri": "http://127.0.0.1:3000/console/callback",
    "response_type": "code",
    "scope": "openid email",
    "state": "s1",
    "nonce": "n1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass
class Issuer:
    """As a browser and an application reach it."""

    app: Starlette

    def get(self, path: str, params: dict[str, str] | None = None) -> Response:
        return asyncio.run(self._ask("GET", path, params=params))

    def post(self, path: str, data: dict[str, str]) -> Response:
        return asyncio.run(self._ask("POST", path, data=data))

    async def _ask(self, method: str, path: str, **request: Any) -> Response:
        async with AsyncClient(transport=ASGITransport(self.app), base_url="http://127.0.0.1:3000") as client:
            return await client.request(method, path, **request)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(Starlette(routes=SignIn(tmp_path).routes()))


def code(issuer: Issuer, **asked: str) -> str:
    """What comes back after one has chosen whom to be."""
    answer = issuer.get("/sign-in/as", params=ASKED | {"person": "demo-owner"} | asked)
    assert answer.status_code == 302
    back = urlsplit(answer.headers["location"])
    assert back._replace(query="").geturl() == "http://127.0.0.1:3000/console/callback"
    given = dict(parse_qsl(back.query))
    assert (given["state"], given["iss"]) == ("s1", ISSUER)
    return given["code"]


def exchanged(issuer: Issuer, code: str, **given: str) -> tuple[int, Any]:
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    of_the_code = {"client_id": ASKED["client_id"], "redirect_uri": ASKED["redirect_uri"]}
    answer = issuer.post("/sign-in/token", data=fields | of_the_code | given)
    return answer.status_code, answer.json()


def test_the_issuer_says_where_its_endpoints_are(issuer: Issuer) -> None:
    described = issuer.get(METADATA_PATH).json()
    assert described["issuer"] == ISSUER
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert described[name].startswith("http://127.0.0.1:3000/")


def test_the_page_offers_everybody_and_its_links_lead_on(issuer: Issuer) -> None:
    page = issuer.get("/sign-in", params=ASKED).text
    for person in PEOPLE:
        link = f"sign-in/as?{urlencode(ASKED | {'person': person.id})}"
        assert link in unescape(page)
        assert issuer.get(f"/{link}").status_code == 302
        assert person.name in page


def test_a_code_and_its_secret_are_worth_tokens_once(issuer: Issuer, tmp_path: Path) -> None:
    given = code(issuer)
    status, tokens = exchanged(issuer, given)
    (key,) = jwt.PyJWKSet.from_dict(Identity(tmp_path).jwks()).keys
    access = jwt.decode(tokens["access_token"], key, issuer=ISSUER)
    assert (status, access["sub"], access["azp"]) == (200, "demo-owner", "console")
    assert (access["email"], access["email_verified"]) == ("owner@demo.example", True)
    assert tokens["expires_in"] == access["exp"] - access["iat"]
    assert jwt.decode(tokens["id_token"], key, audience="console")["nonce"] == "n1"
    assert exchanged(issuer, given) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "wrong",
    [{"code_verifier": "another"}, {"client_id": "another"}, {"redirect_uri": "http://localhost/"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_code_is_worth_nothing_to_another(issuer: Issuer, wrong: dict[str, str]) -> None:
    assert exchanged(issuer, code(issuer), **wrong) == (400, {"error": "invalid_grant"})
    assert exchanged(issuer, "none") == (400, {"error": "invalid_grant"})


def test_a_code_is_worth_nothing_after_its_minute(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = sign_in.time.monotonic()
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: now)
    kept, late = code(issuer), code(issuer)
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: now + 59)
    assert exchanged(issuer, kept)[0] == 200
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: now + 60)
    assert exchanged(issuer, late)[0] == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://127.0.0.1.example/callback"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"person": "nobody"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_served_is_refused_in_a_sentence(issuer: Issuer, wrong: dict[str, str]) -> None:
    answer = issuer.get("/sign-in/as", params=ASKED | {"person": "demo-owner"} | wrong)
    assert (answer.status_code, answer.text[-1]) == (400, ".")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "code_challenge"])
def test_what_an_application_did_not_say_is_named(issuer: Issuer, name: str) -> None:
    answer = issuer.get("/sign-in", params={key: value for key, value in ASKED.items() if key != name})
    assert (answer.status_code, answer.text) == (400, f"The application did not say: {name}.")
