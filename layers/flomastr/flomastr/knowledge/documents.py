"""Documents of knowledge bases: models of their rows, and SQL."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from flomastr.database.query import Count, Deleted, Query
from flomastr.embeddings.queue import Task, tasks_of
from flomastr.http.etags import Resource
from flomastr.http.paging import PageRequest, keyset
from flomastr.knowledge.ingest import CutDocument

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
  s.status, s.reason
"""
ALL = """
  app.documents AS d CROSS JOIN LATERAL app.document_state_of(d) AS s
  WHERE d.knowledge_base_id = %(base)s
"""
OF_STATUS = """
  app.embedding_tasks AS s
  JOIN app.knowledge_base_models AS m
    ON m.knowledge_base_id = s.knowledge_base_id AND m.embedding_model = s.embedding_model AND m.is_active
  JOIN app.documents AS d ON d.id = s.document_id
  WHERE s.knowledge_base_id = %(base)s AND s.status = %(status)s
"""
PAGE = keyset("d.id")
NO_ETAG = "d41d8cd98f00b204e9800998ecf8427e"  # app.document_etag of a document that does not exist


def store(base: UUID, documents: list[CutDocument], if_match: list[str] | None = None) -> Query[StoredDocument]:
    """Creates or replaces documents by name; passages whose text is unchanged keep their vectors.

    One row for each document, with the models that have still to embed it. Refused with 404, 412.
    """
    return Query(
        f"""
        SELECT {COLUMNS}, s.etag, stored.pending_models
        FROM app.store_documents(%(base)s, %(sent)s, %(if_match)s) AS stored
        CROSS JOIN LATERAL (SELECT (stored.document).*) AS d CROSS JOIN LATERAL (SELECT (stored.state).*) AS s
        """,
        {
            "base": base,
            "sent": Jsonb([document.model_dump() for document in documents]),
            "if_match": if_match,
        },
        StoredDocument,
    )


def newest(base: UUID, matching: DocumentFilter, page: PageRequest) -> Query[Document]:
    """A page of a base's documents, newest first. Those of one status are few, and have an index of their own."""
    found = OF_STATUS if matching.status else ALL
    params = matching.model_dump() | page.params() | {"base": base}
    return Query(f"SELECT {COLUMNS} FROM {found} AND {PAGE}", params, Document)


def count(base: UUID, matching: DocumentFilter) -> Query[Count]:
    """How many documents match, on all pages."""
    counted = OF_STATUS if matching.status else "app.documents AS d WHERE d.knowledge_base_id = %(base)s"
    return Query(f"SELECT count(*) FROM {counted}", matching.model_dump() | {"base": base}, Count)


def get(base: UUID, name: str) -> Query[WholeDocument]:
    """One document with its content. No row: the base has none of that name."""
    return Query(
        f"SELECT d.content, s.etag, {COLUMNS} FROM {ALL} AND d.name = %(name)s",
        {"base": base, "name": name},
        WholeDocument,
    )


def delete(base: UUID, name: str, if_match: list[str] | None) -> Query[Deleted]:
    """With its passages. No row: the base has none of that name. Refused with 404, 412, 409 `legal_hold`."""
    return Query(
        "SELECT d.id FROM app.delete_document(%(base)s, %(name)s, %(if_match)s) AS d",
        {"base": base, "name": name, "if_match": if_match},
        Deleted,
    )
