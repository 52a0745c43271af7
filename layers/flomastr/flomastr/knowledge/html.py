"""Pages of HTML as Markdown, with all that a reader can get to: forms, menus, closed tabs, texts of images."""

import html
import re

from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

MAX_CONTENT = 500_000  # characters of one document
CELL = re.compile(r"""<t[dh]\b(?:[^<>"']|"[^"]*"|'[^']*')*+""", re.IGNORECASE)
SPAN = re.compile(r"\b(?:row|col)span\s*=", re.IGNORECASE)  # cells that repeat a thousand times
TITLE = re.compile(r"<title\b[^<>]*>([^<]*)</title", re.IGNORECASE)
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
    result = convert(CELL.sub(lambda cell: SPAN.sub(" ", cell[0]), with_cdata(page)), OPTIONS)
    content = result.content or ""
    if result.warnings:
        raise ValueError("is nested too deeply, and would lose text")
    if len(content) > MAX_CONTENT:
        raise ValueError(f"is {len(content):,} characters as Markdown, and may be {MAX_CONTENT:,}")
    return content


def title_of(page: str) -> str | None:
    """What the page calls itself."""
    found = TITLE.search(page)
    return (" ".join(html.unescape(found[1]).split())[:1000] or None) if found else None


def with_cdata(page: str) -> str:
    """Sections of CDATA as the text that they are."""
    before, *sections = page.split(CDATA)
    parts = [before]
    for section in sections:
        text, end, rest = section.partition(CDATA_END)
        parts.append(html.escape(text) + rest if end else CDATA + section)
    return "".join(parts)
