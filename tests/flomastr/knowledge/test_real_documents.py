"""Over the real documents of installed packages: their words find them, and their passages are what they say."""

import random
import re
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import batched, islice

import pytest

from flomastr.knowledge.chunking import CAPACITY, READABLE, chunks_of_markdown
from flomastr.knowledge.structure import structure_of
from tests.support.kb_client import KnowledgeClient

WORD = re.compile(r"[^\W_]{3,30}")


def descriptions() -> Iterator[tuple[str, str]]:
    """READMEs as packages carry them, by the name of the package."""
    for one in sorted(distributions(), key=lambda one: one.name):
        text = one.metadata.json.get("description", "")
        if isinstance(text, str) and 1000 < len(text) < 60_000:
            yield one.name, text


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    found = dict(descriptions())
    assert len(found) > 60
    return found


def test_passages_are_whole_and_have_text_of_their_own(documents: dict[str, str]) -> None:
    for content in documents.values():
        own, end = structure_of(content).own, 0
        for chunk in chunks_of_markdown(content):
            assert content[chunk.start : chunk.end] == chunk.text
            assert content[end : chunk.start].strip() == ""
            assert len(chunk.text) <= CAPACITY
            assert READABLE.search(own, chunk.start, chunk.end)
            end = chunk.end
        assert content[end:].strip() == ""


def test_any_word_of_a_document_finds_it(kb: KnowledgeClient, documents: dict[str, str]) -> None:
    chosen = random.Random(17)
    some = dict(islice(documents.items(), 40))
    for part in batched(some.items(), 10, strict=False):
        batch = [{"name": name, "content": content, "content_type": "markdown"} for name, content in part]
        assert kb.batch(*batch).status == 200
    missed: list[tuple[str, str]] = []
    for name, content in some.items():
        for word in chosen.sample(WORD.findall(content), 10):
            hits = kb.find(word, mode="text", k=1, filter={"document_name": name})
            if not hits or hits[0]["score"] != 1:
                missed.append((name, word))
    assert len(missed) <= 0.005 * 10 * len(some), missed
