"""A tenant with documents that were embedded by the model that runs here, and searches over them through the API."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Any

import psycopg

from flomastr.embeddings.queue import Task
from flomastr.knowledge.search import SearchMode
from flomastr.observability import metrics
from functions.documents.handler import lambda_handler as ask_documents
from functions.embed.handler import lambda_handler as embed
from functions.knowledge_bases.handler import lambda_handler as ask_bases
from functions.knowledge_search.handler import lambda_handler as ask_search
from tests.support.connected import connected
from tests.support.events import Context, call
from tests.support.factories import Factory, Tenant

MODEL = "wordllama-256"
MODES: tuple[SearchMode, ...] = ("vector", "text", "hybrid")
MESSAGES = 10  # of one invocation
TASKS = "SELECT tenant_id, document_id, embedding_model FROM app.embedding_tasks WHERE tenant_id = %s AND status = %s"

type Found = list[dict[str, Any]]


@dataclass(frozen=True)
class Question:
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class KnowledgeClient:
    tenant: Tenant
    questions: list[Question]

    def search(self, question: Question, mode: SearchMode, k: int) -> Found:
        asked = {"query": question.text, "mode": mode, "k": k}
        return ask(ask_search, self.tenant, f"/routes/knowledge/{self.tenant.slug}/search", asked)["results"]


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


def ranking(results: Found) -> list[str]:
    """Documents by their first passage."""
    return list(dict.fromkeys(result["document_name"] for result in results))
