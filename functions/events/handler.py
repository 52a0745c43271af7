"""What n8n tells of itself, over HTTP."""

from typing import Annotated

from fastapi import Body

from flomastr import events
from flomastr.auth import OnceKey
from flomastr.database import Database
from flomastr.events import EventResults, Posted
from flomastr.http import create_app, http_handler
from flomastr.webhooks import reports

app = create_app("/routes/n8n", "events")
Reporting = Annotated[Database, reports("events:write")]


@app.post("/events", status_code=202)
async def record_events(posted: Annotated[Posted, Body()], db: Reporting, key: OnceKey) -> EventResults:
    """Error posts, log messages, executions and pages of them; unknown workflows are made. One result for each item."""
    return EventResults(results=db.once(events.record(posted), key))


lambda_handler = http_handler(app)
