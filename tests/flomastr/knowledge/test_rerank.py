"""Reranking: an endpoint says how well the first results answer, if there is one and it answers in time."""

from collections.abc import Iterator
from typing import Any

import pytest

from flomastr.embeddings import reranker as reranking
from flomastr.settings import settings
from tests.support.embeddings_endpoint import Endpoint, running
from tests.support.kb_client import Json, KnowledgeClient

TEXTS = {"refunds": "Refunds of parcels.", "shipping": "Parcels, parcels, parcels.", "customs": "Customs and parcels."}
RELEVANCE = {"Refunds of parcels.": 0.3, "Parcels, parcels, parcels.": 0.1, "Customs and parcels.": 0.91}


def as_cohere(asked: Json) -> tuple[int, Any]:
    rows = [{"index": n, "relevance_score": RELEVANCE[text]} for n, text in enumerate(asked["documents"])]
    return 200, {"results": sorted(rows, key=lambda row: -row["relevance_score"])}


def as_tei(asked: Json) -> tuple[int, Any]:
    return 200, [{"index": n, "score": RELEVANCE[text]} for n, text in enumerate(asked["texts"])]


@pytest.fixture
def reranker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with running() as endpoint:
        monkeypatch.setenv("RERANK_URL", endpoint.url)
        monkeypatch.setenv("RERANK_MODEL", "reranker-1")
        settings.cache_clear()
        with endpoint.answering(as_cohere):
            yield endpoint
        monkeypatch.undo()
        settings.cache_clear()


@pytest.fixture(scope="module")
def shelf(kb_of_module: KnowledgeClient) -> KnowledgeClient:
    for name, text in TEXTS.items():
        kb_of_module.put(name, text)
    kb_of_module.embed()
    return kb_of_module


def found(answer: Json) -> list[tuple[str, float]]:
    return [(hit["document_name"], hit["score"]) for hit in answer["results"]]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_results_are_those_that_the_endpoint_puts_first_with_its_scores(
    shelf: KnowledgeClient, reranker: Endpoint, mode: str
) -> None:
    answer = shelf.searches("parcels", mode=mode, k=2).json
    assert found(answer) == [("customs", 0.91), ("refunds", 0.3)]
    assert (answer["reranked"], answer["notes"], answer["escalate"]) == (True, [], False)
    (asked,) = reranker.asked
    assert (asked["model"], asked["query"], set(asked["documents"])) == ("reranker-1", "parcels", set(TEXTS.values()))


def test_an_endpoint_without_a_model_is_asked_as_tei_is(
    shelf: KnowledgeClient, reranker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RERANK_MODEL", "")
    settings.cache_clear()
    with reranker.answering(as_tei):
        assert found(shelf.searches("parcels", mode="text").json)[0] == ("customs", 0.91)
    assert set(reranker.asked[0]) == {"query", "texts", "truncate"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (429, {}),
        (401, {}),
        (302, {}),
        (0, {}),
        (200, "oops"),
        (200, {"results": []}),
        (200, []),
        (200, '[{"index": 0, "score": NaN}, {"index": 1, "score": 1}, {"index": 2, "score": 1}]'),
    ],
)
def test_what_does_not_answer_is_skipped_with_a_note(
    shelf: KnowledgeClient, reranker: Endpoint, status: int, body: Any
) -> None:
    plain = shelf.searches("parcels", mode="text", rerank=False).json
    assert (reranker.asked, plain["reranked"], plain["notes"]) == ([], False, [])
    with reranker.answering(lambda _: (status, body), Location=reranker.url):
        answer = shelf.searches("parcels", mode="text")
    assert (answer.status, found(answer.json)) == (200, found(plain))
    assert (answer.json["reranked"], answer.json["notes"]) == (False, ["rerank_unavailable"])
    assert len(reranker.asked) <= 2  # once more where a connection was closed, and nowhere else


def test_only_the_first_results_are_reranked_and_k_come(
    shelf: KnowledgeClient, reranker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranking, "MOST", 2)
    first, second, third = found(shelf.searches("parcels", mode="text", rerank=False).json)
    answer = shelf.searches("parcels", mode="text", k=3).json
    assert len(reranker.asked[0]["documents"]) == 2
    assert {name for name, _ in found(answer)[:2]} == {first[0], second[0]}
    assert found(answer)[2][0] == third[0]
    scores = [score for _, score in found(answer)]
    assert scores == sorted(scores, reverse=True)


def test_the_text_around_results_stands_with_the_one_that_comes_first_now(
    kb: KnowledgeClient, reranker: Endpoint
) -> None:
    texts = list(TEXTS.values())
    kb.put("all", chunks=[{"text": text} for text in texts])
    with reranker.answering(as_cohere):
        hits = kb.searches("parcels", mode="text", context=1).json["results"]
    assert hits[0]["chunk_text"] == "Customs and parcels."
    assert [hit["context"]["text"] for hit in hits] == ["\n\n".join(texts), None, None]


def test_without_anything_found_the_endpoint_is_not_asked(kb: KnowledgeClient, reranker: Endpoint) -> None:
    assert kb.searches("parcels", mode="text").json["notes"] == []
    assert reranker.asked == []
