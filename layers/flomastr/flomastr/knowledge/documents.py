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
from flomastr.knowledge import filters
from flomastr.knowledge.filters import MetadataInQuery
from flomastr.knowledge.ingest import CutDocument
from flomastr.languages.detection import language_of

type DocumentStatus = Literal["processing", "embedded", "failed"]


class Document(Resource):
    """`status` is that of the model which is searched; `reason` says why the last attempt failed."""

    tenant_id: UUID
    knowledge_base_id: UUID
    name: str
    title: str | None
    content_type: str
    metadata: dict[str, Any]
    language: str
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
    metadata: MetadataInQuery | None = None


class Deletion(BaseModel):
    """How many. Repeat the request until it is 0: it deletes some 20,000 passages at once."""

    deleted: int


COLUMNS = """
  d.id, d.tenant_id, d.knowledge_base_id, d.name, d.title, d.content_type, d.metadata, d.language,
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
MATCHES = "app.passes(ROW(NULL, %(contained)s::jsonb, %(condition)s::jsonpath), d.name, d.metadata)"
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
            "sent": Jsonb([sent(document) for document in documents]),
            "if_match": if_match,
        },
        StoredDocument,
    )


def sent(document: CutDocument) -> dict[str, Any]:
    """A document as app.store_documents takes it, with its language, which counts in a base of several."""
    return document.model_dump() | {"language": language_of([chunk["text"] for chunk in document.chunks[:10]])}


def newest(base: UUID, matching: DocumentFilter, page: PageRequest) -> Query[Document]:
    """A page of a base's documents, newest first. Those of one status are few, and have an index of their own."""
    found = OF_STATUS if matching.status else ALL
    return Query(
        f"SELECT {COLUMNS} FROM {found} AND {MATCHES} AND {PAGE}", wanted(base, matching) | page.params(), Document
    )


def count(base: UUID, matching: DocumentFilter) -> Query[Count]:
    """How many documents match, on all pages."""
    counted = OF_STATUS if matching.status else "app.documents AS d WHERE d.knowledge_base_id = %(base)s"
    return Query(f"SELECT count(*) FROM {counted} AND {MATCHES}", wanted(base, matching), Count)


def wanted(base: UUID, matching: DocumentFilter) -> dict[str, Any]:
    metadata = filters.read(matching.metadata) if matching.metadata else None
    return filters.params(metadata) | {"base": base, "status": matching.status}


def delete_matching(base: UUID, metadata: str) -> Query[Deletion]:
    """The oldest documents of such metadata, with their passages. Refused with 404, 409 `legal_hold`."""
    return Query(
        "SELECT app.delete_documents(%(base)s, %(contained)s, %(condition)s::jsonpath) AS deleted",
        filters.params(filters.read(metadata)) | {"base": base},
        Deletion,
    )


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
