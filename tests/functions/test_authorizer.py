"""The authorizer, through what API Gateway calls: which tokens are refused, and what it says of the others."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from flomastr.auth.api_key_tokens import ApiKey
from flomastr.auth.oidc import KeySet
from flomastr.caller import Caller
from flomastr.database import connection
from flomastr.settings import settings
from functions.authorizer import handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, Context, call
from tests.support.factories import Factory, new_key
from tests.support.oidc_issuer import Issuer, claims, rsa_key, serving, token

REFUSED = {"isAuthorized": False}
HOUR = 3600
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def trusting(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authorizer of a sandbox that has just started."""
    monkeypatch.setattr(handler, "keys", KeySet(issuer.url))


def authorize(header: str) -> dict[str, Any]:
    event = {
        "version": "2.0",
        "type": "REQUEST",
        "identitySource": [header],
        "headers": {"authorization": header},
        "requestContext": {"requestId": "request-1"},
    }
    return handler.lambda_handler(event, Context())  # pyright: ignore[reportArgumentType]


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as an attacker writes it, with no library in the way."""
    asked = f"{encoded(header)}.{encoded(claims())}"
    return f"{asked}.{encoded(sign(asked.encode()))}"


def with_public_key(form: Encoding, header: str = "HS256") -> str:
    public = rsa_key("first").public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    return signed({"alg": header, "kid": "first"}, lambda asked: hmac.digest(public, asked, hashlib.sha256))


def without_signature(algorithm: str) -> str:
    return signed({"alg": algorithm, "kid": "first"}, lambda asked: b"")


def with_other_payload() -> str:
    header, _, signature = token().split(".")
    return f"{header}.{encoded(claims(sub='user_2'))}.{signature}"


def with_own_key() -> str:
    """Signed by the attacker's key, which the header itself brings along."""
    own = RSAAlgorithm.to_jwk(rsa_key("own").public_key(), as_dict=True)
    header = {"kid": "first", "jwk": own, "jku": "http://127.0.0.1:1"}
    return jwt.encode(claims(), rsa_key("own"), algorithm="RS256", headers=header)


TOKENS: dict[str, Callable[[], str]] = {
    "expired": lambda: token(exp=int(NOW.timestamp()) - HOUR),
    "not yet valid": lambda: token(nbf=int(NOW.timestamp()) + HOUR),
    "issued in the future": lambda: token(iat=int(NOW.timestamp()) + HOUR),
    "of a wrong issuer": lambda: token(iss="https://issuer.test.evil.test"),
    "of an issuer with a slash": lambda: token(iss="https://issuer.test/"),
    "without issuer": lambda: token(iss=None),
    "without expiry": lambda: token(exp=None),
    "without time of issue": lambda: token(iat=None),
    "without subject": lambda: token(sub=None),
    "with a subject that is no text": lambda: jwt.api_jws.encode(
        json.dumps(claims(sub=7)).encode(), rsa_key("first"), algorithm="RS256", headers={"kid": "first"}
    ),
    "with an empty subject": lambda: token(sub=""),
    "with a subject of half a surrogate pair": lambda: jwt.api_jws.encode(
        json.dumps(claims(sub="\ud800")).encode(), rsa_key("first"), algorithm="RS256", headers={"kid": "first"}
    ),
    "with an invitation for a subject": lambda: token(sub="mailto:one@example.com"),
    "for another application": lambda: token(azp="https://evil.test"),
    "for no application": lambda: token(azp=None),
    "by an unknown key": lambda: token("unknown", signed_by="first"),
    "by another key under a known name": lambda: token("first", signed_by="own"),
    "by a key that it brings along": with_own_key,
    "without a key's name": lambda: jwt.encode(claims(), rsa_key("first"), algorithm="RS256"),
    "alg none": lambda: without_signature("none"),
    "alg None": lambda: without_signature("None"),
    "alg RS256 without signature": lambda: without_signature("RS256"),
    "HS256 with the public key": lambda: with_public_key(Encoding.PEM),
    "HS256 with the public key in DER": lambda: with_public_key(Encoding.DER),
    "RS256 with a MAC of the public key": lambda: with_public_key(Encoding.PEM, "RS256"),
    "RS512": lambda: jwt.encode(claims(), rsa_key("first"), algorithm="RS512", headers={"kid": "first"}),
    "PS256": lambda: jwt.encode(claims(), rsa_key("first"), algorithm="PS256", headers={"kid": "first"}),
    "with another payload": with_other_payload,
    "with a claim of the wrong type": lambda: token(exp="tomorrow"),
    "with a critical header": lambda: jwt.encode(
        claims(), rsa_key("first"), algorithm="RS256", headers={"kid": "first", "crit": ["x"], "x": 1}
    ),
    "cut": lambda: token()[:-10],
    "nested deeply": lambda: f"{encoded(b'[' * 7000)}.{encoded(claims())}.x",
    "with a header that is no object": lambda: f"{encoded([1])}.{encoded(claims())}.x",
    "with a name that is no text": lambda: f"{encoded({'alg': 'RS256', 'kid': {}})}.{encoded(claims())}.x",
    "no UTF-8": lambda: f"{encoded(b'\xff')}.{encoded(b'\xff')}.x",
    "no ASCII": lambda: "é.ü.ñ",
    "half a surrogate pair": lambda: "\ud800.x.x",
    "dots": lambda: "....",
    "a word": lambda: "garbage",
    "nothing": lambda: "",
    "an API key of no known form": lambda: "flo_live_x",
    "an API key of nobody": lambda: new_key().token(),
    "an API key with a bad checksum": lambda: new_key().token()[:-6] + "000000",
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_bad_token_is_refused(kind: str) -> None:
    assert authorize(f"Bearer {TOKENS[kind]()}") == REFUSED


@pytest.mark.parametrize("scheme", ["", "Basic ", "Token ", "Bearer\t", "Bearer  ", " Bearer ", "Bearer,"])
def test_a_good_token_under_no_bearer_scheme_is_refused(scheme: str) -> None:
    assert authorize(f"{scheme}{token()}") == REFUSED


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_is_a_person(scheme: str) -> None:
    context = {"user_id": "user_1", "email": "one@example.com"}
    assert authorize(f"{scheme} {token()}") == {"isAuthorized": True, "context": context}


def test_a_person_without_a_verified_email_has_none() -> None:
    for bare, missing in (
        (token(email_verified=False), ["email_verified"]),
        (token(email=None), ["email"]),
        (token(email=None, email_verified=None), ["email", "email_verified"]),
    ):
        context = {"user_id": "user_1", "missing_claims": missing}
        assert authorize(f"Bearer {bare}") == {"isAuthorized": True, "context": context}


@pytest.mark.parametrize("environment", ["live", "test"])
def test_a_good_api_key_is_a_machine(make: Factory, environment: str) -> None:
    key = make.api_key(make.tenant(), expires_at=NOW + timedelta(hours=1))
    context = {"key_id": key.id, "key_hash": hashlib.sha256(key.secret.encode()).hexdigest()}
    assert authorize(f"Bearer {key.token(environment)}") == {"isAuthorized": True, "context": context}


def test_an_expired_or_revoked_api_key_and_one_with_another_keys_secret_are_refused(make: Factory) -> None:
    tenant = make.tenant()
    good, other = make.api_key(tenant), make.api_key(tenant)
    expired = make.api_key(tenant, expires_at=NOW - timedelta(seconds=1))
    revoked = make.api_key(tenant, revoked_at=NOW)
    for key in (expired, revoked, ApiKey(good.id, other.secret), ApiKey(good.id, new_key().secret)):
        assert authorize(f"Bearer {key.token()}") == REFUSED


def through_the_gateway(key: ApiKey, **query: str) -> Answer:
    """What the endpoint answers to a caller whom the authorizer lets through."""
    verdict = authorize(f"Bearer {key.token()}")
    assert verdict["isAuthorized"]
    return call(workflows, "GET", "/routes/workflows", caller=Caller.model_validate(verdict["context"]), query=query)


def test_a_key_opens_its_own_tenant_and_no_other(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    key = make.api_key(tenant)
    assert through_the_gateway(key, tenant_id=tenant.slug).status == 200
    refused = through_the_gateway(key, tenant_id=other.slug)
    assert (refused.status, refused.json["code"]) == (403, "other_tenants_key")


def test_a_key_that_is_revoked_while_the_gateway_remembers_it_ends_at_the_endpoint(make: Factory) -> None:
    tenant = make.tenant()
    key = make.api_key(tenant)
    storing_response = Caller.model_validate(authorize(f"Bearer {key.token()}")["context"])
    make.within(tenant.id, "UPDATE app.api_keys SET revoked_at = now() WHERE id = %(id)s", {"id": key.id})
    refused = call(workflows, "GET", "/routes/workflows", caller=storing_response)
    assert (refused.status, refused.json["code"]) == (401, "invalid_api_key")


@pytest.fixture
def database_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(os.environ, "DATABASE_URL", "postgresql://flo_app@127.0.0.1:1/none")
    settings.cache_clear()
    connection.discard()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.usefixtures("database_down")
def test_without_a_database_people_pass_and_keys_pass_on_to_an_endpoint_that_cannot_serve() -> None:
    assert authorize(f"Bearer {token()}")["isAuthorized"]
    answer = through_the_gateway(new_key())
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert authorize(f"Bearer {new_key().token()[:-6]}000000") == REFUSED


def test_the_issuers_keys_are_asked_for_once_a_sandbox(issuer: Issuer) -> None:
    before = issuer.asked
    assert all(authorize(f"Bearer {token()}")["isAuthorized"] for _ in range(3))
    assert issuer.asked == before + 1


def test_a_token_that_nobody_could_have_signed_does_not_ask_the_issuer(issuer: Issuer) -> None:
    before = issuer.asked
    for bad in ("garbage", "a.b.c", new_key().token()):
        assert authorize(f"Bearer {bad}") == REFUSED
    assert issuer.asked == before
