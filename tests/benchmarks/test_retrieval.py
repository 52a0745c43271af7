"""How well search finds what people judged to answer a question, through the API and by the model that runs here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import batched, cycle
from pathlib import Path
from statistics import mean
from typing import Any

import psycopg
import pytest

from dev.services.embeddings_server import embeddings
from flomastr.embeddings.queue import Task
from flomastr.knowledge.search import SearchMode
from flomastr.observability import logger, metrics
from functions.documents.handler import lambda_handler as ask_documents
from functions.embed.handler import lambda_handler as embed
from functions.knowledge_bases.handler import lambda_handler as ask_bases
from functions.knowledge_search.handler import lambda_handler as ask_search
from tests.benchmarks.cranfield import Question, batches, ndcg, needs_cranfield, questions, recall
from tests.benchmarks.measure import in_turn
from tests.benchmarks.orders import FORMS, orders
from tests.benchmarks.report import Goal, Report
from tests.support.connected import connected
from tests.support.events import Context, call
from tests.support.factories import Factory, Tenant

pytestmark = [pytest.mark.timeout(600), needs_cranfield]

GROUP = "Cranfield by wordllama-256"
GROUP_OF_ORDERS = "The one order that a question names, found first"
MODEL = "wordllama-256"
MODES: tuple[SearchMode, ...] = ("vector", "text", "hybrid")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MESSAGES = 10  # of one invocation
TASKS = "SELECT tenant_id, document_id, embedding_model FROM app.embedding_tasks WHERE tenant_id = %s AND status = %s"

type Found = list[dict[str, Any]]


@dataclass(frozen=True)
class KnowledgeClient:
    tenant: Tenant
    questions: list[Question]

    def search(self, question: Question, mode: SearchMode, k: int) -> Found:
        asked = {"query": question.text, "mode": mode, "k": k}
        return ask(ask_search, self.tenant, f"/routes/knowledge/{self.tenant.slug}/search", asked)["results"]


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """Without the warnings that there is no queue: what it would hand over is handed over here."""
    level = logger.log_level
    logger.setLevel("ERROR")
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def model(quiet: None, data: Path) -> Iterator[None]:
    with embeddings(data) as model, connected(EMBEDDINGS_URL=model.url, EMBEDDING_MODELS=MODEL):
        model.wait()
        yield


@pytest.fixture(scope="module")
def kb(model: None, make: Factory, superuser: psycopg.Connection[Any], job_url: str) -> KnowledgeClient:
    return KnowledgeClient(filled(make, superuser, job_url, batches()), questions())


def test_search_finds_what_people_judged_relevant(kb: KnowledgeClient, report: Report) -> None:
    found = {mode: [kb.search(question, mode, k=100) for question in kb.questions] for mode in MODES}
    for mode in MODES:
        report.add(GROUP, mode, quality(found[mode], kb.questions))
    hybrid = quality(found["hybrid"], kb.questions)
    for goal in (Goal("nDCG@10", at_least=0.4), Goal("recall@100", at_least=0.75)):
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


def filled(
    make: Factory, superuser: psycopg.Connection[Any], job_url: str, sent: Iterable[list[dict[str, str]]]
) -> Tenant:
    """A tenant with these documents, embedded."""
    tenant, count = make.tenant(), 0
    base = ask(ask_bases, tenant, "/routes/knowledge-bases", {"name": "All"})
    for documents in sent:
        ask(ask_documents, tenant, f"/routes/knowledge-bases/{base['id']}/documents/batch", {"documents": documents})
        count += len(documents)
    with connected(DATABASE_URL=job_url):
        embed_all(tenant, superuser, count)
    superuser.execute("VACUUM ANALYZE")
    return tenant


def embed_all(tenant: Tenant, superuser: psycopg.Connection[Any], count: int) -> None:
    tasks = superuser.execute(TASKS, (tenant.id, "processing")).fetchall()
    for batch in batched(tasks, MESSAGES, strict=False):
        records = [{"messageId": str(task[1]), "body": message(*task)} for task in batch]
        assert embed({"Records": records}, Context(left_ms=120_000)) == {"batchItemFailures": []}
        metrics.clear_metrics()
    assert len(superuser.execute(TASKS, (tenant.id, "embedded")).fetchall()) == count


def message(tenant_id: Any, document_id: Any, embedding_model: str) -> str:
    return Task(tenant_id=tenant_id, document_id=document_id, embedding_model=embedding_model).model_dump_json()


def ask(handler: Any, tenant: Tenant, path: str, body: dict[str, Any]) -> Any:
    answer = call(handler, "POST", path, body=body, caller=tenant.owner)
    metrics.clear_metrics()  # though disabled they pile up, and a hundred of a name are printed
    assert answer.status < 300, answer
    return answer.json


def quality(found: list[Found], asked: list[Question]) -> dict[str, float]:
    judged = [(ranking(results), question.relevant) for results, question in zip(found, asked, strict=True)]
    return {
        "nDCG@10": mean(ndcg(ranked, relevant) for ranked, relevant in judged),
        "recall@100": mean(recall(ranked, relevant) for ranked, relevant in judged),
    }


def ranking(results: Found) -> list[str]:
    """Documents by their first passage."""
    return list(dict.fromkeys(result["document_name"] for result in results))


def confidence(mode: str, found: list[Found], threshold: float, kb: KnowledgeClient) -> Iterator[tuple[str, float]]:
    """The share of questions whose best hit has that score, and of those the share whose best hit is relevant."""
    best = [(results[0], question.relevant) for results, question in zip(found, kb.questions, strict=True)]
    passed = [hit["document_name"] in relevant for hit, relevant in best if hit["score"] >= threshold]
    yield f"{mode}: reach", len(passed) / len(best)
    if passed:
        yield "relevant" + " " * MODES.index(mode), mean(passed)  # a column of its own, of the same title
