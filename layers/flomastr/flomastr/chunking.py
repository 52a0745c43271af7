"""Documents cut into passages that keep their headings and say where they stand."""

import re
from hashlib import sha256

from html_to_markdown import ConversionOptions, convert
from pydantic import BaseModel
from semantic_text_splitter import MarkdownSplitter, TextSplitter

CAPACITY = 2000  # characters: a model sees a passage as a whole, and a reader takes it in at a glance
CHUNKER = f"semantic-text-splitter 0.33.1, {CAPACITY}"  # another one cuts otherwise, so documents are cut anew
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
FENCE = re.compile(r"^ {0,3}(```|~~~)")
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
    result = convert(html, OPTIONS)
    if result.warnings:
        raise ValueError("is nested too deeply, and would lose text")
    return result.content or ""


def chunks_of_text(content: str) -> list[Chunk]:
    return [
        Chunk(text=text, start=start, end=start + len(text))
        for start, text in TextSplitter(CAPACITY).chunk_indices(content)
    ]


def chunks_of_markdown(content: str) -> list[Chunk]:
    headings = headings_of(content)
    chunks: list[Chunk] = []
    path: list[tuple[int, str]] = []
    place = 0
    for start, text in MarkdownSplitter(CAPACITY).chunk_indices(content):
        while place < len(headings) and headings[place][0] <= start:
            _, level, heading = headings[place]
            path = [above for above in path if above[0] < level] + [(level, heading)]
            place += 1
        chunks.append(Chunk(text=text, start=start, end=start + len(text), headings=[heading for _, heading in path]))
    return chunks


def headings_of(content: str) -> list[tuple[int, int, str]]:
    """Where each stands, its level and its words. What looks like one in a block of code is none."""
    found: list[tuple[int, int, str]] = []
    position, fence = 0, ""
    for line in content.splitlines(keepends=True):
        if mark := FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence and (heading := HEADING.match(line.rstrip("\r\n"))):
            found.append((position + heading.start(1), len(heading[1]), heading[2][:MAX_HEADING]))
        position += len(line)
    return found


def digest(*parts: str) -> str:
    """SHA-256 of what was sent, in hexadecimal."""
    return sha256("\0".join(parts).encode()).hexdigest()
