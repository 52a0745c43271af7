"""Hybrid search: what one of both legs knows for certain comes first, copies are one result, order and score agree."""

import re
from collections.abc import Callable
from itertools import batched
from typing import Any

import pytest

from tests.benchmarks.orders import FORMS, orders
from tests.support.embeddings_endpoint import vector_of
from tests.support.kb_client import Json, KnowledgeClient


def without_numbers(asked: Json) -> tuple[int, Json]:
    """As models of meaning have it: one number is like another."""
    rows = [
        {"index": index, "embedding": vector_of(re.sub(r"[A-Z]+-[\d-]+", "", text))}
        for index, text in enumerate(asked["input"])
    ]
    return 200, {"data": rows}


def every(kb: KnowledgeClient, passages: dict[str, str]) -> None:
    for some in batched(passages.items(), 100, strict=False):
        assert kb.batch(*({"name": name, "content": text} for name, text in some)).status == 200
    while kb.tasks():
        kb.work(kb.tasks()[:10])


def test_an_exact_number_comes_first_however_alike_the_passages_are(kb: KnowledgeClient) -> None:
    some = dict(list(orders().items())[:100])
    with kb.endpoint.answering(without_numbers):
        every(kb, some)
        for form in FORMS:
            asked = list(some)[::10]
            assert [kb.names(form.format(number), k=1) for number in asked] == [[number] for number in asked]


def test_what_meaning_alone_finds_is_found(kb: KnowledgeClient) -> None:
    def by_topic(asked: Json) -> tuple[int, Json]:
        topic: Callable[[str], str] = lambda text: "money" if re.search("refund|reimburse", text) else text  # noqa: E731
        return 200, {"data": [{"index": n, "embedding": vector_of(topic(t))} for n, t in enumerate(asked["input"])]}

    with kb.endpoint.answering(by_topic):
        every(kb, {"a": "We reimburse customers", "b": "Parcels leave daily", "c": "Zebras eat grass"})
        assert kb.names("refund", k=1) == ["a"]


def test_what_is_like_the_best_comes_before_what_is_not(kb: KnowledgeClient) -> None:
    directions = {"refund": (1, 0, 0), "our refund": (1, 1, 0), "reimbursed": (0, 1, 0), "zebra": (0, 0, 1)}

    def by_direction(asked: Json) -> tuple[int, Json]:
        """The query and what has its word are near; what is like that alone is as far from the query as zebras."""
        rows = [next(v for word, v in reversed(directions.items()) if word in text) for text in asked["input"]]
        return 200, {"data": [{"index": n, "embedding": [*row, *([0] * 1533)]} for n, row in enumerate(rows)]}

    with kb.endpoint.answering(by_direction):
        zebras = {f"zebra{n}": f"A zebra, number {n}" for n in range(6)}
        every(kb, {f"refund{n}": f"This is our refund {n}" for n in range(3)} | zebras | {"like": "To be reimbursed"})
        assert kb.names("refund", k=4)[3] == "like"


@pytest.mark.parametrize("mode", ["hybrid", "text", "vector"])
def test_no_result_is_surer_than_the_one_above_it(kb: KnowledgeClient, mode: str) -> None:
    every(kb, {f"d{n}": " ".join(f"word{m}" for m in range(n % 7, n + 2)) for n in range(20)})
    for query in ("word1 word5", "word3 word4 word12", "word9", "word0 word1 word2 word3 nothing"):
        scores = [hit["score"] for hit in kb.find(query, mode=mode, k=20)]
        assert scores == sorted(scores, reverse=True) and scores
        hits = kb.find(query, mode=mode, k=20, min_score=scores[len(scores) // 2])
        confident = [hit["confident"] for hit in hits]
        assert confident == sorted(confident, reverse=True)


@pytest.mark.parametrize("mode", ["hybrid", "text", "vector"])
def test_copies_are_one_result(kb: KnowledgeClient, mode: str) -> None:
    passages: dict[str, Any] = {f"copy{n}": "The warranty covers repairs." for n in range(120)}
    every(kb, passages | {f"other{n}": f"The warranty number {n}." for n in range(12)})
    elsewhere = kb.other_base()
    elsewhere.put("titled", "The warranty covers repairs.", title="Imprint")
    elsewhere.embed()
    first, *others = kb.find("warranty covers repairs", mode=mode)
    assert len(others) == 9
    assert len({hit["chunk_text"] for hit in (first, *others)}) == 10
    assert len(first["copies"]) == 100
    assert all(not hit["copies"] for hit in others)
    (copied,) = kb.find("warranty covers repairs", mode=mode, filter={"document_name": "copy7"})
    assert copied["copies"] == []
    (one,) = kb.find("warranty covers repairs", mode=mode, knowledge_base_id=elsewhere.base)
    assert (one["document_name"], one["copies"]) == ("titled", [])


def test_copies_name_their_base_document_and_place(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": "Other"}, {"text": "Voucher"}])
    kb.put("b", "Voucher", title="Shop")
    (hit,) = kb.find("voucher", mode="text")
    found = [{"knowledge_base_id": kb.base, "document_name": "a", "chunk_index": 1}]
    found.append({"knowledge_base_id": kb.base, "document_name": "b", "chunk_index": 0})
    itself = {key: hit[key] for key in ("knowledge_base_id", "document_name", "chunk_index")}
    assert sorted([itself, *hit["copies"]], key=lambda one: one["document_name"]) == found
