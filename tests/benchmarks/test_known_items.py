"""How well search finds the one manual page whose purpose is asked for, beside BM25 of a package over its passages."""

from collections.abc import Iterator
from importlib import import_module
from itertools import batched
from statistics import mean
from typing import Any

import psycopg
import pytest

from tests.benchmarks.manual_pages import manual_pages, needs_manual_pages
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.searching import MODES, KnowledgeClient, Question, filled, ranking
from tests.support.factories import Factory

pytestmark = [pytest.mark.timeout(900), needs_manual_pages]

GROUP = "Manual pages, by what their one line says"
K = 50
PASSAGES = (
    "SELECT document_name, chunk_text FROM app.embeddings WHERE tenant_id = %s ORDER BY document_name, chunk_index"
)

bm25s, snowball = map(import_module, ("bm25s", "Stemmer"))  # neither has types

type Rankings = list[list[str]]


@pytest.fixture(scope="module")
def kb(model: None, make: Factory, superuser: psycopg.Connection[Any], job_url: str) -> Iterator[KnowledgeClient]:
    pages = manual_pages()
    named = [{"name": page.name, "content": page.content, "content_type": "html"} for page in pages]
    tenant = filled(make, superuser, job_url, (list(some) for some in batched(named, 10, strict=False)))
    yield KnowledgeClient(tenant, [Question(page.purpose, frozenset([page.name])) for page in pages])


def test_the_page_for_a_purpose_is_found(
    kb: KnowledgeClient, superuser: psycopg.Connection[Any], report: Report
) -> None:
    figures = {mode: found(kb, [ranking(kb.search(asked, mode, K)) for asked in kb.questions]) for mode in MODES}
    figures["bm25s"] = found(kb, of_bm25s(kb, superuser))
    for name, shares in figures.items():
        report.add(GROUP, name, shares)
    text = figures["text"]["success@1"]
    for goal in (Goal("success@1", at_least=text), Goal("success@10", at_least=0.93)):
        report.add(GROUP, "hybrid", figures["hybrid"], goal)
    assert report.missed(GROUP) == []


def of_bm25s(kb: KnowledgeClient, superuser: psycopg.Connection[Any]) -> Rankings:
    """By its own tokens without English stop words, stemmed."""
    passages = superuser.execute(PASSAGES, (kb.tenant.id,)).fetchall()
    stemmer = snowball.Stemmer("english")
    index = bm25s.BM25()
    index.index(tokens([text for _, text in passages], stemmer), show_progress=False)
    asked = tokens([question.text for question in kb.questions], stemmer)
    best, _ = index.retrieve(asked, k=K, show_progress=False)
    return [list(dict.fromkeys(passages[place][0] for place in places)) for places in best]


def tokens(texts: list[str], stemmer: Any) -> Any:
    return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)


def found(kb: KnowledgeClient, rankings: Rankings) -> dict[str, float]:
    """The share of questions whose page is the first, and is one of the first ten."""
    wanted = [next(iter(question.relevant)) for question in kb.questions]
    return {
        f"success@{most}": mean(name in ranked[:most] for name, ranked in zip(wanted, rankings, strict=True))
        for most in (1, 10)
    }
