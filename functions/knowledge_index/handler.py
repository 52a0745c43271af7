"""The knowledge index of the original over HTTP."""

from typing import Annotated

from fastapi import Response

from flomastr.database.session import Database
from flomastr.embeddings import queue
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db_from_path
from flomastr.http.paging import Page
from flomastr.knowledge import bases, legacy_index
from flomastr.knowledge.bases import Filter
from flomastr.knowledge.legacy_index import Index, NewEntry, StoredEntry
from flomastr.settings import embedding_models

app = create_app("/routes/{slug}/index", "knowledge")
Reading = Annotated[Database, tenant_db_from_path("knowledge:read")]
Writing = Annotated[Database, tenant_db_from_path("knowledge:write")]


@app.get("")
async def get_index(db: Reading, page: Page, response: Response) -> Index:
    """The knowledge bases of the tenant as entries, newest first."""
    found, (total,) = db.both(bases.newest(Filter(), page), bases.count(Filter()))
    entries = [legacy_index.entry(base) for base in page.cut(found, response)]
    return Index(entries=entries, total_count=total.count)


@app.post("", responses=conflict(HELD))
async def store_entry(new: NewEntry, db: Writing, key: IdempotencyKeyHeader) -> StoredEntry:
    """In the knowledge base of this title, made if there is none."""
    db = db.admitted()
    (stored,) = db.idempotent(legacy_index.store(new, embedding_models()[0]), key)
    queue.send(stored.tasks())
    return stored


lambda_handler = http_handler(app)
