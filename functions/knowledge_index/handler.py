"""The knowledge index of the original over HTTP."""

from typing import Annotated

from fastapi import Response

from flomastr import embed_queue, knowledge, knowledge_index
from flomastr.auth import OnceKey, enters_named
from flomastr.database import Database
from flomastr.http import conflict, create_app, http_handler
from flomastr.knowledge import Filter
from flomastr.knowledge_index import Index, NewEntry, StoredEntry
from flomastr.paging import Page
from flomastr.settings import embedding_models

app = create_app("/routes/{slug}/index", "knowledge")
Reading = Annotated[Database, enters_named("knowledge:read")]
Writing = Annotated[Database, enters_named("knowledge:write")]


@app.get("")
async def get_index(db: Reading, page: Page, response: Response) -> Index:
    """The knowledge bases of the tenant as entries, newest first."""
    bases, (total,) = db.both(knowledge.newest(Filter(), page), knowledge.count(Filter()))
    entries = [knowledge_index.entry(base) for base in page.cut(bases, response)]
    return Index(entries=entries, total_count=total.count)


@app.post("", responses=conflict("It is under a legal hold."))
async def store_entry(new: NewEntry, db: Writing, key: OnceKey) -> StoredEntry:
    """In the knowledge base of this title, made if there is none."""
    (stored,) = db.once(knowledge_index.store(new, embedding_models()[0]), key)
    embed_queue.send(stored.tasks())
    return stored


lambda_handler = http_handler(app)
