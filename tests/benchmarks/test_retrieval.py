"""How well search finds what people judged to answer a question, through the API and by the model that runs here."""

from collections.abc import Iterator
from functools import partial
from itertools import batched, cycle
from statistics import mean
from typing import Any

import psycopg
import pytest

from flomastr.knowledge.search import SearchMode
from tests.benchmarks.cranfield import batches, ndcg, needs_cranfield, questions, recall
from tests.benchmarks.measure import in_turn
from tests.benchmarks.orders import FORMS, orders
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.searching import MODES, Found, KnowledgeClient, Question, filled, ranking
from tests.support.factories import Factory

pytestmark = [pytest.mark.timeout(600), needs_cranfield]

GROUP = "Cranfield by wordllama-256"
GROUP_OF_ORDERS = "The one order that a question names, found first"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@pytest.fixture(scope="module")
def kb(model: None, make: Factory, superuser: psycopg.Connection[Any], job_url: str) -> KnowledgeClient:
    return KnowledgeClient(filled(make, superuser, job_url, batches()), questions())


def test_search_finds_what_people_judged_relevant(kb: KnowledgeClient, report: Report) -> None:
    found = {mode: [kb.search(question, mode, k=100) for question in kb.questions] for mode in MODES}
    for mode in MODES:
        report.add(GROUP, mode, quality(found[mode], kb.questions))
    hybrid = quality(found["hybrid"], kb.questions)
    for goal in (Goal("nDCG@10", at_least=0.415), Goal("recall@100", at_least=0.756)):
        report.add(GROUP, "hybrid", hybrid, goal)
    for threshold in THRESHOLDS:
        figures = {name: share for mode in MODES for name, share in confidence(mode, found[mode], threshold, kb)}
        report.add(
            f"{GROUP}: the share of questions whose best hit reaches a score, and of these hits the relevant ones",
            f"{threshold}",
            figures,
        )
    assert report.missed(GROUP) == []


def test_how_long_a_search_takes_in_its_handler(kb: KnowledgeClient, report: Report) -> None:
    questions = cycle(kb.questions)

    def search(mode: SearchMode) -> Found:
        return kb.search(next(questions), mode, k=10)

    calls = {mode: partial(search, mode) for mode in MODES}
    for mode, taken in in_turn(calls, rounds=len(kb.questions)).items():
        report.add(f"{GROUP}: in the handler, k = 10", mode, {"p50 ms": taken.p50, "p99 ms": taken.p99})


def test_an_exact_number_is_found_first(
    model: None, make: Factory, superuser: psycopg.Connection[Any], job_url: str, report: Report
) -> None:
    named = [{"name": number, "content": text} for number, text in orders().items()]
    sent = [list(some) for some in batched(named, 100, strict=False)]
    tenant = filled(make, superuser, job_url, sent)
    for form in FORMS:
        asked = [Question(form.format(one["name"]), frozenset([one["name"]])) for one in named[::10]]
        client = KnowledgeClient(tenant, asked)
        first = {
            mode: sum(client.search(one, mode, k=1)[0]["document_name"] in one.relevant for one in asked)
            for mode in MODES
        }
        report.add(f"{GROUP_OF_ORDERS}, of 60", form.format("..."), {mode: float(n) for mode, n in first.items()})
        report.add(GROUP_OF_ORDERS, form.format("..."), {"hybrid": first["hybrid"]}, Goal("hybrid", at_least=58))
    assert report.missed(GROUP_OF_ORDERS) == []


def quality(found: list[Found], asked: list[Question]) -> dict[str, float]:
    judged = [(ranking(results), question.relevant) for results, question in zip(found, asked, strict=True)]
    return {
        "nDCG@10": mean(ndcg(ranked, relevant) for ranked, relevant in judged),
        "recall@100": mean(recall(ranked, relevant) for ranked, relevant in judged),
    }


def confidence(mode: str, found: list[Found], threshold: float, kb: KnowledgeClient) -> Iterator[tuple[str, float]]:
    """The share of questions whose best hit has that score, and of those the share whose best hit is relevant."""
    best = [(results[0], question.relevant) for results, question in zip(found, kb.questions, strict=True)]
    passed = [hit["document_name"] in relevant for hit, relevant in best if hit["score"] >= threshold]
    yield f"{mode}: reach", len(passed) / len(best)
    if passed:
        yield "relevant" + " " * MODES.index(mode), mean(passed)  # a column of its own, of the same title
