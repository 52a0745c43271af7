"""Documents that could not be embedded, with the reason."""

from datetime import datetime
from uuid import UUID

from flomastr.database.query import Count, Query
from flomastr.embeddings.queue import Task
from flomastr.http.etags import Resource
from flomastr.http.paging import PageRequest, keyset


class DeadLetter(Resource):
    """A document that one model was given up on, for one of its passages: the others have their vectors."""

    tenant_id: UUID
    knowledge_base_id: UUID
    document_id: UUID
    document_name: str
    embedding_model: str
    attempts: int
    reason: str
    updated_at: datetime

    def task(self) -> Task:
        return Task(tenant_id=self.tenant_id, document_id=self.document_id, embedding_model=self.embedding_model)


MAX_PENDING = 10_000  # tasks of a tenant, beyond which no dead letter is retried

COLUMNS = """
  t.id, t.tenant_id, t.knowledge_base_id, t.document_id, d.name AS document_name, t.embedding_model, t.attempts,
  coalesce(t.reason, '') AS reason, t.updated_at
"""
FAILED = """
  app.embedding_tasks AS t JOIN app.documents AS d ON d.id = t.document_id WHERE t.status = 'failed'
"""
PAGE = keyset("t.id")


def newest(page: PageRequest) -> Query[DeadLetter]:
    """A page of dead letters, and one row beyond it."""
    return Query(f"SELECT {COLUMNS} FROM {FAILED} AND {PAGE}", page.params(), DeadLetter)


def count() -> Query[Count]:
    """How many dead letters the tenant has."""
    return Query(f"SELECT count(*) FROM {FAILED}", {}, Count)


def retry(id: UUID) -> Query[DeadLetter]:
    """Marks one as pending again, whose message the caller sends. Refused with 404."""
    return Query(
        f"""
        SELECT {COLUMNS}
        FROM app.retry_embedding(%(id)s) AS t JOIN app.documents AS d ON d.id = t.document_id
        """,
        {"id": id},
        DeadLetter,
    )


def retry_all() -> Query[Count]:
    """Marks dead letters as pending again, and counts them. `requeue` sends their messages."""
    return Query("SELECT app.retry_embeddings(%(most)s) AS count", {"most": MAX_PENDING}, Count)
