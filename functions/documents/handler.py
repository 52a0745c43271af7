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
from flomastr.knowledge.filters import MetadataInQuery
from flomastr.knowledge.ingest import DocumentBatch, NewDocument, cut, cut_all

app = create_app("/routes/knowledge-bases/{knowledge_base_id}", "knowledge")
Read = Annotated[Database, tenant_db("knowledge:read")]
Write = Annotated[Database, tenant_db("knowledge:write")]
Name = Annotated[DocumentName, Query()]


@app.get("/documents")
async def list_documents(
    knowledge_base_id: UUID, db: Read, matching: Annotated[DocumentFilter, Query()], page: Page, response: Response
) -> list[Document]:
    """Newest first, without their content; filters: status (processing, embedded, failed), metadata."""
    newest = documents.newest(knowledge_base_id, matching, page)
    count = documents.count(knowledge_base_id, matching)
    return page.of(newest, count, db, response, parent=bases.get(knowledge_base_id))


@app.delete("/documents", responses=conflict(HELD))
async def delete_documents(knowledge_base_id: UUID, metadata: MetadataInQuery, db: Write) -> documents.Deletion:
    """Those of such metadata: {} is all of them."""
    return db.one(documents.delete_matching(knowledge_base_id, metadata))


@app.post("/documents/batch", responses=conflict(HELD))
async def store_documents(
    knowledge_base_id: UUID, batch: DocumentBatch, db: Write, key: IdempotencyKeyHeader
) -> StoredDocuments:
    """Up to 100, all of them or none."""
    db = db.admitted()
    stored = db.idempotent(documents.store(knowledge_base_id, cut_all(batch.documents)), key)
    queue.send(task for document in stored for task in document.tasks())
    return StoredDocuments(documents=stored)


@app.get("/document")
async def get_document(
    knowledge_base_id: UUID, name: Name, db: Read, known: IfNoneMatch, response: Response
) -> WholeDocument:
    return tagged(db.one(documents.get(knowledge_base_id, name)), response, known)


@app.put("/document", responses=conflict(HELD))
async def store_document(
    knowledge_base_id: UUID, name: Name, new: NewDocument, db: Write, if_match: IfMatch, if_new: IfNew, answer: Response
) -> StoredDocument:
    """New, or in the place of the one of this name. Passages that stay as they are keep their vectors."""
    db, expected = db.admitted(), [documents.NO_ETAG] if if_new else if_match
    stored = db.one(documents.store(knowledge_base_id, [cut(name, new)], expected))
    queue.send(stored.tasks())
    return tagged(stored, answer)


@app.delete("/document", responses=conflict(HELD))
async def delete_document(knowledge_base_id: UUID, name: Name, db: Write, if_match: IfMatch) -> Message:
    db.one(documents.delete(knowledge_base_id, name, if_match))
    return Message(message="The document and its passages are deleted.")


lambda_handler = http_handler(app)
