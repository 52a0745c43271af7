"""Knowledge bases: models and SQL. Triggers on app.documents keep their counts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints

from flomastr.database.query import BY_ID, Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import UNSET, Body, Changes, Metadata, NfcName, TenantName, Text
from flomastr.http.paging import KEYSET, MAX_PAGE_BYTES, ROWS_BEFORE, PageRequest, as_many_as_fit
from flomastr.http.patterns import NO_NUL
from flomastr.languages.detection import Language

STEMMED = "By which words are stemmed. `simple`: as they stand; `auto`: by that which a document seems to be in."

type SourceType = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=NO_NUL)]


class KnowledgeBase(Resource):
    """`words_pending` are documents that are found by words of the language before, or by rules of words before."""

    tenant_id: UUID
    name: str
    description: str | None
    source_type: str | None
    source_metadata: dict[str, Any]
    language: Language
    words_pending: int
    document_count: int
    total_chunks: int
    last_updated: datetime | None
    created_at: datetime
    updated_at: datetime | None


class NewKnowledgeBase(Body):
    tenant_id: TenantName | None = None
    name: NfcName
    description: Text | None = None
    source_type: SourceType | None = None
    source_metadata: Metadata = Field(default={})
    language: Language = Field(default="english", description=STEMMED)


class KnowledgeBaseChanges(Changes):
    name: NfcName = UNSET
    description: Text | None = None
    source_type: SourceType | None = None
    source_metadata: Metadata = UNSET
    language: Annotated[Language, Field(description="Words are indexed anew in the background.")] = UNSET


class Filter(BaseModel):
    source_type: SourceType | None = None


COLUMNS = """
  b.id, b.tenant_id, b.name, b.description, b.source_type, b.source_metadata, b.language, b.words_pending,
  b.document_count, b.total_chunks, b.last_updated, b.created_at, b.updated_at
"""
WHOLE = f"{COLUMNS}, app.etag(b) AS etag"
MATCHES = "(%(source_type)s::text IS NULL OR b.source_type = %(source_type)s)"
TAKEN = "body.name: the tenant has a knowledge base of this name already."


def create(new: NewKnowledgeBase, model: str) -> Query[KnowledgeBase]:
    """A base without documents, which `model` embeds. 409 `conflict` for a name that is taken."""
    return Query(
        f"""
        SELECT {WHOLE}
        FROM app.create_knowledge_base(
          %(name)s, %(description)s, %(source_type)s, %(source_metadata)s, %(model)s, %(language)s
        ) AS b
        """,
        new.model_dump() | {"source_metadata": Jsonb(new.source_metadata), "model": model},
        KnowledgeBase,
        conflict=TAKEN,
        kept=BY_ID,
        reread=lambda row: get(row["id"]),
    )


def newest(matching: Filter, page: PageRequest) -> Query[KnowledgeBase]:
    """A page of bases, newest first, cut where an answer is full, and one row beyond it if there are more."""
    rows = f"""
        SELECT b.*, app.bytes_of(b.source_metadata, %(max_bytes)s) OVER before
          + coalesce(sum(octet_length(b.description)) OVER before, 0) AS bytes_before
        FROM (SELECT b.* FROM app.knowledge_bases AS b WHERE {MATCHES} AND {KEYSET}) AS b
        WINDOW before AS ({ROWS_BEFORE})
    """
    return Query(
        as_many_as_fit(COLUMNS, rows, "b"),
        matching.model_dump() | page.params() | {"max_bytes": MAX_PAGE_BYTES},
        KnowledgeBase,
    )


def count(matching: Filter) -> Query[Count]:
    """How many bases match, on all pages."""
    return Query(f"SELECT count(*) FROM app.knowledge_bases AS b WHERE {MATCHES}", matching.model_dump(), Count)


def get(id: UUID) -> Query[KnowledgeBase]:
    """No row: the tenant has no such base."""
    return Query(f"SELECT {WHOLE} FROM app.knowledge_bases AS b WHERE b.id = %(id)s", {"id": id}, KnowledgeBase)


def update(id: UUID, changes: KnowledgeBaseChanges, if_match: list[str] | None) -> Query[KnowledgeBase]:
    """Fields that are not set stay. No row: there is no such base. Refused with 412, 409 `conflict` for its name."""
    return Query(
        f"""
        UPDATE app.knowledge_bases AS b
        SET (
          name, description, source_type, source_metadata, language, languages, words_pending, indexed_as, updated_at
        ) = (
          SELECT c.name, c.description, c.source_type, c.source_metadata, c.language, w.languages, w.words_pending,
            w.indexed_as, now()
          FROM jsonb_populate_record(b, %(changes)s) AS c CROSS JOIN app.words_to_index(b, c.language) AS w
        )
        WHERE b.id = %(id)s AND app.require_match(app.etag(b), %(if_match)s)
        RETURNING {WHOLE}
        """,
        {"id": id, "changes": Jsonb(changes.model_dump(exclude_unset=True)), "if_match": if_match},
        KnowledgeBase,
        conflict=TAKEN,
    )


def delete(id: UUID, if_match: list[str] | None) -> Query[Deleted]:
    """Deletes the base with its documents and their passages. No row: there is no such base."""
    return Query(
        "SELECT b.id FROM app.delete_knowledge_base(%(id)s, %(if_match)s) AS b",
        {"id": id, "if_match": if_match},
        Deleted,
    )
