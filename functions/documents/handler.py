"""Documents of knowledge bases over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.embeddings import queue
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNew, IfNoneMatch, tagged
from flomastr.http.fields import DocumentName, Message
from flomastr.http.paging import Page
from flomastr.knowledge import bases, documents
from flomastr.knowledge.documents import Document, DocumentFilter, StoredDocument, StoredDocuments, WholeDocument
from flomastr.knowledge.ingest import DocumentBatch, NewDocument, cut, cut_all

app = create_app("/routes/knowledge-bases/{knowledge_base_id}", "knowledge")
Reading = Annotated[Database, tenant_db("knowledge:read")]
Writing = Annotated[Database, tenant_db("knowledge:write")]
Name = Annotated[DocumentName, Query()]


@app.get("/documents")
async def list_documents(
    knowledge_base_id: UUID, db: Reading, matching: Annotated[DocumentFilter, Query()], page: Page, response: Response
) -> list[Document]:
    """Newest first, without their content; filter status: processing, embedded, failed."""
    newest = documents.newest(knowledge_base_id, matching, page)
    count = documents.count(knowledge_base_id, matching)
    return page.of(newest, count, db, response, parent=bases.get(knowledge_base_id))


@app.post("/documents/batch", responses=conflict(HELD))
async def store_documents(
    knowledge_base_id: UUID, batch: DocumentBatch, db: Writing, key: IdempotencyKeyHeader
) -> StoredDocuments:
    """Up to 100, all of them or none."""
    db = db.admitted()
    stored = db.idempotent(documents.store(knowledge_base_id, cut_all(batch.documents)), key)
    queue.send(task for document in stored for task in document.tasks())
    return StoredDocuments(documents=stored)


@app.get("/document")
async def get_document(
    knowledge_base_id: UUID, name: Name, db: Reading, known: IfNoneMatch, response: Response
) -> WholeDocument:
    return tagged(db.one(documents.get(knowledge_base_id, name)), response, known)


@app.put("/document", responses=conflict(HELD))
async def store_document(
    knowledge_base_id: UUID,
    name: Name,
    new: NewDocument,
    db: Writing,
    if_match: IfMatch,
    if_new: IfNew,
    response: Response,
) -> StoredDocument:
    """New, or in the place of the one of this name. Passages that stay as they are keep their vectors."""
    db, expected = db.admitted(), [documents.NO_ETAG] if if_new else if_match
    stored = db.one(documents.store(knowledge_base_id, [cut(name, new)], expected))
    queue.send(stored.tasks())
    return tagged(stored, response)


@app.delete("/document", responses=conflict(HELD))
async def delete_document(knowledge_base_id: UUID, name: Name, db: Writing, if_match: IfMatch) -> Message:
    db.one(documents.delete(knowledge_base_id, name, if_match))
    return Message(message="The document and its passages are deleted.")


lambda_handler = http_handler(app)
