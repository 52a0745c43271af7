"""app.message_pattern: what differs from run to run is one message."""

import psycopg
import pytest

PATTERNS = {
    "Invoice amount must be positive": "Invoice amount must be positive",
    "do_not_honor [line 1]": "do_not_honor [line <n>]",
    "503 for ACME-BROKEN [line 1]": "<n> for ACME-BROKEN [line <n>]",
    "Request failed with status code 404": "Request failed with status code <n>",
    "connect ECONNREFUSED 127.0.0.1:5432": "connect ECONNREFUSED <n>",
    "getaddrinfo ENOTFOUND api.example.com": "getaddrinfo ENOTFOUND api.example.com",
    "timeout of 300000ms exceeded": "timeout of <n>ms exceeded",
    "GET https://api.example.com/v1/users/42?x=1 failed.": "GET <url> failed.",
    "postgres://reader@db:5432/shop, refused": "<url>, refused",
    'No redirect to "http://localhost:5678/webhook".': 'No redirect to "<url>".',
    "Mailbox anna.b+x@mail.example.org is full": "Mailbox <email> is full",
    "Row 01a202a4-a042-7877-ae9e-cb322f90dfa0 is locked": "Row <id> is locked",
    "ROW 01A202A4-A042-7877-AE9E-CB322F90DFA0 is locked": "ROW <id> is locked",
    "No quote at 2026-03-02T09:44:33.093Z": "No quote at <time>",
    "No quote at 2026-03-02 09:44:33+01:00, nor later": "No quote at <time>, nor later",
    "Nothing was due on 2026-03-02": "Nothing was due on <time>",
    "bad pointer 0x7ffdeadbeef": "bad pointer <id>",
    "commit 9f86d081884c7d65 is gone": "commit <id> is gone",
    "customer cus_NffrFeUfNV2Hib8x has no card": "customer <id> has no card",
    "defaced facade of a decade": "defaced facade of a decade",
    "Cannot read properties of undefined (reading 'id')": "Cannot read properties of undefined (reading 'id')",
    "Überweisung über 1.234,56 EUR abgelehnt": "Überweisung über <n> EUR abgelehnt",
    "  two\n  lines\t": "two lines",
    " \n": None,
    "": None,
}


@pytest.mark.parametrize(("message", "pattern"), PATTERNS.items(), ids=range(len(PATTERNS)))
def test_a_message_is_kept_without_what_differs(
    superuser: psycopg.Connection, message: str, pattern: str | None
) -> None:
    assert superuser.execute("SELECT app.message_pattern(%s)", (message,)).fetchone() == (pattern,)


def test_a_pattern_is_its_own_pattern_and_bounded(superuser: psycopg.Connection) -> None:
    for pattern in filter(None, PATTERNS.values()):
        assert superuser.execute("SELECT app.message_pattern(%s)", (pattern,)).fetchone() == (pattern,)
    assert superuser.execute("SELECT length(app.message_pattern(repeat('x', 501)))").fetchone() == (500,)
    assert superuser.execute("SELECT app.message_pattern(NULL)").fetchone() == (None,)
