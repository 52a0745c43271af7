"""What a file calls itself, and in which charset a client says that it is written: neither is to be trusted."""

from collections.abc import Callable

import pytest

from flomastr.errors import UnprocessableError
from flomastr.readers import reading, texts
from flomastr.readers.extracted import Extracted, Part, titled
from flomastr.readers.kinds import SentFile
from flomastr.readers.passages import cut_file
from tests.support.office import slides, xlsx

LATIN = "Übergröße".encode("latin-1")


def mail(subject: str) -> bytes:
    return f"From: a@example.com\nSubject: {subject}\n\nText\n".encode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("Refunds", "Refunds"),
        ("Refunds\n of  May", "Refunds of May"),
        ("x" * 5000, "x" * 1000),
        ("=?utf-8?q?a=00b?=", "ab"),
        ("=?utf-8?q?a=ed=a0=80b?=", "a\ufffd\ufffd\ufffdb"),
        ("=?utf-8?q?=00?=", None),
        ("=?utf-8?q?=F0=9F=91=A9=E2=80=8D=F0=9F=94=A7?=", "\U0001f469\u200d\U0001f527"),
    ],
)
def test_a_title_that_a_file_says_of_itself_fits_a_document(subject: str, title: str | None) -> None:
    assert reading.read(SentFile(mail(subject), "message/rfc822", "a.eml")).title == title


def test_a_title_has_no_half_of_a_pair() -> None:
    assert titled(Extracted([], title="a\ud800b")).title == "ab"


@pytest.mark.parametrize(
    "named",
    [
        "undefined",
        "punycode",
        "utf-7",
        "idna",
        "rot13",
        "zip",
        "unicode_escape",
        "a\0b",
        "",
        "no-such-charset",
        "x" * 9999,
    ],
)
def test_a_charset_that_is_not_read_is_as_good_as_none(named: str) -> None:
    assert texts.decoded(LATIN, f'text/plain; charset="{named}"') == "Übergröße"
    assert texts.decoded("Übergröße".encode(), f'text/plain; charset="{named}"') == "Übergröße"


def test_parts_of_a_charset_that_are_none_together_are_as_good_as_none() -> None:
    assert texts.decoded(b"Refunds", "text/plain; charset*0*=utf-8''%00; charset*1=x") == "Refunds"


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO-8859-1", "Ü"),
        ("windows-1251", "Ж"),
        ("Shift_JIS", "返金"),
        ("EUC-KR", "환불"),
        ("big5", "退款"),
        ("utf-16le", "Ü"),
    ],
)
def test_charsets_of_the_web_are_read(charset: str, text: str) -> None:
    assert texts.charset(f"text/plain; charset={charset}")
    if b"\0" not in (data := text.encode(charset)):
        assert texts.decoded(data, f"text/plain; charset={charset}") == text


def test_a_text_of_more_bytes_than_its_characters_can_take_is_not_decoded() -> None:
    assert len(texts.decoded(b"x" * 2_000_000)) == 2_000_000
    with pytest.raises(UnprocessableError, match="more than 500,000 characters"):
        texts.decoded(b"x" * 2_000_001)


def in_a_cell(text: str) -> bytes:
    return xlsx({"A": [["x", text]]})


def in_notes(text: str) -> bytes:
    return slides(["A"], notes=text)


def in_csv(text: str) -> bytes:
    return f"a,b\nx,{text}\n".encode()


@pytest.mark.parametrize(("name", "make"), [("a.xlsx", in_a_cell), ("a.pptx", in_notes), ("a.csv", in_csv)])
def test_characters_count_once(name: str, make: Callable[[str], bytes]) -> None:
    assert len(reading.read(SentFile(make("x" * 450_000), "", name)).parts[0].text) > 450_000
    with pytest.raises(UnprocessableError, match="more than 500,000 characters"):
        reading.read(SentFile(make("x" * 500_000), "", name))


def test_a_sheet_has_a_hundred_characters_of_its_name() -> None:
    part = reading.read(SentFile(xlsx({"x" * 50_000: [["a", "b"], ["1", "2"]]}), "", "a.xlsx")).parts[0]
    assert (part.place, part.text.splitlines()[0]) == ("x" * 100, "# " + "x" * 100)


def test_a_passage_names_a_hundred_places() -> None:
    parts = [Part("a", number) for number in range(300)]
    (chunk,) = cut_file("a", None, Extracted(parts, "text", "sheets")).chunks
    assert chunk["metadata"] == {"sheets": [*range(100)]}
