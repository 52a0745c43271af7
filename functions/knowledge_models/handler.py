"""The models of knowledge bases over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from flomastr.database.session import Database
from flomastr.embeddings import embedding_models
from flomastr.embeddings.embedding_models import KnowledgeBaseModel, ModelChoice, ModelName
from flomastr.errors import NotFoundError
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.fields import Message

app = create_app("/routes/knowledge-bases/{knowledge_base_id}/models", "knowledge")
Reading = Annotated[Database, tenant_db("knowledge:read")]
Choosing = Annotated[Database, tenant_db("models:write")]


@app.get("")
async def list_models(knowledge_base_id: UUID, db: Reading) -> list[KnowledgeBaseModel]:
    """The one that is searched, and those that are built or kept beside it."""
    if models := db.all(embedding_models.of_base(knowledge_base_id)):
        return models
    raise NotFoundError


@app.post("", status_code=201, responses=conflict("It has this model already."))
async def add_model(
    knowledge_base_id: UUID, choice: ModelChoice, db: Choosing, key: IdempotencyKeyHeader
) -> list[KnowledgeBaseModel]:
    """Begins to build the vectors of another model beside those that are searched."""
    return db.idempotent(embedding_models.add(knowledge_base_id, choice.embedding_model), key)


@app.post("/activate", responses=conflict("The model is not complete."))
async def activate_model(
    knowledge_base_id: UUID, choice: ModelChoice, db: Choosing, key: IdempotencyKeyHeader
) -> list[KnowledgeBaseModel]:
    """The base is searched by it from now on. The one before stays, and may be activated again."""
    return db.idempotent(embedding_models.activate(knowledge_base_id, choice.embedding_model), key)


@app.delete("", responses=conflict("It is the one that is searched."))
async def drop_model(knowledge_base_id: UUID, embedding_model: Annotated[ModelName, Query()], db: Choosing) -> Message:
    db.one(embedding_models.drop(knowledge_base_id, embedding_model))
    return Message(message="The model and its vectors are gone from the knowledge base.")


lambda_handler = http_handler(app)
