"""Passages of knowledge bases over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr import chunks, knowledge
from flomastr.auth import enters
from flomastr.chunks import ChunkFilter, StoredChunk, WithVectors
from flomastr.database import Database
from flomastr.http import create_app, http_handler
from flomastr.paging import Page

app = create_app("/routes/knowledge-bases/{knowledge_base_id}/chunks", "knowledge")
Reading = Annotated[Database, enters("knowledge:read")]


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
    listed = page.of(newest, chunks.count(knowledge_base_id, matching), db, response)
    if not listed:
        db.one(knowledge.get(knowledge_base_id))  # or it is not found
    return listed


lambda_handler = http_handler(app)
