"""What stands around a hit, in the same round trip."""

from typing import Any

import pytest

from tests.support.kb_client import Json, KnowledgeClient

WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india")
CONTENT = "\n\n".join(f"{word.title()} é stands here. " + f"{word} filler. " * 150 for word in WORDS)


@pytest.fixture
def book(kb: KnowledgeClient) -> KnowledgeClient:
    kb.put("book", CONTENT)
    assert len(kb.chunks("book")) >= len(WORDS)
    return kb


def context(hit: Json) -> Any:
    found = hit["context"]
    return found["first_index"], found["last_index"], found["start"], found["end"], found["text"]


def test_a_hit_has_so_many_passages_before_and_after_it_with_their_range(book: KnowledgeClient) -> None:
    chunks = book.chunks("book")
    (hit,) = book.find("echo stands", mode="text", k=1, context=2)
    at = hit["chunk_index"]
    first, last, start, end, text = context(hit)
    assert (first, last) == (at - 2, at + 2)
    assert (start, end) == (chunks[at - 2]["start"], chunks[at + 2]["end"])
    assert text == CONTENT[start:end] and hit["chunk_text"] in text


def test_without_asking_there_is_none(book: KnowledgeClient) -> None:
    (hit,) = book.find("echo stands", mode="text", k=1)
    assert hit["context"] is None


def test_contexts_that_overlap_are_one_whose_text_stands_with_the_better_hit(book: KnowledgeClient) -> None:
    better, other = book.find("charlie charlie delta", mode="text", k=2, context=1)
    assert context(better)[:4] == context(other)[:4]
    first, last, start, end, text = context(better)
    assert (first, last) == (
        min(better["chunk_index"], other["chunk_index"]) - 1,
        max(better["chunk_index"], other["chunk_index"]) + 1,
    )
    assert (text, context(other)[4]) == (CONTENT[start:end], None)


def test_a_context_ends_with_its_document(book: KnowledgeClient) -> None:
    book.put("next", "Another document.")
    (hit,) = book.find("alpha stands", mode="text", k=1, context=5)
    assert context(hit)[:3] == (0, hit["chunk_index"] + 5, 0)
    (alone,) = book.find("another", mode="text", k=1, context=5)
    assert context(alone) == (0, 0, 0, 17, "Another document.")


def test_ready_made_passages_have_an_empty_line_between_them_and_no_position(kb: KnowledgeClient) -> None:
    kb.put("faq", chunks=[{"text": "One."}, {"text": "Two zebras."}, {"text": "Three."}, {"text": "Four."}])
    (hit,) = kb.find("zebras", mode="text", context=1)
    assert context(hit) == (0, 2, None, None, "One.\n\nTwo zebras.\n\nThree.")


def test_more_than_five_are_refused(kb: KnowledgeClient) -> None:
    assert kb.searches("x", context=6).status == kb.searches("x", context=-1).status == 422
