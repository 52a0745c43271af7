"""Documents as they are stored: their rows and their SQL."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from flomastr.documents import CutDocument
from flomastr.embed_queue import Task, tasks_of
from flomastr.etags import Resource
from flomastr.flight import Query
from flomastr.paging import PageRequest
from flomastr.rows import Count, Deleted

type DocumentStatus = Literal["processing", "embedded", "failed"]


class Document(Resource):
    """`status` is that of the model which is searched; `reason` says why the last attempt failed."""

    tenant_id: UUID
    knowledge_base_id: UUID
    name: str
    title: str | None
    content_type: str
    metadata: dict[str, Any]
    content_hash: str
    chunker: str
    chunk_count: int
    status: DocumentStatus
    reason: str | None
    created_at: datetime
    updated_at: datetime | None


class WholeDocument(Document):
    """`content` is what positions of passages count in: of HTML the text as Markdown, of ready-made chunks nothing."""

    content: str | None


class StoredDocument(Document):
    pending_models: list[str] = Field(exclude=True)

    def tasks(self) -> list[Task]:
        return tasks_of(self.tenant_id, self.id, self.pending_models)


class StoredDocuments(BaseModel):
    documents: list[StoredDocument]


class DocumentFilter(BaseModel):
    status: DocumentStatus | None = None


COLUMNS = """
  d.id, d.tenant_id, d.knowledge_base_id, d.name, d.title, d.content_type, d.metadata,
  encode(d.content_hash, 'hex') AS content_hash, d.chunker, d.chunk_count, d.created_at, d.updated_at,
  s.status, s.reason, s.etag
"""
FROM = " FROM app.documents AS d CROSS JOIN LATERAL app.state_of(d) AS s "
MATCHES = " d.knowledge_base_id = %(base)s AND (%(status)s::text IS NULL OR s.status = %(status)s) "


def store(base: UUID, documents: list[CutDocument], if_match: list[str] | None = None) -> Query[StoredDocument]:
    return Query(
        "SELECT" + COLUMNS + ", stored.pending_models"
        " FROM app.store_documents(%(base)s, %(sent)s, %(if_match)s) AS stored"
        " CROSS JOIN LATERAL (SELECT (stored.document).*) AS d CROSS JOIN LATERAL (SELECT (stored.state).*) AS s",
        {
            "base": base,
            "sent": Jsonb([document.model_dump() for document in documents]),
            "if_match": if_match,
        },
        StoredDocument,
    )


def newest(base: UUID, matching: DocumentFilter, page: PageRequest) -> Query[Document]:
    return Query(
        "SELECT"
        + COLUMNS
        + FROM
        + "WHERE"
        + MATCHES
        + "AND (%(after)s::uuid IS NULL OR d.id < %(after)s) ORDER BY d.id DESC LIMIT %(limit)s + 1 OFFSET %(offset)s",
        matching.model_dump() | page.params() | {"base": base},
        Document,
    )


def count(base: UUID, matching: DocumentFilter) -> Query[Count]:
    return Query("SELECT count(*)" + FROM + "WHERE" + MATCHES, matching.model_dump() | {"base": base}, Count)


def get(base: UUID, name: str) -> Query[WholeDocument]:
    return Query(
        "SELECT d.content, " + COLUMNS + FROM + "WHERE d.knowledge_base_id = %(base)s AND d.name = %(name)s",
        {"base": base, "name": name},
        WholeDocument,
    )


def delete(base: UUID, name: str, if_match: list[str] | None) -> Query[Deleted]:
    return Query(
        "SELECT d.id FROM app.delete_document(%(base)s, %(name)s, %(if_match)s) AS d",
        {"base": base, "name": name, "if_match": if_match},
        Deleted,
    )
