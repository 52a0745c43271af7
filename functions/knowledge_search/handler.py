"""Search over a tenant's knowledge, what could not be embedded, and what embedding costs, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.embeddings import dead_letters, queue, usage
from flomastr.embeddings.dead_letters import DeadLetter
from flomastr.embeddings.usage import DailyUsage
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db_from_path
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.knowledge import evaluation, search
from flomastr.knowledge.evaluation import Asking, Evaluation, Questions
from flomastr.knowledge.search import SearchAnswer, SearchRequest

app = create_app("/routes/knowledge/{slug}", "knowledge")
Reading = Annotated[Database, tenant_db_from_path("knowledge:read")]
Writing = Annotated[Database, tenant_db_from_path("knowledge:write")]


@app.post("/search", responses=conflict("A base is searched by a model that is not available."))
async def search_knowledge(asked: SearchRequest, db: Reading) -> SearchAnswer:
    """The passages that answer a query, by meaning and words, each with its place and whether it can be relied on."""
    return search.search(db, asked)


@app.post("/evaluate", responses=conflict("A base is searched by a model that is not available."))
async def evaluate_search(questions: Questions, asking: Annotated[Asking, Query()], db: Reading) -> Evaluation:
    """How well questions of your own are answered, by mode, and the min_score from which on answers are right.

    Weighs 10 for each question and mode. What does not fit into the time of a request (some 150 questions do) is a 422.
    """
    return evaluation.evaluate(db, questions, asking)


@app.get("/dead-letters")
async def list_dead_letters(db: Reading, page: Page, response: Response) -> list[DeadLetter]:
    """Documents that could not be embedded, with the reason."""
    return page.of(dead_letters.newest(page), dead_letters.count(), db, response)


@app.post("/dead-letters/{dead_letter_id}/retry", status_code=202)
async def retry_dead_letter(dead_letter_id: UUID, db: Writing, key: IdempotencyKeyHeader) -> Message:
    """It is no longer one, until it fails again."""
    (retried,) = db.idempotent(dead_letters.retry(dead_letter_id), key)
    queue.send([retried.task()])
    return Message(message="The document waits to be embedded again.")


@app.post("/dead-letters/retry", status_code=202)
async def retry_dead_letters(db: Writing, key: IdempotencyKeyHeader) -> Message:
    """All of them, while fewer than 10,000 documents are pending: what to do when the endpoint was down for long."""
    (retried,) = db.idempotent(dead_letters.retry_all(), key)
    return Message(message=f"{retried.count} documents wait to be embedded again.")


@app.get("/usage")
async def get_usage(db: Reading, days: Annotated[int, Query(ge=1, le=365)] = 30) -> list[DailyUsage]:
    """What embedding documents has cost, by day and model."""
    return db.all(usage.usage(days))


lambda_handler = http_handler(app)
