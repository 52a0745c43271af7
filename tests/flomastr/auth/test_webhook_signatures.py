"""Signatures as Standard Webhooks has them."""

import base64

import pytest

from flomastr.auth.webhook_signatures import signature, signing_secret, verify, whsec

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="  # of these, by the specification's own libraries
OTHER = signature(b"other", ID, str(AT), BODY)


def verified(
    secret: bytes = SECRET,
    id: str = ID,
    timestamp: str = str(AT),
    given: str = PUBLISHED,
    body: bytes = BODY,
    now: float = AT,
) -> bool:
    return verify(secret, id, timestamp, given, body, now)


def test_the_published_example_is_signed_alike_and_verified() -> None:
    assert signature(SECRET, ID, str(AT), BODY) == PUBLISHED
    assert verified()


@pytest.mark.parametrize("given", [f"{OTHER} {PUBLISHED}", f"{PUBLISHED} {OTHER}", f"v1a,abc= {PUBLISHED}"])
def test_one_of_several_signatures_is_enough(given: str) -> None:
    assert verified(given=given)


OTHERS = [
    *("", " ", "v1,", OTHER, PUBLISHED.removeprefix("v1,"), PUBLISHED.replace("v1", "v2"), PUBLISHED[:-1]),
    *(f"{PUBLISHED}=", PUBLISHED.upper(), f"{PUBLISHED},{OTHER}", "v1,\xe9"),
]


@pytest.mark.parametrize("given", OTHERS)
def test_any_other_signature_is_refused(given: str) -> None:
    assert not verified(given=given)


def test_every_part_is_signed() -> None:
    assert not verified(body=BODY + b" ")
    assert not verified(body=b"")
    assert not verified(id="msg_other")
    assert not verified(timestamp=str(AT + 1))
    assert not verified(secret=b"other")


def test_a_message_has_an_id() -> None:
    assert not verified(id="", given=signature(SECRET, "", str(AT), BODY))


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_holds_for_five_minutes_both_ways(seconds: int, taken: bool) -> None:
    assert verified(now=AT + seconds) is taken


ARABIC = "\u0661\u0666\u0661\u0664\u0662\u0666\u0665\u0663\u0663\u0660"  # digits, to Python
NO_TIMES = ["", "now", "-1", "+1", "1e9", f"{AT}.0", f" {AT}", f"{AT}\n", "1_614_265_330", "9" * 5_000, ARABIC]


@pytest.mark.parametrize("timestamp", NO_TIMES)
def test_a_timestamp_is_a_number_of_seconds(timestamp: str) -> None:
    assert not verified(timestamp=timestamp, given=signature(SECRET, ID, timestamp, BODY))


def test_each_key_has_a_secret_of_its_own_always_the_same_one() -> None:
    assert signing_secret("AAAAAAAAAAAA") == signing_secret("AAAAAAAAAAAA") != signing_secret("AAAAAAAAAAAB")
    assert len(signing_secret("AAAAAAAAAAAA")) == 32


def test_people_see_a_secret_as_the_specification_writes_it() -> None:
    assert whsec(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
