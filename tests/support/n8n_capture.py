"""An n8n instance: it posts events under an API key of its tenant."""

import json
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from dev.paths import ROOT
from flomastr.auth.api_key_tokens import ApiKey
from functions.events.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

PATH = "/routes/n8n/events"
SAMPLE = ROOT / "dev" / "samples"

type Json = dict[str, Any]


@dataclass(frozen=True)
class Instance:
    tenant: Tenant
    key: ApiKey

    def post(self, body: Any, **request: Any) -> Answer:
        return report(self.key.token(), body, **request)

    def send(self, *items: Any) -> list[Json]:
        """What became of each."""
        answer = self.post(list(items))
        assert answer.status == 202, answer.body
        assert answer.headers["content-type"] == "application/json"
        return answer.json["results"]


def instance(make: Factory, **key: Any) -> Instance:
    tenant = make.tenant()
    return Instance(tenant, make.api_key(tenant, **{"scopes": ["events:write"]} | key))


def report(token: str, body: Any, *, headers: dict[str, str] | None = None, **request: Any) -> Answer:
    headers = {"authorization": f"Bearer {token}"} | (headers or {})
    return call(lambda_handler, "POST", request.pop("path", PATH), body=body, headers=headers, **request)


ROWS: LiteralString = """
SELECT w.n8n_workflow_id, w.name, e.n8n_execution_id, e.status, e.mode, e.started_at, e.finished_at, e.error_message,
  e.execution_data
FROM app.workflow_executions AS e JOIN app.workflows AS w ON w.id = e.workflow_id
WHERE e.tenant_id = %s
ORDER BY w.n8n_workflow_id COLLATE "C", e.n8n_execution_id COLLATE "C"
"""


def stored(superuser: psycopg.Connection[Any], tenant: Tenant) -> list[Json]:
    return superuser.cursor(row_factory=dict_row).execute(ROWS, (tenant.id,)).fetchall()


def error_posts() -> list[Json]:
    """As a real n8n posted them."""
    return [post["body"] for post in json.loads((SAMPLE / "error_trigger_posts.json").read_text())]


def pages() -> list[Json]:
    """As a real n8n's public API gave them, the newest first."""
    return json.loads((SAMPLE / "executions_pages.json").read_text())


def failed(n8n_execution_id: Any = "1", **fields: Any) -> Json:
    """What an error workflow posts."""
    execution = {
        "id": n8n_execution_id,
        "url": f"https://n8n.test/workflow/wf-1/executions/{n8n_execution_id}",
        "error": {"message": "It broke", "stack": "Error: It broke"},
        "lastNodeExecuted": "Charge",
        "mode": "webhook",
    }
    return {"execution": execution | fields, "workflow": {"id": "wf-1", "name": "Intake"}}


def failed_trigger(**fields: Any) -> Json:
    error = {"message": "No connection", "timestamp": 1795340666984}
    return {"trigger": {"error": error, "mode": "trigger"} | fields, "workflow": {"id": "wf-1", "name": "Intake"}}


def logged(event: str, ts: str = "2026-01-02T03:04:05.678+01:00", **payload: Any) -> Json:
    """What log streaming sends."""
    about = {"executionId": "1", "workflowId": "wf-1", "workflowName": "Intake", "mode": "webhook"}
    message = {"__type": "$$EventMessageWorkflow", "id": "0b7e", "ts": ts, "eventName": event, "message": event}
    return message | {"payload": about | payload}


def executed(n8n_execution_id: Any = "1", **fields: Any) -> Json:
    """What the public API gives."""
    return {
        "id": n8n_execution_id,
        "finished": True,
        "mode": "webhook",
        "retryOf": None,
        "retrySuccessId": None,
        "status": "success",
        "startedAt": "2026-01-02T03:04:05.000Z",
        "stoppedAt": "2026-01-02T03:04:06.000Z",
        "workflowId": "wf-1",
        "waitTill": None,
    } | fields
