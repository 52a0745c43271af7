"""The models that a knowledge base is embedded by: built beside the one that is searched, then activated at once."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, StringConstraints

from flomastr.database.query import NoRow, Query
from flomastr.http.fields import Body
from flomastr.http.patterns import NO_NUL
from flomastr.settings import embedding_models


def available(name: str) -> str:
    if name not in embedding_models():
        raise ValueError(f"is not available: {', '.join(embedding_models())} are")
    return name


type ModelName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]


class KnowledgeBaseModel(BaseModel):
    """`documents` in all; `embedded` of them have their vectors, `failed` are among the dead letters."""

    knowledge_base_id: UUID
    embedding_model: str
    is_active: bool
    documents: int
    embedded: int
    failed: int
    created_at: datetime


class ModelChoice(Body):
    embedding_model: Annotated[ModelName, AfterValidator(available)]


def of_base(base: UUID) -> Query[KnowledgeBaseModel]:
    """A base's models, each with how far it has come. No row: there is no such base."""
    return Query("SELECT m.* FROM app.models_of(%(base)s) AS m", {"base": base}, KnowledgeBaseModel)


def add(base: UUID, model: str) -> Query[KnowledgeBaseModel]:
    """A model that embeds the base beside the active one. 409 `conflict` if it does already. Refused with 404."""
    return Query(
        "SELECT m.* FROM app.add_model(%(base)s, %(model)s) AS m",
        {"base": base, "model": model},
        KnowledgeBaseModel,
        conflict="body.embedding_model: the knowledge base has this model already.",
    )


def activate(base: UUID, model: str) -> Query[KnowledgeBaseModel]:
    """Searches the base by this model from now on. Refused with 404, 409 `model_incomplete`."""
    return Query(
        "SELECT m.* FROM app.activate_model(%(base)s, %(model)s) AS m",
        {"base": base, "model": model},
        KnowledgeBaseModel,
    )


def drop(base: UUID, model: str) -> Query[NoRow]:
    """Takes a model and its vectors from the base. No row: it has no such model. Refused with 409 `model_is_active`."""
    return Query("SELECT FROM app.drop_model(%(base)s, %(model)s)", {"base": base, "model": model}, NoRow)
