"""Events that n8n posts, one or many at once: each is recorded, ignored or rejected by itself."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field, PlainValidator, StringConstraints, ValidationError

from flomastr.database.query import Query
from flomastr.http.bodies import Unread
from flomastr.http.patterns import INSTANCE_OR_NONE, message
from flomastr.workflows.cleaning import NOTHING, DataNotes, with_cleaned
from flomastr.workflows.flatted import Room
from flomastr.workflows.n8n_event import Event
from flomastr.workflows.n8n_payloads import (
    LOGGED,
    ApiExecution,
    ErrorPost,
    Form,
    LogMessage,
    with_unpacked_data,
)
from flomastr.workflows.n8n_values import MARKERS, items_in
from flomastr.workflows.n8n_workflows import CHANGED, ApiWorkflow, WorkflowMessage
from flomastr.workflows.recording import MAX_BATCH, Outcome

NO_FORM = (
    "The item is no error post (execution or trigger), no log message (eventName), no execution (workflowId), "
    "no workflow (connections)."
)

RESTARTED = "Another run of the instance has this id: n8n's database began anew between them."

PARTS = ("execution", "trigger", "payload", "workflow", "workflowData")  # objects of n8n's, some with ids
CONTENT = (
    "customData", "data", "error", "errorMessage", "executionContext", "lastNodeExecuted", "mode", "name",
    "workflowName",
)  # fmt: skip

Item = ErrorPost | LogMessage | ApiExecution | ApiWorkflow | WorkflowMessage

OfInstance = Annotated[
    str,
    StringConstraints(pattern=INSTANCE_OR_NONE),
    QueryParameter(
        description="The n8n instance; a new name makes one, of 20 in a tenant. Else that of the key, or the default."
    ),
]


class ExecutionPage(Form):
    """What n8n's public API gives of a list of executions."""

    data: Annotated[list[ApiExecution], Field(max_length=MAX_BATCH)]  # none, when nothing has run
    next_cursor: str | None = None


def to_items(posted: Any) -> list[Any]:
    """The items of pages, arrays and wrappers, or the one object as a list. Raises ValueError."""
    if not isinstance(posted, dict | list):
        raise ValueError("must be an object, or an array of objects")
    items = list(islice(items_in(posted), MAX_BATCH + 1))
    if posted == [] or len(items) > MAX_BATCH:
        raise ValueError(f"must hold 1 to {MAX_BATCH:,} items")
    return items


Items = Annotated[list[Item], Field(min_length=1, max_length=MAX_BATCH)]
Posted = Annotated[Unread, PlainValidator(Unread.of, json_schema_input_type=Item | Items | ExecutionPage)]


Strict = Annotated[bool, QueryParameter(description="Record all, or with one that is rejected none, which is a 422.")]
WARNED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Warning": {
                "description": "How many items were rejected, if any.",
                "schema": {"type": "string", "examples": ['299 - "2 items were rejected"']},
            }
        }
    }
}


class EventResult(BaseModel):
    n8n_execution_id: str | None
    n8n_workflow_id: str | None
    id: UUID | None
    outcome: Outcome | Literal["ignored", "followed"] = Field(description="`followed`: it is about a workflow.")
    error: str | None
    restarted: bool = Field(default=False, exclude=True)
    note: str | None = Field(default=None, description="What is recorded in another way than it was sent.")
    data_notes: DataNotes | None = Field(default=None, description="null: all is stored as it was sent.")


class EventResults(BaseModel):
    """In the order of the items."""

    rejected: int = Field(description="How many items were rejected, and are recorded nowhere.")
    restarted: int = Field(description="How many runs have the id of another one, since n8n's database began anew.")
    results: list[EventResult]


def record(events: Sequence[Event], instance: str = "", *, strict: bool = False) -> Query[EventResult]:
    """One row for each event, in their order. Workflows that n8n names and the instance lacks are created.

    `strict`: with an item that is rejected, none is recorded. Refused with 422 `items_rejected`, with 409
    `too_many_open` if the instance is new and one too many, and with 403 `other_instances_key`.
    """
    sent = (event.model_dump_json(exclude_none=True, exclude={"note", "data_notes"}) for event in events)
    return Query(
        """
        SELECT e.n8n_execution_id, e.n8n_workflow_id, e.id, e.outcome, e.error, e.restarted
        FROM app.record_all_events(%(events)s::jsonb, %(instance)s) AS e
        """
        if strict
        else """
        SELECT e.n8n_execution_id, e.n8n_workflow_id, e.id, e.outcome, e.error, e.restarted
        FROM app.record_events(%(events)s::jsonb, %(instance)s) AS e
        """,
        {"events": f"[{','.join(sent)}]", "instance": instance or None},
        EventResult,
    )


def results(events: Sequence[Event], recorded: Sequence[EventResult]) -> EventResults:
    """What became of each, with its notes."""
    noted = zip(events, recorded, strict=True)
    return EventResults(
        rejected=sum(result.outcome == "rejected" for result in recorded),
        restarted=sum(result.restarted for result in recorded),
        results=[
            result.model_copy(update={"note": note(event, result), "data_notes": event.data_notes})
            for event, result in noted
        ],
    )


def note(event: Event, result: EventResult) -> str | None:
    return event.noting(RESTARTED).note if result.restarted else event.note


def warning(results: EventResults) -> dict[str, str]:
    """The header that says so, for whoever reads no answers item by item."""
    return {"Warning": f'299 - "{results.rejected} items were rejected"'} if results.rejected else {}


def to_events(items: Sequence[Any], body_bytes: int) -> list[Event]:
    """Of each item one."""
    room = Room.of(body_bytes)
    return [to_event(item, room) for item in items]


def to_event(item: Any, room: Room) -> Event:
    """Never raises: what is not valid becomes a rejected event with the reason."""
    event = understood(item, room)
    return event.keeping(item) if event.outcome == "rejected" else event


def understood(item: Any, room: Room) -> Event:
    if not isinstance(item, dict):
        return Event(outcome="rejected", error="The item is not an object.")
    posted = cast(dict[str, Any], item)
    if isinstance(name := posted.get("eventName"), str) and name not in LOGGED | CHANGED:
        return Event(outcome="ignored")
    if not posted.keys() & MARKERS:
        return Event(outcome="rejected", error=NO_FORM)
    posted, notes = with_unpacked_data(posted, room) if form_for(posted) is ApiExecution else (posted, NOTHING)
    try:
        event = read(posted)
    except ValidationError as error:
        event = read_cleaned(posted) or Event(outcome="rejected", error=describe(error))
    notes += event.data_notes or NOTHING
    return event if notes == NOTHING or event.outcome else event.model_copy(update={"data_notes": notes})


def read(posted: dict[str, Any]) -> Event:
    """Raises ValidationError."""
    return form_for(posted).model_validate(posted).event().by_a_right_clock().by_a_fitting_name()


def read_cleaned(posted: dict[str, Any]) -> Event | None:
    """The event, without what cannot be stored of its content. None: that is not why it is invalid."""
    content, notes = with_cleaned(posted, CONTENT)
    for name in content.keys() & PARTS:
        content[name], of_part = with_cleaned(content[name], CONTENT)
        notes += of_part
    if notes == NOTHING:
        return None
    try:
        return read(content).model_copy(update={"data_notes": notes})
    except ValidationError as error:
        return Event(outcome="rejected", error=describe(error))


def form_for(posted: dict[str, Any]) -> type[Item]:
    if "eventName" in posted:
        return WorkflowMessage if isinstance(name := posted["eventName"], str) and name in CHANGED else LogMessage
    if posted.keys() & {"execution", "trigger"}:
        return ErrorPost
    return ApiExecution if posted.keys() & {"workflowId", "workflowData"} else ApiWorkflow


def describe(error: ValidationError) -> str:
    """The first invalid field and the reason."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {message(first)}." if field else f"{message(first)}."
