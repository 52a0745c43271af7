"""Workflows over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.workflows import executions, workflows
from flomastr.workflows.executions import Execution
from flomastr.workflows.workflows import Filter, NewWorkflow, Workflow, WorkflowChanges

app = create_app("/routes/workflows", "workflows")
Reading = Annotated[Database, tenant_db("workflows:read")]
Listing = Annotated[Database, tenant_db("workflows:read", replica=True)]
ListingExecutions = Annotated[Database, tenant_db("executions:read", replica=True)]
Writing = Annotated[Database, tenant_db("workflows:write")]


@app.post("", status_code=201, responses=conflict("The tenant has this n8n_workflow_id already."))
async def create_workflow(new: NewWorkflow, db: Writing, key: IdempotencyKeyHeader, response: Response) -> Workflow:
    (workflow,) = db.idempotent(workflows.create(new), key)
    return created(workflow, response, f"/routes/workflows/{workflow.id}")


@app.get("")
async def list_workflows(
    db: Listing, matching: Annotated[Filter, Query()], page: Page, response: Response
) -> list[Workflow]:
    """Newest first; filters is_active, is_public, category, instance."""
    return page.of(workflows.newest(matching, page), workflows.count(matching), db, response)


@app.get("/{workflow_id}")
async def get_workflow(workflow_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> Workflow:
    return tagged(db.one(workflows.get(workflow_id)), response, known)


@app.put("/{workflow_id}", responses=conflict(HELD))
async def update_workflow(
    workflow_id: UUID, changes: WorkflowChanges, db: Writing, if_match: IfMatch, response: Response
) -> Workflow:
    return tagged(db.one(workflows.update(workflow_id, changes, if_match)), response)


@app.delete("/{workflow_id}", responses=conflict(f"{HELD} Or it has more than 50,000 executions and chats."))
async def delete_workflow(workflow_id: UUID, db: Writing, if_match: IfMatch) -> Message:
    """With its executions and chats."""
    db.one(workflows.delete(workflow_id, if_match))
    return Message(message="The workflow and its executions are deleted.")


@app.get("/{workflow_id}/executions")
async def list_executions_of_workflow(
    workflow_id: UUID, db: ListingExecutions, page: Page, response: Response
) -> list[Execution]:
    matching = executions.Filter(workflow_id=workflow_id)
    newest, count = executions.newest(matching, page), executions.count(matching)
    return page.of(newest, count, db, response, parent=workflows.get(workflow_id))


lambda_handler = http_handler(app)
