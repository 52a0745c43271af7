"""API keys: what a token looks like, and what cannot be one."""

import re
from hashlib import sha256

import pytest

from flomastr.auth.api_key_tokens import ApiKey, checksum, parse
from tests.support.factories import new_key

KEY = ApiKey("0123456789Ab", "x" * 32)


@pytest.mark.parametrize("environment", ["live", "test"])
def test_a_token_is_read_as_the_key_that_wrote_it(environment: str) -> None:
    for key in (KEY, new_key(), new_key()):
        assert parse(key.token(environment)) == key


def test_a_token_has_its_environment_id_secret_and_checksum() -> None:
    assert re.fullmatch(r"flo_live_0123456789Ab_x{32}[0-9A-Za-z]{6}", KEY.token())
    assert KEY.secret_hash == sha256(b"x" * 32).digest()


def test_the_checksum_of_a_secret_stays_what_it_is() -> None:
    """Scanners of leaked keys rely on it."""
    assert checksum("") == "000000"
    assert checksum("123456789") == "3Jzrme"
    assert checksum("x" * 32) == "00UIaI"


def test_new_keys_differ_in_id_and_secret() -> None:
    keys = {new_key() for _ in range(100)}
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 100


@pytest.mark.parametrize(
    "token",
    [
        "",
        "flo_",
        KEY.token()[:-1],
        KEY.token() + "0",
        KEY.token() + "\n",
        " " + KEY.token(),
        KEY.token("prod"),
        KEY.token().upper(),
        KEY.token().replace("x", "y", 1),
        KEY.token()[:-6] + "000000",
        KEY.token().replace("_x", "-x"),
        ApiKey("é" * 12, "x" * 32).token(),
        ApiKey("0" * 11, "x" * 32).token(),
        ApiKey("0" * 12, "x" * 31).token(),
        ApiKey("0" * 12, "x" * 33).token(),
    ],
)
def test_a_mistyped_token_is_no_key(token: str) -> None:
    assert parse(token) is None


def test_every_single_letter_that_is_mistyped_in_the_secret_is_noticed() -> None:
    token = new_key().token()
    start = len("flo_live_") + 13
    for index in range(start, len(token)):
        other = "0" if token[index] != "0" else "1"
        assert parse(token[:index] + other + token[index + 1 :]) is None
