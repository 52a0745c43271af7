"""A tenant's n8n instances, and what was rejected of their events, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr.database.session import Database
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.paging import Page
from flomastr.workflows import n8n_instances
from flomastr.workflows.n8n_events import EventResult
from flomastr.workflows.n8n_instances import N8nInstance, Rejection

app = create_app("/routes/n8n", "n8n")
Reading = Annotated[Database, tenant_db("executions:read")]
Recording = Annotated[Database, tenant_db("executions:write")]


@app.get("/instances")
async def list_n8n_instances(db: Reading) -> list[N8nInstance]:
    """By name, at most 20. One whose database began anew has several epochs."""
    return db.all(n8n_instances.listed())


@app.get("/rejected")
async def list_rejected(db: Reading, page: Page, response: Response) -> list[Rejection]:
    """Items of events of the last seven days that were rejected, newest first, at most 500 of a tenant."""
    return page.of(n8n_instances.newest_rejected(page), n8n_instances.count_rejected(), db, response)


@app.post("/rejected/{rejection_id}/replay")
async def replay_rejected(rejection_id: UUID, db: Recording, key: IdempotencyKeyHeader) -> EventResult:
    """Tries it again, as an item of an event. It goes from the list; if it is rejected again, it is there anew."""
    event = n8n_instances.event_of(db.all(n8n_instances.kept(rejection_id)))
    return n8n_instances.replayed(event, db.idempotent(n8n_instances.replay(rejection_id, event), key))


lambda_handler = http_handler(app)
