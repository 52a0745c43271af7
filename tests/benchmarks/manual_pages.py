"""Manual pages of this machine as HTML, each with what its one line says it is for: a question that it answers."""

import gzip
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from shutil import which
from subprocess import run

import pytest

FOLDERS = tuple(Path(f"/usr/share/man/man{section}") for section in (2, 5, 7, 8))
PAGES = 600
LONGEST = 200_000  # characters of HTML
NAME = re.compile(r'<section class="Sh">\s*<h1 class="Sh" id="NAME">.*?</h1>(?P<line>.*?)</section>', re.DOTALL)
PURPOSE = re.compile(r"\s[-\u2013\u2014]\s(?P<purpose>.+)")
TAG = re.compile(r"<[^>]+>")


def files() -> list[Path]:
    return [file for folder in FOLDERS for file in sorted(folder.glob("*.gz")) if not file.is_symlink()]


needs_manual_pages = pytest.mark.skipif(
    which("mandoc") is None or len(files()) < 2 * PAGES,
    reason="there are too few manual pages: apt-get install mandoc manpages manpages-dev",
)


@dataclass(frozen=True)
class Page:
    name: str
    purpose: str
    content: str  # without the line that says its purpose


def manual_pages(seed: int = 7) -> list[Page]:
    """Some of those whose purpose no other page has."""
    by_purpose: dict[str, list[Page]] = {}
    for page in read():
        by_purpose.setdefault(page.purpose.lower(), []).append(page)
    return Random(seed).sample([pages[0] for pages in by_purpose.values() if len(pages) == 1], PAGES)


def read() -> Iterator[Page]:
    for file in files():
        source = gzip.decompress(file.read_bytes())
        if source.startswith(b".so "):  # another name of a page
            continue
        shown = run(["mandoc", "-T", "html", "-O", "fragment"], input=source, capture_output=True).stdout.decode()
        named = NAME.search(shown)
        line = PURPOSE.search(text(named["line"])) if named else None
        content = NAME.sub("", shown, count=1)
        if line and len(content) <= LONGEST:
            yield Page(file.stem, line["purpose"].rstrip("."), content)


def text(shown: str) -> str:
    return " ".join(html.unescape(TAG.sub("", shown)).split())
