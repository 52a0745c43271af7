"""Passages of documents as they are stored, each with its position, its hash and its model."""

from datetime import datetime
from typing import Annotated, Any, LiteralString
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


# What belongs to a passage is looked up for one after another, so that a page reads no more than it shows.
WITH_THEIRS = """
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  CROSS JOIN LATERAL (SELECT * FROM app.documents AS d WHERE d.id = c.document_id LIMIT 1) AS d
  CROSS JOIN LATERAL (
    SELECT * FROM app.embeddings AS e
    WHERE e.tenant_id = c.tenant_id AND e.id = c.id AND e.embedding_model = m.embedding_model LIMIT 1
  ) AS e
  WHERE c.knowledge_base_id = %(base)s
"""
OF_DOCUMENT = """
  (
    SELECT * FROM app.chunks AS c WHERE c.document_id = (
      SELECT d.id FROM app.documents AS d WHERE d.knowledge_base_id = %(base)s AND d.name = %(document_name)s
    ) ORDER BY c.id DESC OFFSET 0
  )
"""
PAGE = keyset("c.id")


def listed(matching: ChunkFilter) -> LiteralString:
    chunks = OF_DOCUMENT if matching.document_name else "app.chunks"
    return f"{chunks} AS c {WITH_THEIRS}"


def newest(base: UUID, matching: ChunkFilter, page: PageRequest, with_vectors: bool) -> Query[StoredChunk]:
    """A page of a base's passages, one row for each model, with the vector if it is wanted."""
    return Query(
        f"""
        SELECT c.id, c.tenant_id, c.knowledge_base_id, e.document_name, e.chunk_index, e.chunk_text, e.chunk_metadata,
          c.chunk_start AS start, c.chunk_end AS end, encode(c.content_hash, 'hex') AS content_hash, d.chunker,
          e.embedding_model, e.embedding_vector IS NOT NULL AS is_embedded,
          CASE WHEN %(with_vectors)s THEN e.embedding_vector END AS embedding_vector, e.created_at
        FROM {listed(matching)} AND {PAGE}
        """,
        matching.model_dump() | page.params() | {"base": base, "with_vectors": with_vectors},
        StoredChunk,
    )


def count(base: UUID, matching: ChunkFilter) -> Query[Count]:
    """How many rows `newest` lists, on all pages."""
    return Query(f"SELECT count(*) FROM {listed(matching)}", matching.model_dump() | {"base": base}, Count)
