"""Pages of HTML as Markdown, with all that a reader can get to: forms, menus, closed tabs, texts of images."""

import html
import re

from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

MAX_CONTENT = 500_000  # characters of one document
CELL = re.compile(r"""<t[dh]\b(?:[^<>"']|"[^"]*"|'[^']*')*+""", re.IGNORECASE)
SPAN = re.compile(r"""\b((?:row|col)span\s*+=\s*+(?:["']\s*+)?\d\d)\d+""", re.IGNORECASE)  # of a hundred and more
NOSCRIPT = re.compile(r"(</?)noscript\b", re.IGNORECASE)
TITLE = re.compile(r"<svg\b[^<>]*/>|<(?P<svg>/?svg)\b|<title\b[^<>]*>(?P<title>[^<]*)</title", re.IGNORECASE)
CDATA, CDATA_END = "<![CDATA[", "]]>"
OPTIONS = ConversionOptions(
    extract_metadata=False,
    preprocessing=PreprocessingOptions(enabled=False),
    hidden_content="reachable",
    inline_data_media="alt_text_only",
    compact_tables=True,
    sup_symbol="^",
    sub_symbol="~",
    strip_tags=["b", "strong", "i", "em", "u", "mark", "s", "del", "ins", "big", "small"],  # **W**arranty is no word
)


def markdown_of(page: str) -> str:
    """The text of a page as Markdown, without scripts and styles. Raises ValueError."""
    readable = NOSCRIPT.sub(r"\1div", with_cdata(page))
    result = convert(CELL.sub(lambda cell: SPAN.sub(r"\1", cell[0]), readable), OPTIONS)
    content = result.content or ""
    if result.warnings:
        raise ValueError("is nested too deeply, and would lose text")
    if len(content) > MAX_CONTENT:
        raise ValueError(f"is {len(content):,} characters as Markdown, and may be {MAX_CONTENT:,}")
    return content


def title_of(page: str) -> str | None:
    """What the page calls itself, not what a picture in it is called."""
    pictures = 0
    for found in TITLE.finditer(page):
        if found["svg"]:
            pictures += -1 if found["svg"].startswith("/") else 1
        elif found["title"] is not None and pictures <= 0:
            return " ".join(html.unescape(found["title"]).split())[:1000] or None
    return None


def with_cdata(page: str) -> str:
    """Sections of CDATA as the text that they are."""
    before, *sections = page.split(CDATA)
    parts = [before]
    for section in sections:
        text, end, rest = section.partition(CDATA_END)
        parts.append(html.escape(text) + rest if end else CDATA + section)
    return "".join(parts)
