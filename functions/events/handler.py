"""What n8n tells of itself, over HTTP."""

from typing import Annotated

from fastapi import Body, Response

from flomastr.database.session import Database
from flomastr.http.app import UnreadRoute, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader
from flomastr.http.webhook_auth import reports
from flomastr.large_data import rows as large_data
from flomastr.workflows import n8n_events
from flomastr.workflows.n8n_events import WARNED, EventResults, OfInstance, Posted, Strict

app = create_app("/routes/n8n", "events", UnreadRoute)
Reporting = Annotated[Database, reports("events:write")]


@app.post("/events", status_code=202, responses=WARNED | conflict("The instance is new, and the tenant has 20."))
async def record_events(
    posted: Annotated[Posted, Body()],
    db: Reporting,
    key: IdempotencyKeyHeader,
    response: Response,
    instance: OfInstance = "",
    strict: Strict = False,
) -> EventResults:
    """Error posts, log messages, executions and lists of them; unknown workflows are made. One result for each item."""
    events = n8n_events.to_events(posted.read(n8n_events.to_items), len(posted.content))
    events, db = large_data.in_storage(events, db)
    results = n8n_events.results(events, db.idempotent(n8n_events.record(events, instance, strict=strict), key))
    response.headers.update(n8n_events.warning(results))
    return results


lambda_handler = http_handler(app, "gzip")
