"""Indexes the words of passages anew whose base has another language now, or that other rules of words have indexed."""

from uuid import UUID

from flomastr.jobs import Job
from flomastr.languages.detection import language_of


def run(job: Job) -> None:
    """Tenants take turns: some documents of each, each time in a transaction. A killed run loses only its last."""
    while job.has_time() and any([advanced(job, *base) for base in bases(job) if job.has_time()]):
        continue


def bases(job: Job) -> list[tuple[UUID, UUID]]:
    return job.conn.execute("SELECT b.* FROM app.bases_to_index() AS b ORDER BY random()").fetchall()


def advanced(job: Job, tenant: UUID, base: UUID) -> bool:
    """Whether the base could be worked on: a writer may have it."""
    with job.conn.transaction():
        ((locked, documents, beginnings),) = job.conn.execute(
            "SELECT d.* FROM app.documents_to_index(%s, %s) AS d", (tenant, base)
        ).fetchall()
        if not locked:
            return False
        languages = told(beginnings or [])
        job.conn.execute(
            "SELECT app.index_words(%s, %s, %s::uuid[], %s::text[])", (tenant, base, documents or [], languages)
        )
    job.counts["documents_indexed"] += len(languages)
    return True


def told(beginnings: list[str | None]) -> list[str | None]:
    """The languages of documents, where the base's is not theirs."""
    return [None if text is None else language_of([text]) for text in beginnings]
