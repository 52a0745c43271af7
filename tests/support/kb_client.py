"""A tenant's knowledge base as its user sees it, and the worker behind its queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg

from functions.chunks.handler import lambda_handler as chunks
from functions.documents.handler import lambda_handler as documents
from functions.embed.handler import lambda_handler as embed
from functions.knowledge_bases.handler import lambda_handler as bases
from functions.knowledge_models.handler import lambda_handler as models
from functions.knowledge_search.handler import lambda_handler as search
from functions.requeue.handler import lambda_handler as requeue
from tests.support.connected import connected
from tests.support.embeddings_endpoint import Endpoint
from tests.support.events import Answer, Context, call
from tests.support.factories import Factory, Tenant

type Json = dict[str, Any]

PENDING = """
SELECT tenant_id::text, document_id::text, embedding_model FROM app.embedding_tasks
WHERE tenant_id = %s AND status = 'processing' ORDER BY id
"""


@dataclass
class KnowledgeClient:
    make: Factory
    superuser: psycopg.Connection[Any]
    endpoint: Endpoint
    job_url: str
    tenant: Tenant
    base: str

    @property
    def path(self) -> str:
        return f"/routes/knowledge-bases/{self.base}"

    def of(self, name: str) -> str:
        """Where a document is."""
        return f"{self.path}/document?name={quote(name, safe='')}"

    def other_base(self) -> "KnowledgeClient":
        """Of the same tenant."""
        return KnowledgeClient(
            self.make,
            self.superuser,
            self.endpoint,
            self.job_url,
            self.tenant,
            str(self.make.knowledge_base(self.tenant)),
        )

    def neighbour(self) -> "KnowledgeClient":
        """Another tenant's."""
        return knowledge_client(self.make, self.superuser, self.endpoint, self.job_url)

    def ask(self, handler: Any, method: str, path: str, **request: Any) -> Answer:
        return call(handler, method, path, caller=self.tenant.owner, headers=request.pop("headers", {}), **request)

    def sends(self, name: str, content: str | None = None, **more: Any) -> Answer:
        body = ({"content": content} if content is not None else {}) | more
        headers = body.pop("headers", {})
        return self.ask(documents, "PUT", self.of(name), body=body, headers=headers)

    def put(self, name: str, content: str | None = None, **more: Any) -> Json:
        answer = self.sends(name, content, **more)
        assert answer.status == 200, answer.body
        return answer.json

    def batch(self, *sent: Json, **request: Any) -> Answer:
        return self.ask(documents, "POST", f"{self.path}/documents/batch", body={"documents": list(sent)}, **request)

    def document(self, name: str) -> Json:
        answer = self.ask(documents, "GET", self.of(name))
        assert answer.status == 200, answer.body
        return answer.json

    def documents(self, **query: str) -> list[Json]:
        return self.ask(documents, "GET", f"{self.path}/documents", query=query).json

    def delete(self, name: str) -> Answer:
        return self.ask(documents, "DELETE", self.of(name))

    def chunks(self, name: str | None = None, **query: str) -> list[Json]:
        """In their order."""
        named = {"document_name": name} if name else {}
        answer = self.ask(chunks, "GET", f"{self.path}/chunks", query={"limit": "250", **named, **query})
        assert answer.status == 200, answer.body
        return sorted(answer.json, key=lambda chunk: (chunk["document_name"], chunk["chunk_index"]))

    def about(self) -> Json:
        return self.ask(bases, "GET", self.path).json

    def speaks(self, language: str) -> Json:
        """The base has this language from now on."""
        answer = self.ask(bases, "PUT", self.path, body={"language": language})
        assert answer.status == 200, answer.body
        return answer.json

    def index_words(self, seconds: float = 120) -> Json:
        """One run of the job."""
        with connected(DATABASE_URL=self.job_url):
            return requeue({}, Context(left_ms=int(seconds * 1000)))

    def models(self, method: str = "GET", path: str = "", **request: Any) -> Answer:
        return self.ask(models, method, f"{self.path}/models{path}", **request)

    def searches(self, query: str, **more: Any) -> Answer:
        slug = self.tenant.slug
        return self.ask(search, "POST", f"/routes/knowledge/{slug}/search", body={"query": query} | more)

    def find(self, query: str, **more: Any) -> list[Json]:
        answer = self.searches(query, **more)
        assert answer.status == 200, answer.body
        return answer.json["results"]

    def names(self, query: str, **more: Any) -> list[str]:
        return [hit["document_name"] for hit in self.find(query, **more)]

    def dead_letters(self) -> list[Json]:
        return self.ask(search, "GET", f"/routes/knowledge/{self.tenant.slug}/dead-letters").json

    def retry(self, letter: str) -> Answer:
        return self.ask(search, "POST", f"/routes/knowledge/{self.tenant.slug}/dead-letters/{letter}/retry")

    def retry_all(self) -> Answer:
        return self.ask(search, "POST", f"/routes/knowledge/{self.tenant.slug}/dead-letters/retry")

    def usage(self) -> list[Json]:
        return self.ask(search, "GET", f"/routes/knowledge/{self.tenant.slug}/usage").json

    def tasks(self) -> list[str]:
        """A message for each document that is left to embed."""
        names = ("tenant_id", "document_id", "embedding_model")
        rows = self.superuser.execute(PENDING, (self.tenant.id,)).fetchall()
        return [json.dumps(dict(zip(names, row, strict=True))) for row in rows]

    def work(self, bodies: Sequence[str] | None = None, seconds: float = 120) -> list[str]:
        """One batch of messages to the worker: of these, else of all there is to do. What is to be delivered again."""
        bodies = self.tasks() if bodies is None else bodies
        with connected(DATABASE_URL=self.job_url):
            failed = embed(sqs_event(bodies), Context(left_ms=int(seconds * 1000)))
        return [failure["itemIdentifier"] for failure in failed["batchItemFailures"]]

    def embed(self) -> None:
        assert self.work() == []
        assert self.tasks() == []

    def due(self) -> None:
        """End the wait of all documents that are rescheduled."""
        self.superuser.execute(
            "UPDATE app.embedding_tasks SET due_at = now() WHERE tenant_id = %s AND status = 'processing'",
            (self.tenant.id,),
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """Each passage by model, and whether it has its vector."""
        return self.superuser.execute(
            "SELECT document_name, chunk_index, embedding_model, embedding_vector IS NOT NULL FROM app.embeddings"
            " WHERE tenant_id = %s ORDER BY 1, 2, 3",
            (self.tenant.id,),
        ).fetchall()


def sqs_event(bodies: Sequence[str]) -> Json:
    return {"Records": [{"messageId": f"m{index}", "body": body} for index, body in enumerate(bodies)]}


def knowledge_client(
    make: Factory, superuser: psycopg.Connection[Any], endpoint: Endpoint, job_url: str
) -> KnowledgeClient:
    tenant = make.tenant()
    return KnowledgeClient(make, superuser, endpoint, job_url, tenant, str(make.knowledge_base(tenant)))
