"""The forms in which n8n reports executions, and the event that each becomes.

What an error workflow posts, what log streaming sends, and what n8n's public API gives. Other fields are ignored.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from flomastr.http.fields import JsonObject, Moment, Name, Text, is_ahead
from flomastr.http.patterns import NO_NUL
from flomastr.workflows.cleaning import DataNotes
from flomastr.workflows.executions import Status

STATUSES: tuple[Status, ...] = get_args(Status.__value__)
LOGGED: dict[str, Status] = {
    "n8n.workflow.started": "running",
    "n8n.workflow.success": "success",
    "n8n.workflow.failed": "error",
    "n8n.workflow.cancelled": "canceled",
    "n8n.audit.workflow.waiting": "waiting",
    "n8n.audit.workflow.resumed": "running",
}
MAX_MESSAGE = 100_000
AHEAD = "More than a day ahead, so the time of arrival is recorded: {}."


class Event(BaseModel):
    """A delivery of an execution, with its workflow's name; or the outcome, if nothing is to be recorded."""

    n8n_workflow_id: str | None = None
    workflow_name: str | None = None
    n8n_execution_id: str | None = None
    status: Status | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    execution_data: dict[str, Any] | None = None
    error_message: str | None = None
    outcome: Literal["ignored", "rejected"] | None = None
    error: str | None = None
    note: str | None = None  # what of it is recorded in another way than it was sent
    data_notes: DataNotes | None = None

    def by_a_right_clock(self) -> Self:
        """Without moments that only a wrong clock can have."""
        moments = {"started_at": self.started_at, "finished_at": self.finished_at}
        ahead = [name for name, moment in moments.items() if moment and is_ahead(moment)]
        if not ahead:
            return self
        return self.model_copy(update=dict.fromkeys(ahead) | {"note": AHEAD.format(", ".join(ahead))})


def as_text(id: Any) -> Any:
    """Ids are texts; some of n8n's forms give numbers."""
    return str(id) if type(id) is int else id


def id_of_another(id: Any) -> str | None:
    """What is no id is nothing: what a run tells of another one must not cost its own record."""
    if type(id) is int and 0 <= id < 2**63:
        return str(id)
    return id if isinstance(id, str) and len(id) <= 255 and id.isascii() and id.isprintable() and id else None


def as_error(error: Any) -> Any:
    """n8n's errors are objects; expressions and code of an error workflow make texts and nothing of them."""
    if error is None or isinstance(error, dict):
        return cast(Any, error)
    return {"message": error if isinstance(error, str) else json.dumps(error)}


def shortened(message: str) -> str:
    return message[:MAX_MESSAGE]


Id = Annotated[Name, BeforeValidator(as_text, json_schema_input_type=str | int)]
OtherId = Annotated[str | None, BeforeValidator(id_of_another, json_schema_input_type=Any)]
Message = Annotated[str, StringConstraints(pattern=NO_NUL), AfterValidator(shortened)]


class Form(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class NamedWorkflow(Form):
    name: Name | None = None


class FailedWorkflow(NamedWorkflow):
    id: Id


class Failure(Form):
    """Of an execution; or of a trigger, and nothing ran. An execution that n8n does not save has no id either."""

    id: Id | None = None
    error: Annotated[JsonObject | None, BeforeValidator(as_error, json_schema_input_type=Any)] = None
    mode: Name | None = None
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
            execution_data=data,
            error_message=error_message_in(data),
        )


class LogPayload(Form):
    execution_id: Id
    workflow_id: Id
    workflow_name: Name | None = None
    mode: Name | None = None
    error_message: Message | None = None
    last_node_executed: Text | None = None

    def execution_data(self) -> dict[str, Any]:
        result = without_nulls(lastNodeExecuted=self.last_node_executed)
        return without_nulls(mode=self.mode, resultData=result or None)


class LogMessage(Form):
    """What log streaming sends. Most of it is not about the state of executions, and is ignored."""

    event_name: Annotated[str, Field(examples=list(LOGGED))]
    ts: Moment
    payload: LogPayload

    def event(self) -> Event:
        payload = self.payload
        status = LOGGED[self.event_name]
        if status == "error" and not payload.error_message:
            status = "unknown"  # a run that waits is logged as failed as well, without a message
        return Event(
            n8n_workflow_id=payload.workflow_id,
            workflow_name=payload.workflow_name,
            n8n_execution_id=payload.execution_id,
            status=status,
            started_at=self.ts,  # or earlier, and the earliest counts
            finished_at=self.ts if status in ("success", "error", "canceled") else None,
            execution_data=payload.execution_data() or None,
            error_message=payload.error_message,
        )


class ApiExecution(Form):
    """What n8n's public API gives, with or without data."""

    id: Id
    workflow_id: Id
    status: Annotated[str, Field(description="Another than n8n's eight counts as unknown.")]
    mode: Name | None = None
    started_at: Moment | None = None
    stopped_at: Moment | None = None
    retry_of: OtherId = None
    retry_success_id: OtherId = None
    data: JsonObject | None = None
    workflow_data: NamedWorkflow | None = None

    def event(self) -> Event:
        status = self.status if self.status in STATUSES else "unknown"
        retry = without_nulls(retryOf=self.retry_of, retrySuccessId=self.retry_success_id)
        data = without_nulls(mode=self.mode) | retry | (self.data or {})
        return Event(
            n8n_workflow_id=self.workflow_id,
            workflow_name=self.workflow_data.name if self.workflow_data else None,
            n8n_execution_id=self.id,
            status=status,
            started_at=self.started_at,
            finished_at=None if status in ("new", "running", "unknown") else self.stopped_at,
            execution_data=data or None,
            error_message=error_message_in(data),
        )


def without_nulls(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def error_message_in(execution_data: dict[str, Any]) -> str | None:
    match execution_data:
        case {"resultData": {"error": {"message": str(message)}}}:
            return shortened(message)
        case _:
            return None
