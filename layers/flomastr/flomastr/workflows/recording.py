"""Deliveries: reports of executions, in any order and any number of times. app.record_executions merges them."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flomastr.database.query import Query
from flomastr.http.fields import Body, JsonObject, Name, PastMoment, TenantName, Text
from flomastr.workflows.executions import Execution, Status

MAX_BATCH = 1000

type Outcome = Literal["created", "updated", "unchanged", "held", "rejected"]


class Delivery(Body):
    """One report of an execution. Either id names its workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("workflow_id", "n8n_workflow_id")
            ]
        }
    )

    workflow_id: UUID | None = None
    n8n_workflow_id: Name | None = None
    started_at: PastMoment | None = None
    finished_at: PastMoment | None = None
    execution_data: JsonObject | None = None
    error_message: Text | None = None

    @model_validator(mode="after")
    def names_its_workflow(self) -> Self:
        if self.workflow_id is None and self.n8n_workflow_id is None:
            raise ValueError("workflow_id or n8n_workflow_id is required")
        return self


class NewExecution(Delivery):
    tenant_id: TenantName | None = None
    n8n_execution_id: Name | None = None
    status: Status = "running"


class BatchDelivery(Delivery):
    n8n_execution_id: Name
    status: Status


class Batch(Body):
    tenant_id: TenantName | None = None
    executions: Annotated[list[BatchDelivery], Field(min_length=1, max_length=MAX_BATCH)]


class BatchResult(BaseModel):
    n8n_execution_id: str
    id: UUID | None
    outcome: Outcome
    error: str | None


class BatchResults(BaseModel):
    """In the order of the batch."""

    results: list[BatchResult]


class Recorded(BaseModel):
    outcome: Outcome
    execution: Execution


def record(new: NewExecution) -> Query[Recorded]:
    """Merges one report into its execution, which it creates if n8n's id is new. One row, with the whole execution.

    Refused with 404 `workflow_not_found`, 409 `other_workflows_execution` and `legal_hold`.
    """
    return Query(
        """
        SELECT r.outcome, to_jsonb(r.execution) || jsonb_build_object('etag', app.etag(r.execution)) AS execution
        FROM app.record_executions(jsonb_build_array(%(delivery)s::jsonb)) AS r
        WHERE app.require_recorded(r.rejection)
        """,
        {"delivery": new.model_dump_json(exclude={"tenant_id"})},
        Recorded,
        kept="jsonb_build_object('id', effect.execution -> 'id', 'outcome', effect.outcome)",
        reread=recorded,
    )


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
        FROM app.record_executions((%(batch)s::jsonb) -> 'executions') AS r
        """,
        {"batch": batch.model_dump_json(include={"executions"})},
        BatchResult,
    )
