"""Alerts over HTTP: members read them and their history, administrators set them."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr.alerts import alerts, history
from flomastr.alerts.alerts import Alert, AlertChanges, NewAlert, ShownAlert
from flomastr.alerts.history import AlertEvent
from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message
from flomastr.http.paging import Page

app = create_app("/routes/alerts", "alerts")
Reading = Annotated[Database, tenant_db("alerts:read")]
Writing = Annotated[Database, tenant_db("alerts:write")]


@app.post("", status_code=201, responses=conflict("The tenant has 100 alerts."))
async def create_alert(new: NewAlert, db: Writing, key: IdempotencyKeyHeader, response: Response) -> ShownAlert:
    """Its signing secret is shown here and nowhere else."""
    (alert,) = db.idempotent(alerts.create(new), key)
    return created(alerts.with_secret(alert), response, f"/routes/alerts/{alert.id}")


@app.get("")
async def list_alerts(db: Reading, page: Page, response: Response) -> list[Alert]:
    """Newest first; firing_since tells which are firing."""
    return page.of(alerts.newest(page), alerts.count(), db, response)


@app.get("/{alert_id}")
async def get_alert(alert_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> Alert:
    return tagged(db.one(alerts.get(alert_id)), response, known)


@app.put("/{alert_id}", responses=conflict("An alert of this kind cannot have such minutes or such a threshold."))
async def update_alert(
    alert_id: UUID, changes: AlertChanges, db: Writing, if_match: IfMatch, response: Response
) -> Alert:
    """One that is firing is resolved by the next run of the job, if it would not fire any more."""
    return tagged(db.one(alerts.update(alert_id, changes, if_match)), response)


@app.delete("/{alert_id}", responses=conflict(HELD))
async def delete_alert(alert_id: UUID, db: Writing, if_match: IfMatch) -> Message:
    """With its history and what is not delivered yet."""
    db.one(alerts.delete(alert_id, if_match))
    return Message(message="The alert and its history are deleted.")


@app.get("/{alert_id}/history")
async def list_alert_events(alert_id: UUID, db: Reading, page: Page, response: Response) -> list[AlertEvent]:
    """When it fired and was resolved, newest first, with each attempt to deliver that."""
    newest, count = history.newest(alert_id, page), history.count(alert_id)
    return page.of(newest, count, db, response, parent=alerts.get(alert_id))


lambda_handler = http_handler(app)
