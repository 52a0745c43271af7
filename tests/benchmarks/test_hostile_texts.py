"""How long documents of the largest size take to be cut that are made to take long, and how much memory."""

import resource
import time
from collections.abc import Callable
from multiprocessing import get_context

import pytest

from flomastr.knowledge.chunking import chunks_of_markdown, chunks_of_text
from flomastr.knowledge.html import MAX_CONTENT, markdown_of
from tests.benchmarks.report import Goal, Report

pytestmark = pytest.mark.timeout(600)

GOAL = Goal("seconds", at_most=2)
UNITS = {
    "Chinese": "中文没有空格的文字",
    "Thai": "ภาษาไทยไม่มีช่องว่าง",
    "Hangul jamo": "\u1100\u1161\u11a8",
    "joined emoji": "👩\u200d👩\u200d👧",
    "joiners alone": "\u200d",
    "combining marks": "a\u0301\u0302",
    "words of code": "_a",
    "Arabic": "العربية",
    "short words": "a ",
    "lines": "a\n",
    "headings": "# a\n",
    "quotes": ">",
    "brackets": "[",
    "links": "[a](",
    "stars": "*a",
    "backticks": "`a",
    "pipes": "|a",
    "tables": "|a|b|\n|-|-|\n",
    "lists": "- a\n  ",
    "tags": "<b>",
    "ends of tags": "</b>",
    "comments": "<!--",
    "entities": "&amp",
    "numbered items": "1) a\n",
    "items": "- a\n",
    "paragraphs": "a\n\n",
    "footnotes": "[^1]: a\n",
    "images": "![",
    "headings of images": "# " + "![" * 60 + "\n",
    "long headings of links": "# " + "[a](" * 240 + "\n",
    "headings of emphasis": "# " + "*a_ " * 30 + "\n",
}
STARTS = {  # of one document, followed by a unit
    "quotes in quotes": ("> " * 19 + "a\n", "b\n"),
    "a heading of images": ("# ", "!["),
    "a row of hyphens": ("|a|\n|-", " "),
    "nested front matter": ("---\na: " + "[" * 4900 + "]" * 4900 + "\n---\n\n", "hello "),
}
WAYS: dict[str, Callable[[str], object]] = {
    "text": chunks_of_text,
    "markdown": chunks_of_markdown,
    "html": lambda content: chunks_of_markdown(markdown_of(content)),
}


def cost(way: str, start: str, unit: str) -> tuple[float, float]:
    """Seconds of this process's CPU and megabytes, in a process of its own. What is refused is refused in this time."""
    content = (start + unit * MAX_CONTENT)[:MAX_CONTENT]
    before, begun = peak(), time.process_time()
    try:
        WAYS[way](content)
    except ValueError:
        pass
    return time.process_time() - begun, peak() - before


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("way", WAYS)
def test_texts_that_are_made_to_take_long(way: str, report: Report) -> None:
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name, (start, unit) in ({name: ("", unit) for name, unit in UNITS.items()} | STARTS).items():
            seconds, megabytes = pool.apply_async(cost, (way, start, unit)).get(timeout=120)
            report.add("hostile texts", f"{way}: {name}", {"seconds": seconds, "MB": megabytes}, GOAL)
