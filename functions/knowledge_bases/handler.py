"""Knowledge bases over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.knowledge import bases
from flomastr.knowledge.bases import Filter, KnowledgeBase, KnowledgeBaseChanges, NewKnowledgeBase
from flomastr.settings import embedding_models

app = create_app("/routes/knowledge-bases", "knowledge")
Reading = Annotated[Database, tenant_db("knowledge:read")]
Writing = Annotated[Database, tenant_db("knowledge:write")]
TAKEN = conflict("The tenant has a knowledge base of this name already.")


@app.post("", status_code=201, responses=TAKEN)
async def create_knowledge_base(
    new: NewKnowledgeBase, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> KnowledgeBase:
    (base,) = db.idempotent(bases.create(new, embedding_models()[0]), key)
    return created(base, response, f"/routes/knowledge-bases/{base.id}")


@app.get("")
async def list_knowledge_bases(
    db: Reading, matching: Annotated[Filter, Query()], page: Page, response: Response
) -> list[KnowledgeBase]:
    """Newest first; filter source_type."""
    return page.of(bases.newest(matching, page), bases.count(matching), db, response)


@app.get("/{knowledge_base_id}")
async def get_knowledge_base(
    knowledge_base_id: UUID, db: Reading, known: IfNoneMatch, response: Response
) -> KnowledgeBase:
    return tagged(db.one(bases.get(knowledge_base_id)), response, known)


@app.put("/{knowledge_base_id}", responses=TAKEN)
async def update_knowledge_base(
    knowledge_base_id: UUID, changes: KnowledgeBaseChanges, db: Writing, if_match: IfMatch, response: Response
) -> KnowledgeBase:
    return tagged(db.one(bases.update(knowledge_base_id, changes, if_match)), response)


@app.delete("/{knowledge_base_id}", responses=conflict(HELD))
async def delete_knowledge_base(knowledge_base_id: UUID, db: Writing, if_match: IfMatch) -> Message:
    """With its documents and their passages."""
    db.one(bases.delete(knowledge_base_id, if_match))
    return Message(message="The knowledge base and its documents are deleted.")


lambda_handler = http_handler(app)
