"""The forms in which n8n reports executions, and the event that each becomes.

What an error workflow posts, what log streaming sends, and what n8n's public API gives. Other fields are ignored.
"""

import json
from hashlib import sha256
from typing import Annotated, Any, Self, cast, get_args

from pydantic import BeforeValidator, Field, model_validator

from flomastr.http.fields import JsonObject, Text
from flomastr.workflows.cleaning import NOTHING, DataNotes, ExecutionData
from flomastr.workflows.executions import Status
from flomastr.workflows.flatted import Room, unpacked
from flomastr.workflows.n8n_event import Event
from flomastr.workflows.n8n_values import (
    AnyName,
    Id,
    Message,
    Mode,
    N8nMoment,
    OtherId,
    as_error,
    is_true,
    message_of,
    object_of_json,
)
from flomastr.workflows.n8n_workflows import Form, WorkflowData

STATUSES: tuple[Status, ...] = get_args(Status.__value__)
LOGGED: dict[str, Status] = {
    "n8n.workflow.started": "running",
    "n8n.workflow.success": "success",
    "n8n.workflow.failed": "error",
    "n8n.workflow.cancelled": "canceled",
    "n8n.workflow.crashed": "crashed",
    "n8n.audit.workflow.waiting": "waiting",
    "n8n.audit.workflow.resumed": "running",
}
UNFINISHED = ("new", "running", "unknown")
ENDED = ("success", "error", "canceled", "crashed")


class FailedWorkflow(Form):
    id: Id
    name: AnyName | None = None


class Failure(Form):
    """Of an execution; or of a trigger, and nothing ran. An execution that n8n does not save has no id either."""

    id: Id | None = None
    error: Annotated[JsonObject | None, BeforeValidator(as_error, json_schema_input_type=Any)] = None
    mode: Mode = None
    last_node_executed: Text | None = None
    retry_of: Id | None = None
    execution_context: JsonObject | None = None

    def execution_data(self) -> dict[str, Any]:
        """In n8n's own form. It is a part of the whole execution's data, which is larger and so replaces it."""
        result = without_nulls(error=self.error, lastNodeExecuted=self.last_node_executed)
        return without_nulls(mode=self.mode, retryOf=self.retry_of, resultData=result)

    def n8n_execution_id(self, workflow_id: str) -> str:
        """n8n's id; else a hash of the workflow's id and all fields: the same for every report of one failure."""
        if self.id:
            return self.id
        content = json.dumps([workflow_id, self.model_dump()], sort_keys=True)
        return f"failure-{sha256(content.encode()).hexdigest()}"


class ErrorPost(Form):
    """What an error workflow posts of what its Error Trigger gave it."""

    execution: Failure | None = None
    trigger: Failure | None = None
    workflow: FailedWorkflow

    @model_validator(mode="after")
    def has_a_failure(self) -> Self:
        if self.execution is None and self.trigger is None:
            raise ValueError("execution or trigger is required")
        return self

    def event(self) -> Event:
        failure = cast(Failure, self.execution or self.trigger)
        data = failure.execution_data()
        return Event(
            n8n_workflow_id=self.workflow.id,
            workflow_name=self.workflow.name,
            n8n_execution_id=failure.n8n_execution_id(self.workflow.id),
            status="error",
            by_error_workflow=True,
            execution_data=data,
            error_message=error_message_in(data),
        )


class LogPayload(Form):
    execution_id: Id
    workflow_id: Id
    workflow_name: AnyName | None = None
    mode: Mode = None
    error_message: Message | None = None
    error_node_type: Text | None = None
    last_node_executed: Text | None = None

    def execution_data(self) -> dict[str, Any]:
        result = without_nulls(lastNodeExecuted=self.last_node_executed)
        return without_nulls(mode=self.mode, resultData=result or None)


class LogMessage(Form):
    """What log streaming sends. Most of it is not about the state of executions, and is ignored."""

    event_name: Annotated[str, Field(examples=list(LOGGED))]
    ts: Annotated[N8nMoment, Field(json_schema_extra={"type": "string"})]
    payload: LogPayload

    def event(self) -> Event:
        payload = self.payload
        status = LOGGED[self.event_name]
        if status == "error" and payload.error_message is None and not payload.error_node_type:
            status = "unknown"  # a run that waits is logged as failed as well, without an error
        return Event(
            n8n_workflow_id=payload.workflow_id,
            workflow_name=payload.workflow_name,
            n8n_execution_id=payload.execution_id,
            status=status,
            started_at=self.ts,  # or earlier, and the earliest counts
            finished_at=self.ts if status in ENDED else None,
            execution_data=payload.execution_data() or None,
            error_message=payload.error_message or None,
        )


class ApiExecution(Form):
    """What n8n's public API gives, with or without data; or a row of its database."""

    id: Id
    workflow_id: Annotated[Id | None, Field(description="Else that of workflowData.")] = None
    workflow_name: AnyName | None = None
    status: Annotated[str | None, Field(description="Another than n8n's eight counts as unknown.")] = None
    finished: Annotated[bool, BeforeValidator(is_true, json_schema_input_type=Any)] = False
    mode: Mode = None
    created_at: N8nMoment = None
    started_at: N8nMoment = None
    stopped_at: N8nMoment = None
    wait_till: Annotated[Any, Field(description="Not null: it waits, if it has no status.")] = None
    retry_of: OtherId = None
    retry_success_id: OtherId = None
    custom_data: Annotated[JsonObject | None, BeforeValidator(object_of_json, json_schema_input_type=Any)] = None
    data: Annotated[ExecutionData | None, Field(description="Or a text of `flatted`, as n8n stores it.")] = None
    workflow_data: Annotated[WorkflowData | None, BeforeValidator(object_of_json, json_schema_input_type=Any)] = None

    @model_validator(mode="after")
    def names_its_workflow(self) -> Self:
        if self.workflow_id is None:
            self.workflow_id = self.workflow_data.id if self.workflow_data else None
        if self.workflow_id is None:
            raise ValueError("workflowId: is required, there or in workflowData")
        return self

    def event(self) -> Event:
        retry = without_nulls(retryOf=self.retry_of, retrySuccessId=self.retry_success_id)
        data = without_nulls(mode=self.mode, customData=self.custom_data or None) | retry | (self.data or {})
        status = self.state()
        final = status in ENDED
        return Event(
            n8n_workflow_id=self.workflow_id,
            workflow_name=self.name(),
            n8n_execution_id=self.id,
            status=status,
            started_at=self.started_at or self.created_at or (self.stopped_at if final else None),
            finished_at=None if status in UNFINISHED else self.stopped_at,
            execution_data=data or None,
            error_message=error_message_in(data),
            **(self.workflow_data.said() if self.workflow_data else {}),
        )

    def name(self) -> str | None:
        of_data = self.workflow_data.name if self.workflow_data else None
        return self.workflow_name if of_data is None else of_data

    def state(self) -> Status:
        """As n8n 1.x, whose rows have no status, tells it of the other fields."""
        if self.status is not None:
            return self.status if self.status in STATUSES else "unknown"
        if self.finished:
            return "success"
        if self.wait_till not in (None, ""):
            return "waiting"
        if self.stopped_at is not None:
            return "error"
        return "new" if self.started_at is None else "running"


def with_unpacked_data(posted: dict[str, Any], room: Room) -> tuple[dict[str, Any], DataNotes]:
    """A row whose data is an object, and what was cut to make one of a text or a list."""
    data = posted.get("data")
    if data is None or isinstance(data, dict):
        return posted, NOTHING
    found, cut = unpacked(data, room) if data != "" else (None, 0)
    return posted | {"data": found}, DataNotes(cut=cut)


def without_nulls(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def error_message_in(execution_data: dict[str, Any]) -> str | None:
    match execution_data:
        case {"resultData": {"error": error}}:
            return message_of(error)
        case _:
            return None
