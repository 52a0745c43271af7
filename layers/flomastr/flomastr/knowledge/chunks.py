"""Passages of documents as they are stored, each with its position, its hash and its model."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query as QueryParameter
from pgvector import HalfVector
from pydantic import BaseModel, BeforeValidator

from flomastr.database.query import Count, Query
from flomastr.http.etags import ListItem
from flomastr.http.fields import DocumentName
from flomastr.http.paging import PageRequest, keyset


def numbers(text: str | None) -> list[float] | None:
    return HalfVector.from_text(text).to_list() if text else None


class StoredChunk(ListItem):
    """`start` and `end` count characters of the document's content. The vector comes only if the request wants it."""

    id: UUID
    tenant_id: UUID
    knowledge_base_id: UUID
    document_name: str
    chunk_index: int
    chunk_text: str
    chunk_metadata: dict[str, Any]
    start: int
    end: int
    content_hash: str
    chunker: str
    embedding_model: str
    is_embedded: bool
    embedding_vector: Annotated[list[float] | None, BeforeValidator(numbers)]
    created_at: datetime


class ChunkFilter(BaseModel):
    document_name: DocumentName | None = None


WithVectors = Annotated[bool, QueryParameter(description="With embedding_vector, 1536 numbers each.")]


FROM = """
  app.chunks AS c
  JOIN app.documents AS d ON d.id = c.document_id
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  JOIN app.embeddings AS e ON e.id = c.id AND e.tenant_id = c.tenant_id AND e.embedding_model = m.embedding_model
  WHERE c.knowledge_base_id = %(base)s AND (%(document_name)s::text IS NULL OR d.name = %(document_name)s)
"""
PAGE = keyset("c.id")


def newest(base: UUID, matching: ChunkFilter, page: PageRequest, with_vectors: bool) -> Query[StoredChunk]:
    """A page of a base's passages, one row for each model, with the vector if it is wanted."""
    return Query(
        f"""
        SELECT c.id, c.tenant_id, c.knowledge_base_id, e.document_name, e.chunk_index, e.chunk_text, e.chunk_metadata,
          c.chunk_start AS start, c.chunk_end AS end, encode(c.content_hash, 'hex') AS content_hash, d.chunker,
          e.embedding_model, e.embedding_vector IS NOT NULL AS is_embedded,
          CASE WHEN %(with_vectors)s THEN e.embedding_vector END AS embedding_vector, e.created_at
        FROM {FROM} AND {PAGE}
        """,
        matching.model_dump() | page.params() | {"base": base, "with_vectors": with_vectors},
        StoredChunk,
    )


def count(base: UUID, matching: ChunkFilter) -> Query[Count]:
    """How many rows `newest` lists, on all pages."""
    return Query(f"SELECT count(*) FROM {FROM}", matching.model_dump() | {"base": base}, Count)
