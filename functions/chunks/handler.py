"""Passages of knowledge bases over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import tenant_db
from flomastr.http.paging import Page
from flomastr.knowledge import bases, chunks
from flomastr.knowledge.chunks import ChunkFilter, StoredChunk, WithVectors

app = create_app("/routes/knowledge-bases/{knowledge_base_id}/chunks", "knowledge")
Reading = Annotated[Database, tenant_db("knowledge:read")]


@app.get("")
async def list_chunks(
    knowledge_base_id: UUID,
    db: Reading,
    matching: Annotated[ChunkFilter, Query()],
    page: Page,
    response: Response,
    include_vectors: WithVectors = False,
) -> list[StoredChunk]:
    """The passages of the base, or of one document; with embedding_vector if include_vectors=true."""
    newest = chunks.newest(knowledge_base_id, matching, page, include_vectors)
    count = chunks.count(knowledge_base_id, matching)
    return page.of(newest, count, db, response, parent=bases.get(knowledge_base_id))


lambda_handler = http_handler(app)
