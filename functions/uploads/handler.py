"""Uploads of files into knowledge bases over HTTP: a link to send a file to, and what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfNoneMatch, created, tagged
from flomastr.http.paging import Page
from flomastr.knowledge import bases
from flomastr.uploads import uploads
from flomastr.uploads.uploads import BegunUpload, NewUpload, Upload

app = create_app("/routes/knowledge-bases/{knowledge_base_id}/uploads", "knowledge")
Reading = Annotated[Database, tenant_db("knowledge:read")]
Writing = Annotated[Database, tenant_db("knowledge:write")]


@app.post("", status_code=202, responses=conflict("The tenant has 20 open uploads."))
async def begin_upload(
    knowledge_base_id: UUID, new: NewUpload, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> BegunUpload:
    """Answers a `url` to PUT a file of up to 50 MB to. It is read when it has come: ask where `Location` says."""
    (begun,) = db.idempotent(uploads.begin(knowledge_base_id, new), key)
    return created(begun.with_link(), response, f"/routes/knowledge-bases/{knowledge_base_id}/uploads/{begun.id}")


@app.get("")
async def list_uploads(knowledge_base_id: UUID, db: Reading, page: Page, response: Response) -> list[Upload]:
    """The newest first, of the last 30 days."""
    newest, count = uploads.newest(knowledge_base_id, page), uploads.count(knowledge_base_id)
    return page.of(newest, count, db, response, parent=bases.get(knowledge_base_id))


@app.get("/{upload_id}")
async def get_upload(
    knowledge_base_id: UUID, upload_id: UUID, db: Reading, known: IfNoneMatch, response: Response
) -> Upload:
    """How far it is. Its document is named as it is."""
    return tagged(db.one(uploads.get(knowledge_base_id, upload_id, Upload)), response, known)


lambda_handler = http_handler(app)
