"""What could not be embedded, with the reason, and what embedding has cost."""

from datetime import datetime
from uuid import UUID

from flomastr.database.query import Count, Query
from flomastr.embeddings.queue import Task
from flomastr.http.etags import Resource
from flomastr.http.paging import PageRequest


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


MOST_RETRIED = 10_000  # by one request

COLUMNS = """
  t.id, t.tenant_id, t.knowledge_base_id, t.document_id, d.name AS document_name, t.embedding_model, t.attempts,
  coalesce(t.reason, '') AS reason, t.updated_at
"""
FROM = " FROM app.embedding_tasks AS t JOIN app.documents AS d ON d.id = t.document_id WHERE t.status = 'failed' "


def newest(page: PageRequest) -> Query[DeadLetter]:
    return Query(
        "SELECT "
        + COLUMNS
        + FROM
        + "AND (%(after)s::uuid IS NULL OR t.id < %(after)s) ORDER BY t.id DESC LIMIT %(limit)s + 1 OFFSET %(offset)s",
        page.params(),
        DeadLetter,
    )


def count() -> Query[Count]:
    return Query("SELECT count(*)" + FROM, {}, Count)


def retry(id: UUID) -> Query[DeadLetter]:
    return Query(
        "SELECT " + COLUMNS + " FROM app.retry_embedding(%(id)s) AS t JOIN app.documents AS d ON d.id = t.document_id",
        {"id": id},
        DeadLetter,
    )


def retry_all() -> Query[Count]:
    """`requeue` tells the queue of them."""
    return Query("SELECT app.retry_embeddings(%(most)s) AS count", {"most": MOST_RETRIED}, Count)
