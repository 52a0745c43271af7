"""Cutting: what has no spaces is cut like any other text, in time that grows with its length and not by its square."""

import unicodedata
from collections.abc import Callable

import pytest
from semantic_text_splitter import TextSplitter

from dev.paths import ROOT
from flomastr.knowledge.chunking import CAPACITY, RUN, Chunk, chunks_of_markdown, chunks_of_text

UNBROKEN = {
    "Chinese": "中文没有空格的文字",
    "Thai": "ภาษาไทยไม่มีช่องว่าง",
    "Hangul jamo": "\u1100\u1161\u11a8",
    "joined emoji": "👩\u200d👩\u200d👧",
    "combining marks": "a\u0301\u0302",
    "words of code": "_a",
    "Arabic": "العربية",
}


def assert_whole(content: str, chunks: list[Chunk]) -> None:
    """Nothing that can be read is left out, and each passage stands where it says."""
    assert all(content[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(content.split())
    assert all(0 < len(chunk.text) <= CAPACITY for chunk in chunks)


@pytest.mark.parametrize("unit", UNBROKEN.values(), ids=UNBROKEN.keys())
@pytest.mark.parametrize("cut", [chunks_of_text, chunks_of_markdown])
@pytest.mark.parametrize("between", ["", " ", "\n"])
def test_what_has_no_spaces_is_cut_without_loss_and_between_characters(
    unit: str, cut: Callable[[str], list[Chunk]], between: str
) -> None:
    content = between.join([(unit * RUN)[: 2 * RUN + 500]] * 3)
    chunks = cut(content)
    assert_whole(content, chunks)
    for chunk in chunks:
        assert unicodedata.category(chunk.text[0])[0] != "M" and chunk.text[0] != "\u200d"


def test_no_splitter_sees_more_than_a_run_without_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Watching:
        def __init__(self, _: int) -> None: ...

        def chunk_indices(self, text: str) -> list[tuple[int, str]]:
            seen.append(len(text))
            return [(0, text)]

    monkeypatch.setattr("flomastr.knowledge.chunking.TextSplitter", Watching)
    chunks_of_text("中" * 500_000)
    assert max(seen) == RUN == 2000


@pytest.mark.parametrize(("brackets", "is_shown"), [(25_000, True), (25_001, False)])
def test_links_are_not_shown_to_the_splitter_where_tens_of_thousands_begin(
    monkeypatch: pytest.MonkeyPatch, brackets: int, is_shown: bool
) -> None:
    class Watching:
        def __init__(self, _: int) -> None: ...

        def chunk_indices(self, text: str) -> list[tuple[int, str]]:
            assert ("[" in text) is is_shown
            return [(0, text)]

    monkeypatch.setattr("flomastr.knowledge.chunking.MarkdownSplitter", Watching)
    content = "[a " * brackets
    assert "".join(chunk.text for chunk in chunks_of_markdown(content)) == content


@pytest.mark.parametrize("length", [RUN, RUN + 1])
def test_a_run_is_parted_only_where_it_is_longer_than_a_passage(length: int) -> None:
    assert [len(chunk.text) for chunk in chunks_of_text("中" * length)] == [RUN, *([1] if length > RUN else [])]


def test_a_character_of_endless_marks_is_parted_too() -> None:
    content = "a" + "\u0301" * 3 * RUN
    assert "".join(chunk.text for chunk in chunks_of_text(content)) == content


def test_text_with_spaces_is_cut_as_the_splitter_cuts_it() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/*/*.md")]:
        text = page.read_text()
        assert [(c.start, c.text) for c in chunks_of_text(text)] == TextSplitter(CAPACITY).chunk_indices(text)
