"""Where a Markdown document has its headings, its tables, and what is no text of its own, as CommonMark has it."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_HEADING = 100  # characters of each that are kept
MAX_HEADER = 500  # characters of the first row of a table, which is indexed with each passage of it
MAX_READ = 500  # characters of each that are read for marks, since what reads them may take quadratic time
MAX_MARKS = 20_000  # in all headings of a document, up to 50 microseconds each. Those of further headings stay
MAX_LINES = 25_000  # of a document, after which no headings are looked for: each costs 40 microseconds
MAX_NESTING = 10  # of quotes and lists, where a list is two: each level reads its lines again
LINE_END = re.compile(r"\r\n|\r|\n")
FENCE = re.compile(r"[`~\s>]*")
INLINE = re.compile(r"[*_\[\]<>`\\&!]")  # what may be more than text
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
TAG = re.compile(r"<[^<>]*>")
HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]*>((?:[^<]|<(?!/?h[1-6]\b)){0,300})</h\1\s*>", re.IGNORECASE)
NOT_READ = re.compile(r"\s*<(?:!--|\?|!|pre\b|script\b|style\b|textarea\b)", re.IGNORECASE)
CELL_OF_DELIMITER = re.compile(r"[ \t]*:?-+:?[ \t]*")
BOM = "\ufeff"

type Range = tuple[int, int]


@dataclass(frozen=True)
class Heading:
    position: int
    level: int
    text: str


@dataclass(frozen=True)
class Table:
    """The rows of a table under its first one, and what that says."""

    start: int
    end: int
    header: str


@dataclass(frozen=True)
class Structure:
    """Of a document. `own` is its content, with spaces for headings, fences, rules, comments: its own text."""

    own: str
    headings: list[Heading] = field(default_factory=list[Heading])
    tables: list[Table] = field(default_factory=list[Table])

    def path(self, position: int) -> list[Heading]:
        """The headings that a position stands under, the outermost first."""
        path: list[Heading] = []
        for heading in self.headings[: bisect_right(self.headings, position, key=lambda one: one.position)][-200:]:
            path = [above for above in path if above.level < heading.level] + [heading]
        return path

    def header(self, position: int) -> str:
        """The first row of the table that a position stands in, where it is not the first row itself."""
        index = bisect_right(self.tables, position, key=lambda one: one.start) - 1
        return self.tables[index].header if index >= 0 and position < self.tables[index].end else ""


@dataclass
class Marks:
    """Takes marks away from headings: from as many of a document as may be read for them."""

    left: int = MAX_MARKS

    def without(self, heading: str) -> str:
        """What a heading says, in one line and without its marks."""
        heading = heading[:MAX_READ]
        if 0 < (marks := len(INLINE.findall(heading))) <= self.left:
            self.left -= marks
            (token,) = inlines().parseInline(heading)
            heading = "".join(
                part.content if part.type in ("text", "code_inline") else " " if part.type.endswith("break") else ""
                for part in token.children or ()
            )
        return " ".join(heading.split())[:MAX_HEADING]


@cache
def blocks() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


@cache
def inlines() -> MarkdownIt:
    return MarkdownIt("commonmark")


def structure_of(content: str, begin: int = 0) -> Structure:
    """Of the content from a position on, before which there is no Markdown."""
    begin += content.startswith(BOM, begin)
    starts = [begin, *(end.end() for end in LINE_END.finditer(content, begin)), len(content)]
    tokens = blocks().parse(content[begin : starts[min(MAX_LINES, len(starts) - 1)]])
    headings: list[Heading] = []
    tables: list[Table] = []
    bare: list[Range] = [(0, begin)]
    marks = Marks()
    for token, inner in zip_longest(tokens, tokens[1:]):
        if token.map is None:
            continue
        start, end = starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)]
        if token.type == "heading_open" and inner:
            headings.append(Heading(start, int(token.tag[1]), marks.without(inner.content)))
        if token.type in ("heading_open", "hr"):
            bare.append((start, end))
        elif token.type == "fence":
            bare += fences(content, token, starts)
        elif token.type == "html_block":
            headings += html_headings(content, start, end, bare, marks)
        elif token.type == "paragraph_open":
            tables += tables_in(content, token, starts, bare)
    return Structure(without(content, bare), headings, tables)


def html_headings(content: str, start: int, end: int, bare: list[Range], marks: Marks) -> Iterator[Heading]:
    """Those of a block of HTML. They, all tags and comments are added to what is no text."""
    bare += [comment.span() for comment in COMMENT.finditer(content, start, end)]
    if NOT_READ.match(content, start):
        return
    for found in HTML_HEADING.finditer(content, start, end):
        yield Heading(found.start(), int(found[1]), marks.without(TAG.sub("", found[2])))
        bare.append(found.span())
    bare += [tag.span() for tag in TAG.finditer(content, start, end)]


def fences(content: str, token: Token, starts: Sequence[int]) -> Iterator[Range]:
    """The lines that open and close a block of code."""
    assert token.map
    first, after = token.map
    yield starts[first], starts[first + 1]
    last = (starts[after - 1], starts[min(after, len(starts) - 1)])
    if after - 1 > first and FENCE.fullmatch(content, *last):
        yield last


def tables_in(content: str, token: Token, starts: Sequence[int], bare: list[Range]) -> Iterator[Table]:
    """A table is a paragraph to CommonMark: a row, a row of hyphens, which is no text, and more rows."""
    assert token.map
    first, after = token.map
    for line in range(first + 1, after):
        start, stop = starts[line], starts[min(line + 1, len(starts) - 1)]
        text = content[start:stop].rstrip("\r\n")
        header = content[starts[line - 1] : start].strip()[:MAX_HEADER]
        if "|" in header and "|" in text and is_delimiter(text):
            bare.append((start, stop))
            yield Table(start, starts[min(after, len(starts) - 1)], header)
            return


def is_delimiter(line: str) -> bool:
    """Whether it is what stands under the first row of a table."""
    cells = line.lstrip(" \t>").rstrip().removeprefix("|").removesuffix("|").split("|")
    return all(CELL_OF_DELIMITER.fullmatch(cell) for cell in cells)


def without(content: str, ranges: Sequence[Range]) -> str:
    """The content with as many spaces in place of ranges."""
    parts: list[str] = []
    position = 0
    for start, end in sorted(ranges):
        if end > position:
            start = max(start, position)
            parts += [content[position:start], " " * (end - start)]
            position = end
    return "".join([*parts, content[position:]])
