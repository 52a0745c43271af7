"""No regular expression takes time by the square of a text that somebody sends."""

import pkgutil
import re
from functools import cache
from importlib import import_module
from inspect import getsource
from time import thread_time

import pytest

import flomastr

LENGTH = 40_000  # of which the square takes 7 seconds or more, and the text itself a hundredth of one
SQUARE = 2.0  # seconds of CPU

SEARCHED = {  # and how the texts begin that may hold each up
    "auth.api_key_tokens.FORM": ("", "flo_live_"),
    "embeddings.client.CODE": ("",),
    "http.fields.EXPONENT": ("1e+",),
    "http.fields.JSON_NUL": ("", "a"),
    "http.fields.LIKE_AN_ID": ("", "00000000-"),
    "http.fields.PLUS_LOST": ("", "2026-01-31 12:", "2026-01-31 12:00"),
    "http.fields.WRITTEN_OUT": ("", "2026-01-31 12:"),
    "knowledge.chunking.INLINE_IMAGE": ("", "data:image/a", "data:image/a;a", "data:image/a,"),
    "knowledge.chunking.READABLE": ("",),
    "knowledge.chunking.UNBROKEN": ("",),
    "knowledge.front_matter.FRONT_MATTER": ("---", "---\n", "---\na\n---"),
    "knowledge.html.CELL": ("<td", "<td x", '<td x="', "<td x='"),
    "knowledge.html.NOSCRIPT": ("", "<noscript"),
    "knowledge.html.SPAN": ("rowspan", "rowspan=", 'colspan="', "colspan = '1", "colspan=10"),
    "knowledge.html.TITLE": ("<svg ", "<title", "<title>", "<title>a</title"),
    "knowledge.structure.COMMENT": ("<!--", "<!-"),
    "knowledge.structure.FENCE": ("", "`"),
    "knowledge.structure.HTML_HEADING": ("<h1", "<h1>", "<h1>a</h1"),
    "knowledge.structure.INLINE": ("",),
    "knowledge.structure.LINE_END": ("",),
    "knowledge.structure.TAG": ("", "<"),
    "knowledge.words.ACCENTS": ("", "a"),
    "knowledge.words.COMPOUND": ("", "a.", "a.a.a", "AT&"),
    "knowledge.words.HIDDEN": ("",),
    "knowledge.words.LANGUAGE": ("", "C", "C+"),
    "knowledge.words.LETTER": ("", "\u0e01"),
    "knowledge.words.PIECE": ("", "1", "a"),
    "knowledge.words.UNSPACED_RUN": ("", "\u0e01"),
    "knowledge.words.VERSION": ("v", "v1."),
    "n8n.client.CHUNKED": ("\r\ntransfer-encoding:", "\r\ntransfer-encoding:chunked"),
    "n8n.client.LENGTH": ("\r\ncontent-length:", "\r\ncontent-length:1"),
    "outbound.exchange.RETRY_AFTER": ("\r\nretry-after:", "\r\nretry-after:1"),
    "outbound.exchange.STATUS": ("HTTP/1.1 200",),
    "readers.epub.CLOSED": ("<title", "<title a"),
    "readers.extracted.UNSTORABLE": ("",),
    "readers.pdf.HYPHENATED": ("", "\x02"),
    "tenancy.svg.INSIDE": ("#",),
    "tenancy.svg.PREFIX": ("", "logo-"),
    "tenancy.svg.REACHES_OUT": ("", "url"),
    "tenancy.svg.REFERENCE": ("url(", "url('", "url(#", "url('#a"),
    "tenancy.svg.REFERRED": ("", "#", "url(", "url('"),
    "workflows.cleaning.UNSTORABLE": ("",),
}
MATCHED = {  # from their beginning alone
    "auth.webhook_signatures.TIMESTAMP": ("",),
    "caller.SUBJECT": ("", "mailto:"),
    "http.problems.NAMED_FIELD": ("body.", "body.a: "),
    "knowledge.structure.CELL_OF_DELIMITER": ("", ":-"),
    "knowledge.structure.NOT_READ": ("", "<pre"),
    "large_data.rows.IS_HASH": ("",),
    "outbound.targets.LOCAL_URL": ("http://127.0.0.1", "http://127.0.0.1:80", "http://127.0.0.1/"),
    "uploads.raw_files.KEY": ("tenant=",),
    "workflows.n8n_values.DATABASE_MOMENT": ("2026-01-31 12:00:00", "2026-01-31 12:00:00."),
}
REPEATED = (
    *" \t\n\r:;,.-+_=|&#'\"`~*<>([{\\/1a",
    *"\u0301\u0e01\xad\u3042\x02",
    *(
        "\r\n",
        "a.",
        ".a",
        "a-",
        "1:",
        "- ",
        "a ",
        "a=",
        "\"'",
        "ab",
        "\\u0000",
        "1e+10",
        "\n---",
        "\u0e01\xad",
        "a\u0301",
    ),
    *("<td ", "<td '", "<h1>", "<h1", "</h1", "<title>", "<title", "<svg ", "<!--", "<pre", "<noscript", "</"),
    *("rowspan", "rowspan=", "url(", "url('", "url(#", "data:image/", "data:image/a,", "logo-", "flo_live_", "body."),
)


@cache
def regular_expressions() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Of all modules, by their names."""
    names = [one.name for one in pkgutil.walk_packages(flomastr.__path__, "flomastr.") if not one.ispkg]
    return {
        f"{module.__name__.removeprefix('flomastr.')}.{constant}": value
        for module in map(import_module, names)
        for constant, value in vars(module).items()
        if isinstance(value, re.Pattern) and f"\n{constant} = re.compile(" in getsource(module)
    }


def test_all_regular_expressions_are_tried() -> None:
    assert {*SEARCHED, *MATCHED} == regular_expressions().keys()


@pytest.mark.parametrize("repeated", REPEATED)
def test_no_text_holds_a_regular_expression_up(repeated: str) -> None:
    for name, expression in regular_expressions().items():
        for beginning in (SEARCHED | MATCHED)[name]:
            text = beginning + repeated * (LENGTH // len(repeated)) + "\x01"
            read = text.encode() if isinstance(expression.pattern, bytes) else text
            began = thread_time()
            found = [expression.fullmatch(read), expression.match(read)]  # pyright: ignore
            found += expression.finditer(read) if name in SEARCHED else []  # pyright: ignore
            assert thread_time() - began < SQUARE, f"{name} takes long for {beginning!r} and many {repeated!r}"
