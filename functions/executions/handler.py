"""Executions of workflows over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.archive.redirects import MOVED, ArchivedError, Moved, full, one, updated
from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.large_data.rows import in_full, in_storage
from flomastr.workflows import executions, recording, summary
from flomastr.workflows.executions import Execution, ExecutionChanges, Matching, WithData
from flomastr.workflows.recording import KNOWN, Batch, BatchResults, NewExecution, RecordedExecution

app = create_app("/routes/workflow-executions", "executions")
Reading = Annotated[Database, tenant_db("executions:read")]
Listing = Annotated[Database, tenant_db("executions:read", replica=True)]
Writing = Annotated[Database, tenant_db("executions:write")]


@app.post("", status_code=201, responses={200: KNOWN, **conflict("Another workflow's, or under a legal hold.")})
async def record_execution(
    new: NewExecution, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> RecordedExecution:
    """201 when it is new, 200 when it is known; repeated deliveries are one execution."""
    recorded = recording.deliver(db, new, key)
    response.status_code = 201 if recorded.outcome == "created" else 200
    return created(recorded.execution, response, f"/routes/workflow-executions/{recorded.execution.id}")


@app.post("/batch")
async def record_executions(batch: Batch, db: Writing, key: IdempotencyKeyHeader) -> BatchResults:
    """Up to 1,000, each with its outcome: created, updated, unchanged, held (by a legal hold) or rejected."""
    return recording.deliver_batch(db, batch, key)


@app.get("")
async def list_executions(
    db: Listing, matching: Matching, page: Page, response: Response, include_data: WithData = False
) -> list[Execution]:
    """Newest first; filters workflow_id, status, instance; with execution_data if include_data=true."""
    newest, complete = (executions.newest_with_data, in_full) if include_data else (executions.newest, list)
    return page.of(newest(matching, page), executions.count(matching), db, response, complete=complete)


@app.get("/stats/summary")
async def summarize_executions(
    db: Listing, matching: summary.Matching, days: Annotated[int, Query(ge=1, le=365)] = 30
) -> summary.Summary:
    return summary.summarize(db.all(summary.groups(matching, days, copies=True)), days)


@app.get("/{execution_id}", responses=MOVED)
async def get_execution(
    execution_id: UUID, db: Reading, known: IfNoneMatch, moved: Moved, response: Response
) -> Execution:
    return tagged(full(db, executions.get(execution_id), execution_id, moved), response, known)


@app.put("/{execution_id}", responses=conflict("It has ended, is archived, or is under a legal hold."))
async def update_execution(
    execution_id: UUID, changes: ExecutionChanges, db: Writing, if_match: IfMatch, response: Response
) -> Execution:
    """One that has ended is not reopened."""
    (changes,), db = in_storage([changes], db)
    return tagged(updated(db, executions.update(execution_id, changes, if_match), execution_id), response)


@app.delete("/{execution_id}", responses=conflict("It is under a legal hold, or archived."))
async def delete_execution(execution_id: UUID, db: Writing, if_match: IfMatch) -> Message:
    one(db, executions.delete(execution_id, if_match), execution_id, ArchivedError())
    return Message(message="The execution is deleted.")


lambda_handler = http_handler(app, "gzip")
