"""Evaluation: how well questions are answered whose answers are known, and which min_score is sure enough."""

from typing import Any

import pytest

from flomastr.knowledge import evaluation
from functions.knowledge_search.handler import lambda_handler as handler
from tests.support.events import Answer
from tests.support.kb_client import Json, KnowledgeClient
from tests.support.problems import refused

TEXTS = {
    "refunds": "Refunds go back to the card within five days.",
    "shipping": "Parcels leave the warehouse on the next working day.",
    "customs": "Customs may hold parcels for a week.",
}


@pytest.fixture(scope="module")
def shelf(kb_of_module: KnowledgeClient) -> KnowledgeClient:
    for name, text in TEXTS.items():
        kb_of_module.put(name, text)
    kb_of_module.embed()
    return kb_of_module


def asked(query: str, *documents: str, **more: Any) -> Json:
    return {"query": query, "expected": [{"document_name": name} | more for name in documents]}


def evaluates(kb: KnowledgeClient, *questions: Json, **query: str) -> Answer:
    path = f"/routes/knowledge/{kb.tenant.slug}/evaluate"
    return kb.ask(handler, "POST", path, body=list(questions), query=query)


def test_each_mode_says_how_many_first_results_are_right_and_where_the_right_ones_stand(
    shelf: KnowledgeClient,
) -> None:
    answer = evaluates(
        shelf,
        asked("refunds card", "refunds"),
        asked("customs hold parcels week", "shipping"),  # which comes second
        asked("parcels", "nowhere"),
    )
    assert answer.status == 200, answer.body
    assert answer.json["questions"] == 3
    assert list(answer.json["modes"]) == ["hybrid", "vector", "text"]
    assert answer.json["modes"]["text"] == {
        "success_at_1": 0.3333,
        "success_at_5": 0.6667,
        "success_at_10": 0.6667,
        "ndcg_at_10": 0.5436,  # (1 + 1 / log2(3) + 0) / 3
        "mrr": 0.5,
        "min_score": None,  # all three first results have every word, and one of them is right
        "precision": None,
        "answered": None,
        "ranks": [1, 2, None],
    }


def test_what_is_evaluated_is_what_a_search_answers(shelf: KnowledgeClient) -> None:
    queries = ["refunds card", "parcels working week", "the next day at customs"]
    for mode in ("hybrid", "vector", "text"):
        found = [shelf.find(query, mode=mode) for query in queries]
        for name in TEXTS:
            ranks = evaluates(shelf, *(asked(query, name) for query in queries), mode=mode).json["modes"][mode]["ranks"]
            places = [[hit["document_name"] for hit in hits] for hits in found]
            assert ranks == [names.index(name) + 1 if name in names else None for names in places]


def test_the_min_score_is_the_lowest_that_is_precise_enough(shelf: KnowledgeClient) -> None:
    questions = [
        asked(TEXTS["refunds"], "refunds"),
        asked(TEXTS["customs"], "customs"),
        asked("warehouse unicorns", "refunds"),  # wrong, by half of the words
        asked("card dragons castles", "refunds"),  # right, by less
    ]
    by_precision = {
        wished: evaluates(shelf, *questions, mode="text", precision=wished).json["modes"]["text"]
        for wished in ("1", "0.7", "0.75")
    }
    assert [by_precision["1"][name] for name in ("min_score", "precision", "answered")] == [1, 1, 0.5]
    for wished in ("0.7", "0.75"):
        low = by_precision[wished]
        assert (low["precision"], low["answered"]) == (0.75, 1)
        assert low["min_score"] == shelf.find("card dragons castles", mode="text")[0]["score"]


def test_one_passage_of_one_base_may_be_expected_and_copies_count(shelf: KnowledgeClient) -> None:
    elsewhere = shelf.other_base()
    elsewhere.put("copied", TEXTS["refunds"])
    elsewhere.embed()
    here, there = shelf.base, elsewhere.base

    def rank(**expected: Any) -> Any:
        question = {"query": "refunds card", "expected": [expected]}
        return evaluates(shelf, question, mode="text").json["modes"]["text"]["ranks"]

    assert rank(document_name="copied") == rank(document_name="refunds") == [1]
    assert rank(document_name="copied", knowledge_base_id=there, chunk_index=0) == [1]
    assert rank(document_name="copied", knowledge_base_id=here) == [None]
    assert rank(document_name="refunds", chunk_index=1) == [None]
    within = evaluates(shelf, asked("refunds card", "refunds"), mode="text", knowledge_base_id=there)
    assert within.json["modes"]["text"]["ranks"] == [None]
    elsewhere.delete("copied")


def test_all_questions_are_embedded_by_one_request_and_weigh_as_their_searches(kb: KnowledgeClient) -> None:
    """12 questions in 3 modes weigh 360, and the route 1."""
    kb.make.within(kb.tenant.id, "UPDATE app.rate_limits SET rate_limit_per_minute = 400", {})
    questions = [asked(f"refunds {n}", "refunds") for n in range(12)]
    assert evaluates(kb, *questions).status == 200
    again = evaluates(kb, *questions)
    refused(again, 429)
    assert "this one weighs 361" in again.json["detail"]
    assert [len(asked["input"]) for asked in kb.endpoint.asked] == [12]


def test_more_questions_than_a_request_has_time_for_are_refused_with_their_number(
    shelf: KnowledgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([4.0, 4.0, -1.0])
    monkeypatch.setattr(evaluation, "seconds_left", lambda _: next(left))  # pyright: ignore
    answer = evaluates(shelf, *(asked("refunds", "refunds") for _ in range(200)), mode="text")
    refused(answer, 422)
    assert "to search for 20 questions" in answer.json["detail"]


def test_questions_are_bounded(shelf: KnowledgeClient) -> None:
    one = asked("refunds", "refunds")
    refused(evaluates(shelf), 422, "body")
    refused(evaluates(shelf, *[one] * 201, mode="text"), 422, "body")
    refused(evaluates(shelf, {"query": " ", "expected": one["expected"]}), 422, "body.0.query")
    refused(evaluates(shelf, {"query": "x", "expected": []}), 422, "body.0.expected")
    refused(evaluates(shelf, one, precision="0"), 422, "query.precision")
    refused(evaluates(shelf, one, precision="1.1"), 422, "query.precision")
    refused(evaluates(shelf, one, knowledge_base_id=shelf.neighbour().base), 404, "query.knowledge_base_id")
