"""The index of the original API: an entry is a knowledge base named by its title, with the text as its one document."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints

from flomastr.database.query import Query
from flomastr.embeddings.queue import Task, tasks_of
from flomastr.http.fields import Body, Metadata, NfcName
from flomastr.http.patterns import NO_NUL
from flomastr.knowledge.bases import KnowledgeBase
from flomastr.knowledge.documents import sent
from flomastr.knowledge.ingest import NewDocument, cut

DOCUMENT = "index"


class NewEntry(Body):
    title: NfcName
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=NO_NUL)]
    metadata: Metadata | None = None


class StoredEntry(BaseModel):
    id: UUID
    status: Literal["success"] = "success"
    tenant_id: UUID = Field(exclude=True)
    document_id: UUID = Field(exclude=True)
    pending_models: list[str] = Field(exclude=True)

    def tasks(self) -> list[Task]:
        return tasks_of(self.tenant_id, self.document_id, self.pending_models)


class EntryMetadata(BaseModel):
    source_type: str | None
    source_metadata: dict[str, Any]
    document_count: int
    total_chunks: int


class Entry(BaseModel):
    id: UUID
    title: str
    content: str
    metadata: EntryMetadata
    created_at: datetime
    updated_at: datetime | None


class Index(BaseModel):
    """`total_count` is that of all pages."""

    entries: list[Entry]
    total_count: int


def entry(base: KnowledgeBase) -> Entry:
    """A base as the original API shows it."""
    return Entry(
        id=base.id,
        title=base.name,
        content=base.description or "",
        metadata=EntryMetadata.model_validate(base, from_attributes=True),
        created_at=base.created_at,
        updated_at=base.updated_at,
    )


def store(new: NewEntry, model: str) -> Query[StoredEntry]:
    """Creates or replaces the base of this title and its document. Raises UnprocessableError for too many passages."""
    return Query(
        "SELECT e.* FROM app.store_entry(%(title)s, %(content)s, %(metadata)s, %(model)s, %(document)s) AS e",
        {
            "title": new.title,
            "content": new.content,
            "metadata": None if new.metadata is None else Jsonb(new.metadata),
            "model": model,
            "document": Jsonb(sent(cut(DOCUMENT, NewDocument(content=new.content, title=new.title)))),
        },
        StoredEntry,
    )
