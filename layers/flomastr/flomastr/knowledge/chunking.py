"""Cuts documents into passages, each with its position and the headings above it."""

import re
import unicodedata
from collections.abc import Iterator

from html_to_markdown import ConversionOptions, convert
from pydantic import BaseModel
from semantic_text_splitter import MarkdownSplitter, TextSplitter

CAPACITY = 2000  # characters: a model sees a passage as a whole, and a reader takes it in at a glance
CHUNKER = f"semantic-text-splitter 0.33.1, html-to-markdown 3.21.2, {CAPACITY}"  # another version cuts differently
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*)$")
UNDERLINE = re.compile(r"^ {0,3}(=|-)\1*[ \t]*$")
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
SPAN = re.compile(r"\b(?:row|col)span\s*=", re.IGNORECASE)  # cells that repeat a thousand times
RUN = CAPACITY  # characters without a space: of longer ones the splitters take seconds, which grow by the square
UNBROKEN = re.compile(rf"\S{{{RUN + 1},}}")
ZERO_WIDTH_JOINER, JAMO_THAT_CONTINUE = "\u200d", range(0x1160, 0x1200)
MAX_CLUSTER = 100  # characters of what is read as one
MAX_CONTENT = 500_000  # characters of one document
MAX_HEADING = 100  # characters of each that are kept
OPTIONS = ConversionOptions(extract_metadata=False, skip_images=True)


class Chunk(BaseModel):
    """A passage: `content[start:end]`, and the headings that it stands under, the outermost first."""

    text: str
    start: int
    end: int
    headings: list[str] = []


def markdown_of(html: str) -> str:
    """The text of a page as Markdown, without scripts and styles. Raises ValueError."""
    result = convert(SPAN.sub(" ", html), OPTIONS)
    content = result.content or ""
    if result.warnings:
        raise ValueError("is nested too deeply, and would lose text")
    if len(content) > MAX_CONTENT:
        raise ValueError(f"is {len(content):,} characters as Markdown, and may be {MAX_CONTENT:,}")
    return content


def chunks_of_text(content: str) -> list[Chunk]:
    """Passages that follow paragraphs and sentences, under no headings."""
    return [
        Chunk(text=text, start=start, end=start + len(text)) for start, text in split(TextSplitter(CAPACITY), content)
    ]


def chunks_of_markdown(content: str) -> list[Chunk]:
    """Passages that follow the document's structure, each with the headings that it stands under."""
    headings = headings_of(content)
    chunks: list[Chunk] = []
    path: list[tuple[int, str]] = []
    index = 0
    for start, text in split(MarkdownSplitter(CAPACITY), content):
        while index < len(headings) and headings[index][0] <= start:
            _, level, heading = headings[index]
            path = [above for above in path if above[0] < level] + [(level, heading)]
            index += 1
        chunks.append(Chunk(text=text, start=start, end=start + len(text), headings=[heading for _, heading in path]))
    return chunks


def split(splitter: TextSplitter | MarkdownSplitter, content: str) -> Iterator[tuple[int, str]]:
    """The position and text of each passage. A run without spaces is split in parts of at most RUN characters."""
    begin = 0
    for end in [*seams(content), len(content)]:
        yield from ((begin + start, text) for start, text in splitter.chunk_indices(content[begin:end]))
        begin = end


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


def headings_of(content: str) -> list[tuple[int, int, str]]:
    """Each heading's position in characters, level and text, in order. Blocks of code have no headings."""
    found: list[tuple[int, int, str]] = []
    position, fence, before = 0, "", ""
    for line in content.splitlines(keepends=True):
        text = line.rstrip("\r\n")
        if mark := FENCE.match(text):
            fence = open_fence(fence, mark[1], mark[2])
        elif not fence and (heading := HEADING.match(text)):
            found.append(
                (position + heading.start(1), len(heading[1]), without_closing_marks(heading[2])[:MAX_HEADING])
            )
        elif not fence and before.strip() and (underline := UNDERLINE.match(text)):
            found.append((position - len(before), 1 if underline[1] == "=" else 2, before.strip()[:MAX_HEADING]))
        position, before = position + len(line), "" if fence or mark or HEADING.match(text) else line
    return found


def without_closing_marks(heading: str) -> str:
    """A heading's text without its closing #s."""
    words = heading.strip()
    bare = words.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else words


def open_fence(fence: str, mark: str, rest: str) -> str:
    """The fence that is open after a line of a mark and a rest; a mark at least as long, alone, closes the open one."""
    if not fence:
        return mark
    return "" if mark.startswith(fence) and not rest.strip() else fence
