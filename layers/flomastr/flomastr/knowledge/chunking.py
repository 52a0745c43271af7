"""Cuts documents into passages, each with its position, the headings above it, and what is indexed before its text."""

import re
import unicodedata
from collections import deque
from collections.abc import Iterator

from pydantic import BaseModel
from semantic_text_splitter import MarkdownSplitter, TextSplitter

from flomastr.knowledge.structure import Range, Structure, structure_of

CAPACITY = 2000  # characters: a model sees a passage as a whole, and a reader takes it in at a glance
# another version cuts differently
CHUNKER = f"semantic-text-splitter 0.33.1, html-to-markdown 3.21.2, markdown-it-py 4.3.0, {CAPACITY}, 4"
MIN_CUT = 200  # characters of text that a passage has beside the headings that it begins with
RUN = CAPACITY  # characters without a space: of longer ones the splitters take seconds, which grow by the square
UNBROKEN = re.compile(rf"(?<!\S)\S{{{RUN + 1},}}")
MAX_LINKS = 25_000
ZERO_WIDTH_JOINER, JAMO_THAT_CONTINUE = "\u200d", range(0x1160, 0x1200)
MAX_CLUSTER = 100  # characters of what is read as one
READABLE = re.compile(r"[^\W_]")
INLINE_IMAGE = re.compile(r"(data:image/[\w.+-]{1,40})(?:;[\w=.+-]{1,60}){0,4},[A-Za-z0-9+/=_%-]+")

type Splitter = type[TextSplitter] | type[MarkdownSplitter]


class Chunk(BaseModel):
    """A passage: `content[start:end]`, and the headings that it stands under, the outermost first.

    `context` is what is indexed and embedded before its text: headings that stand above it, the first row of its table.
    """

    text: str
    start: int
    end: int
    headings: list[str] = []
    context: list[str] = []


def without_images(content: str) -> str:
    """Markdown whose images are elsewhere: of those that it has within itself only the kind is left."""
    return INLINE_IMAGE.sub(r"\1", content) if "data:image/" in content else content


def chunks_of_text(content: str) -> list[Chunk]:
    """Passages that follow paragraphs and sentences, under no headings."""
    ranges = with_text(content, content, TextSplitter)
    return [Chunk(text=content[start:end], start=start, end=end) for start, end in ranges]


def chunks_of_markdown(content: str, begin: int = 0) -> list[Chunk]:
    """Passages that follow the document's structure. Before `begin` stands what is no Markdown."""
    structure = structure_of(content, begin)
    ranges = with_text(with_few_links(content), structure.own, MarkdownSplitter)
    return [chunk(content, structure, start, end) for start, end in ranges]


def with_few_links(content: str) -> str:
    """As long as it was, for the splitter, which takes seconds where tens of thousands of links begin."""
    return content.replace("[", "(") if content.count("[") > MAX_LINKS else content


def chunk(content: str, structure: Structure, start: int, end: int) -> Chunk:
    first = READABLE.search(structure.own, start, end)
    path = structure.path(first.start() if first else start)
    above = [heading.text for heading in path if heading.position < start]
    return Chunk(
        text=content[start:end],
        start=start,
        end=end,
        headings=[heading.text for heading in path],
        context=[line for line in (" > ".join(above), structure.header(start)) if line],
    )


def with_text(content: str, own: str, splitter: Splitter) -> list[Range]:
    """The ranges of passages, each with text of its own: headings and rules are part of what follows them."""
    left = deque(split(splitter, content, 0, len(content)))
    ranges: list[Range] = []
    begin: int | None = None  # of headings that wait for their text
    while left:
        start, end = left.popleft()
        if begin is not None and end - begin > CAPACITY:
            if parts := smaller(splitter, content, (start, end), start - begin):
                left.extendleft(reversed(parts))
                continue
            ranges.append((begin, begin + len(content[begin:start].rstrip())))
            begin = None
        begin = start if begin is None else begin
        if READABLE.search(own, begin, end):
            ranges.append((begin, end))
            begin = None
    return ranges if begin is None else with_rest(splitter, content, ranges, begin)


def with_rest(splitter: Splitter, content: str, ranges: list[Range], begin: int) -> list[Range]:
    """Headings without text at the end are part of the passage before them."""
    end = len(content.rstrip())
    if not ranges:
        return [*split(splitter, content, begin, end)]
    *others, last = ranges
    parts = [last] if end - last[0] <= CAPACITY else smaller(splitter, content, last, end - last[1])
    return [*others, *parts[:-1], (parts[-1][0], end)] if parts else [*ranges, (begin, end)]


def smaller(splitter: Splitter, content: str, passage: Range, taken: int) -> list[Range]:
    """Parts of a passage that leave so many characters of a passage to others. None, if that left too little."""
    return list(split(splitter, content, *passage, CAPACITY - taken)) if CAPACITY - taken >= MIN_CUT else []


def split(splitter: Splitter, content: str, start: int, end: int, capacity: int = CAPACITY) -> Iterator[Range]:
    """Ranges of at most so many characters. A run without spaces is split in parts of at most RUN characters."""
    cutting = splitter(capacity)
    for stop in [*(start + seam for seam in seams(content[start:end])), end]:
        for position, text in cutting.chunk_indices(content[start:stop]):
            yield start + position, start + position + len(text)
        start = stop


def seams(content: str) -> Iterator[int]:
    """Where unbroken runs are parted: never within what is read as one character, unless it has a hundred."""
    for run in UNBROKEN.finditer(content):
        for position in range(run.start() + RUN, run.end(), RUN):
            ends = range(position, position - MAX_CLUSTER, -1)
            yield next((end for end in ends if begins_a_character(content, end)), position)


def begins_a_character(content: str, position: int) -> bool:
    before, character = content[position - 1], content[position]
    return (
        unicodedata.category(character)[0] != "M"
        and ZERO_WIDTH_JOINER not in (before, character)
        and ord(character) not in JAMO_THAT_CONTINUE
    )
