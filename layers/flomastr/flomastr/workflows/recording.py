"""Deliveries: reports of executions, in any order and any number of times. app.record_executions merges them."""

from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_validator,
)

from flomastr.database.idempotency import IdempotencyKey
from flomastr.database.query import Query
from flomastr.database.session import Database
from flomastr.http.fields import Body, Json, Name, PastMoment, TenantName, Text
from flomastr.large_data import rows as large_data
from flomastr.workflows.cleaning import NOTHING, DataNotes, ExecutionData, with_cleaned
from flomastr.workflows.executions import Execution, Status
from flomastr.workflows.n8n_values import Id

MAX_BATCH = 1000
CONTENT = ("execution_data", "error_message")
ONE_OF = [
    {"required": ["workflow_id"], "properties": {"workflow_id": {"type": "string"}}},
    {"required": ["n8n_workflow_id"], "properties": {"n8n_workflow_id": {"type": ["string", "integer"]}}},
]

type Outcome = Literal["created", "updated", "unchanged", "held", "rejected"]


class Delivery(Body):
    """One report of an execution. Either id names its workflow."""

    model_config = ConfigDict(json_schema_extra=cast(Json, {"anyOf": ONE_OF}))

    workflow_id: UUID | None = None
    n8n_workflow_id: Id | None = None
    workflow_name: Annotated[Name | None, Field(description="Of n8n's workflow, which is made if there is none.")] = (
        None
    )
    mode: Annotated[Name | None, Field(description="Goes into execution_data, unless that has one.")] = None
    started_at: PastMoment | None = None
    finished_at: PastMoment | None = None
    execution_data: ExecutionData | None = None
    error_message: Text | None = None

    @model_validator(mode="after")
    def names_its_workflow(self) -> Self:
        if self.workflow_id is None and self.n8n_workflow_id is None:
            raise ValueError("workflow_id or n8n_workflow_id is required")
        return self

    @model_validator(mode="after")
    def has_its_mode_in_its_data(self) -> Self:
        if self.mode is not None:
            self.execution_data = {"mode": self.mode} | (self.execution_data or {})
        return self


class NewExecution(Delivery):
    tenant_id: TenantName | None = None
    n8n_execution_id: Id | None = None
    status: Status = "running"
    _data_notes: DataNotes | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def as_it_can_be_stored(cls, sent: Any, validate: ValidatorFunctionWrapHandler) -> Self:
        try:
            return validate(sent)
        except ValidationError:
            content, notes = with_cleaned(sent, CONTENT)
            if notes == NOTHING:
                raise
            new = validate(content)
            new._data_notes = notes
            return new

    @property
    def data_notes(self) -> DataNotes | None:
        """What of it is stored in another way than it was sent."""
        return self._data_notes


class BatchDelivery(Delivery):
    n8n_execution_id: Id
    status: Status


class Batch(Body):
    tenant_id: TenantName | None = None
    executions: Annotated[list[BatchDelivery], Field(min_length=1, max_length=MAX_BATCH)]
    _data_notes: list[DataNotes] = PrivateAttr(default=[])

    @model_validator(mode="wrap")
    @classmethod
    def as_it_can_be_stored(cls, sent: Any, validate: ValidatorFunctionWrapHandler) -> Self:
        """What is refused as it was sent is cleaned and read again, so that all others cost nothing more."""
        try:
            return validate(sent)
        except ValidationError:
            if not isinstance(sent, dict) or not isinstance(listed := cast(Json, sent).get("executions"), list):
                raise
            items = [with_cleaned(item, CONTENT) for item in cast(list[Any], listed)[: MAX_BATCH + 1]]
            notes = [of_item for _, of_item in items]
            if not any(of_item != NOTHING for of_item in notes):
                raise
            batch = validate(cast(Json, sent) | {"executions": [item for item, _ in items]})
            batch._data_notes = notes
            return batch

    @property
    def data_notes(self) -> list[DataNotes]:
        """What of each is stored in another way than it was sent; empty: nothing of any."""
        return self._data_notes


class BatchResult(BaseModel):
    n8n_execution_id: str
    id: UUID | None
    outcome: Outcome
    error: str | None
    data_notes: DataNotes | None = Field(default=None, description="null: all is stored as it was sent.")


class BatchResults(BaseModel):
    """In the order of the batch."""

    results: list[BatchResult]


class RecordedExecution(Execution):
    data_notes: DataNotes | None = Field(default=None, description="null: all is stored as it was sent.")


KNOWN: dict[str, Any] = {"description": "Known already.", "model": RecordedExecution}


class Recorded(BaseModel):
    outcome: Outcome
    execution: RecordedExecution


def record(new: NewExecution) -> Query[Recorded]:
    """Merges one report into its execution, which it creates if n8n's id is new. One row, with the whole execution.

    Refused with 404 `workflow_not_found`, 409 `other_workflows_execution` and `legal_hold`.
    """
    return Query(
        """
        SELECT r.outcome, to_jsonb(r.execution) || jsonb_build_object('etag', app.etag(r.execution)) AS execution
        FROM app.record_deliveries(jsonb_build_array(%(delivery)s::jsonb)) AS r
        WHERE app.require_recorded(r.rejection)
        """,
        {"delivery": new.model_dump_json(exclude={"tenant_id"})},
        Recorded,
        kept="jsonb_build_object('id', effect.execution -> 'id', 'outcome', effect.outcome)",
        reread=recorded,
    )


def deliver(db: Database, new: NewExecution, key: IdempotencyKey | None) -> Recorded:
    """What became of it, with its whole data and notes."""
    (stored,), db = large_data.in_storage([new], db)
    (row,) = db.idempotent(record(stored), key)
    row.execution = large_data.recorded(row.execution)
    row.execution.data_notes = new.data_notes
    return row


def recorded(row: dict[str, Any]) -> Query[Recorded]:
    """What a repeat answers: the outcome of then, and the execution as it is now."""
    return Query(
        """
        SELECT %(outcome)s AS outcome, to_jsonb(e) || jsonb_build_object('etag', app.etag(e)) AS execution
        FROM app.workflow_executions AS e
        WHERE e.id = %(id)s
        """,
        row,
        Recorded,
    )


def record_batch(batch: Batch) -> Query[BatchResult]:
    """Merges each report by itself: one row for each, in their order, which says what became of it."""
    return Query(
        """
        SELECT r.n8n_execution_id, r.outcome, (r.execution).id, app.why_rejected(r.rejection) AS error
        FROM app.record_deliveries((%(batch)s::jsonb) -> 'executions') AS r
        """,
        {"batch": batch.model_dump_json(include={"executions"})},
        BatchResult,
    )


def deliver_batch(db: Database, batch: Batch, key: IdempotencyKey | None) -> BatchResults:
    """What became of each, with its notes."""
    stored, db = large_data.in_storage(batch.executions, db)
    recorded = db.idempotent(record_batch(batch.model_copy(update={"executions": stored})), key)
    for result, notes in zip(recorded, batch.data_notes, strict=False):
        result.data_notes = notes if notes != NOTHING else None
    return BatchResults(results=recorded)
