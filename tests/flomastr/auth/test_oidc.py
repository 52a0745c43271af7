"""OIDC tokens: whose they are, when they hold, and how the issuer's keys are kept."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from flomastr import observability
from flomastr.auth.oidc import (
    COOLDOWN_SECONDS,
    FRESH_SECONDS,
    LEEWAY_SECONDS,
    InvalidTokenError,
    KeySet,
    verify,
)
from flomastr.caller import Caller
from flomastr.settings import Settings
from tests.support.oidc_issuer import ISSUER, PARTY, Issuer, serving, token

SETTINGS = Settings.model_validate({"OIDC_ISSUER": ISSUER, "OIDC_AUTHORIZED_PARTIES": f"https://other.test,{PARTY}"})
NOBODYS_KEY = "signed by an unknown key"
A_DAY = 86_400


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def keys(issuer: Issuer) -> KeySet:
    return KeySet(issuer.url)


def later(keys: KeySet, seconds: float) -> None:
    keys.asked_at -= seconds
    keys.fetched_at -= seconds


def admits(keys: KeySet, key: str = "first", **claims: Any) -> bool:
    try:
        verify(token(key, **claims), keys, SETTINGS)
    except InvalidTokenError:
        return False
    return True


def test_a_token_names_its_person(keys: KeySet) -> None:
    assert verify(token(), keys, SETTINGS) == Caller(user_id="user_1", email="one@example.com")


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_email_that_the_issuer_has_not_verified_is_left_out(keys: KeySet, verified: Any) -> None:
    unverified = Caller(user_id="user_1", missing_claims=["email_verified"])
    assert verify(token(email_verified=verified), keys, SETTINGS) == unverified


@pytest.mark.parametrize("email", [None, ""])
def test_a_token_without_email_is_told_from_one_that_is_not_verified(keys: KeySet, email: Any) -> None:
    bare = token(email=email, email_verified=None)
    assert verify(bare, keys, SETTINGS).missing_claims == ["email", "email_verified"]
    assert verify(token(email=email), keys, SETTINGS).missing_claims == ["email"]


@pytest.mark.parametrize(
    "sub", ["", "\x00", "a\nb", "\x7f", "x" * 256, "mailto:one@example.com", "MAILTO:one@example.com"]
)
def test_a_subject_that_cannot_name_a_person_is_refused(keys: KeySet, sub: str) -> None:
    with pytest.raises(InvalidTokenError, match="the subject is"):
        verify(token(sub=sub), keys, SETTINGS)


@pytest.mark.parametrize("sub", ["https://login.salesforce.com/id/00D/005", "Zoë Müller, Köln", "利用者", "x" * 255])
def test_a_subject_is_whatever_the_issuer_calls_its_people(keys: KeySet, sub: str) -> None:
    assert verify(token(sub=sub), keys, SETTINGS).user_id == sub


def test_clocks_may_differ_by_the_leeway_and_by_no_more(keys: KeySet) -> None:
    now = int(time.time())
    assert admits(keys, exp=now - LEEWAY_SECONDS + 5)
    assert not admits(keys, exp=now - LEEWAY_SECONDS - 1)
    assert admits(keys, nbf=now + LEEWAY_SECONDS - 5)
    assert not admits(keys, nbf=now + LEEWAY_SECONDS + 5)
    assert admits(keys, iat=now + LEEWAY_SECONDS - 5)
    assert not admits(keys, iat=now + LEEWAY_SECONDS + 5)


def test_the_application_is_one_of_those_authorized_or_any_when_none_is_named(keys: KeySet) -> None:
    assert admits(keys, azp="https://other.test")
    for azp in ("https://app.tes", "https://other.test,https://app.test", "", ["https://app.test"], None):
        assert not admits(keys, azp=azp)
    anybody = Settings.model_validate({"OIDC_ISSUER": ISSUER})
    assert verify(token(azp=None), keys, anybody).user_id == "user_1"


@pytest.mark.parametrize(
    "parties",
    [f" {PARTY} ", f"{PARTY}/", f"{PARTY},", f",{PARTY}", f"https://other.test/ , {PARTY}/ ,", f"\n{PARTY}\n"],
)
def test_the_applications_are_read_as_people_write_them(keys: KeySet, parties: str) -> None:
    settings = Settings.model_validate({"OIDC_ISSUER": ISSUER, "OIDC_AUTHORIZED_PARTIES": parties})
    for azp in (PARTY, f"{PARTY}/"):
        assert verify(token(azp=azp), keys, settings).user_id == "user_1"
    for azp in (f"{PARTY}.evil.test", "", "/", None, [PARTY]):
        with pytest.raises(InvalidTokenError, match="another application"):
            verify(token(azp=azp), keys, settings)


@pytest.mark.parametrize("parties", [" ", ",", "/", " , / ,"])
def test_a_list_that_names_no_application_admits_none(keys: KeySet, parties: str) -> None:
    settings = Settings.model_validate({"OIDC_ISSUER": ISSUER, "OIDC_AUTHORIZED_PARTIES": parties})
    for azp in (PARTY, "", "/", None):
        with pytest.raises(InvalidTokenError):
            verify(token(azp=azp), keys, settings)


def test_the_audience_is_one_of_those_named_or_any_when_none_is(keys: KeySet) -> None:
    settings = Settings.model_validate({"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCES": "https://api.test/, platform "})
    for audience in ("platform", "https://api.test/", ["else", "platform"]):
        assert verify(token(aud=audience), keys, settings).user_id == "user_1"
    for audience in (None, "", "https://api.test", "else", ["else"], []):
        with pytest.raises(InvalidTokenError):
            verify(token(aud=audience), keys, settings)
    assert verify(token(aud="else"), keys, SETTINGS).user_id == "user_1"


@pytest.mark.parametrize("audiences", [" ", ","])
def test_a_list_that_names_no_audience_admits_none(keys: KeySet, audiences: str) -> None:
    settings = Settings.model_validate({"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCES": audiences})
    for audience in (None, "", "platform"):
        with pytest.raises(InvalidTokenError):
            verify(token(aud=audience), keys, settings)


def test_elliptic_keys_sign_too(issuer: Issuer, keys: KeySet) -> None:
    issuer.publish("first", "ec")
    assert admits(keys, "ec")
    assert not admits(keys, "first", signed_by="ec")
    assert not admits(keys, "ec", signed_by="first")


def test_the_keys_are_asked_for_once_and_again_when_they_are_old(issuer: Issuer, keys: KeySet) -> None:
    assert all(admits(keys) for _ in range(3))
    later(keys, FRESH_SECONDS - 5)
    assert admits(keys) and issuer.asked == 1
    later(keys, 10)
    assert admits(keys) and issuer.asked == 2


def test_unknown_keys_ask_the_issuer_once_in_a_while_whatever_callers_name(issuer: Issuer, keys: KeySet) -> None:
    assert not any(admits(keys, name, signed_by="first") for name in ("a", "b", "c"))
    assert issuer.asked == 1
    later(keys, COOLDOWN_SECONDS - 1)
    assert not admits(keys, "a") and issuer.asked == 1
    later(keys, 2)
    assert not admits(keys, "a") and issuer.asked == 2


def test_a_new_key_is_found_and_a_withdrawn_one_ends(issuer: Issuer, keys: KeySet) -> None:
    assert admits(keys)
    issuer.publish("first", "second")
    later(keys, COOLDOWN_SECONDS + 1)
    assert admits(keys, "second") and admits(keys)
    issuer.publish("second")
    later(keys, FRESH_SECONDS + 1)
    assert admits(keys, "second") and not admits(keys)


NO_KEYS: list[tuple[int, bytes]] = [
    (500, b""),
    (404, b"{}"),
    (200, b""),
    (200, b"<html>"),
    (200, b"\xff"),
    (200, b"{}"),
    (200, b"[]"),
    (200, b"null"),
    (200, b'{"keys": []}'),
    (200, b'{"keys": null}'),
    (200, b'{"keys": ["x"]}'),
    (200, b'{"keys": [{"kty": "RSA"}]}'),
    (200, b"[" * 100_000),
    (0, b"SSH-2.0-x\r\n\r\n"),
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
]


@pytest.mark.parametrize(("status", "answer"), NO_KEYS)
def test_known_keys_go_on_serving_whatever_the_issuer_answers(
    issuer: Issuer, keys: KeySet, status: int, answer: bytes
) -> None:
    assert admits(keys)
    issuer.status, issuer.answer = status, answer
    later(keys, FRESH_SECONDS + 1)
    assert admits(keys) and issuer.asked == 2
    assert not admits(keys, "second")
    later(keys, A_DAY - 2 * FRESH_SECONDS)
    assert admits(keys)
    later(keys, 2 * FRESH_SECONDS)
    assert not admits(keys)


@pytest.mark.parametrize(("status", "answer"), NO_KEYS)
def test_without_any_keys_nobody_is_admitted_and_operators_hear_of_it(
    issuer: Issuer, keys: KeySet, status: int, answer: bytes
) -> None:
    issuer.status, issuer.answer = status, answer
    observability.measured.clear()
    with pytest.raises(InvalidTokenError, match=NOBODYS_KEY):
        verify(token(), keys, SETTINGS)
    assert observability.measured == {("IssuerUnreachable", "Count"): [1]}
    observability.measured.clear()


def test_an_issuer_that_cannot_be_reached_admits_nobody_until_it_is_back(issuer: Issuer) -> None:
    keys = KeySet("http://127.0.0.1:1/jwks.json")
    assert not admits(keys)
    keys.url = issuer.url
    assert not admits(keys)
    later(keys, COOLDOWN_SECONDS + 1)
    assert admits(keys)
