"""Files that become documents of knowledge bases, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.embeddings import queue
from flomastr.errors import ServiceError
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNew, tagged
from flomastr.http.fields import DocumentName, Title
from flomastr.knowledge import documents
from flomastr.knowledge.documents import StoredDocument
from flomastr.readers.passages import cut_file
from flomastr.readers.reading import MOST_WEIGHT, cpu_seconds, read, unused_weight
from flomastr.readers.sent import FILE_BODY, SentFileBody

app = create_app("/routes/knowledge-bases/{knowledge_base_id}", "knowledge")
Writing = Annotated[Database, tenant_db("knowledge:write")]


@app.post("/files", responses=conflict(HELD), openapi_extra=FILE_BODY)
async def store_file(
    knowledge_base_id: UUID,
    name: Annotated[DocumentName, Query()],
    db: Writing,
    file: SentFileBody,
    key: IdempotencyKeyHeader,
    if_match: IfMatch,
    if_new: IfNew,
    response: Response,
    title: Annotated[Title | None, Query(description="Else what the file says of itself.")] = None,
) -> StoredDocument:
    """Its text becomes the document of that name, new or in the place of the one there is.

    Passages say in `chunk_metadata` on which `pages`, `slides` or `sheets` they stand. It weighs what reading it takes,
    200 requests for a second, and 1,600 until that is known.
    """
    db, expected = db.heavier(MOST_WEIGHT).admitted(), [documents.NO_ETAG] if if_new else if_match
    began = cpu_seconds()
    try:
        extracted = read(file)
        document = cut_file(name, title or extracted.title, extracted)
    except ServiceError:
        db.renewed().weighing(-unused_weight(began)).admitted()
        raise
    read_now = db.renewed().weighing(-unused_weight(began))
    (stored,) = read_now.idempotent(documents.store(knowledge_base_id, [document], expected), key)
    queue.send(stored.tasks())
    return tagged(stored, response)


lambda_handler = http_handler(app)
