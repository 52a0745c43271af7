"""What n8n says of workflows: beside their runs, in its list of workflows, and in messages about them."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from flomastr.workflows.n8n_event import Event
from flomastr.workflows.n8n_values import AnyName, Id, N8nMoment, OtherId, names_of, true_or_not

CHANGED: dict[str, bool | None] = {  # whether it is active then; None: that is not said
    "n8n.audit.workflow.created": None,
    "n8n.audit.workflow.updated": None,
    "n8n.audit.workflow.activated": True,
    "n8n.audit.workflow.deactivated": False,
    "n8n.audit.workflow.archived": False,
    "n8n.audit.workflow.unarchived": None,
}

Said = Annotated[bool | None, BeforeValidator(true_or_not, json_schema_input_type=Any)]
TagNames = Annotated[list[str] | None, BeforeValidator(names_of, json_schema_input_type=Any)]


class Form(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class Described(Form):
    name: AnyName | None = None
    active: Said = None
    is_archived: Said = None
    tags: TagNames = None

    def said(self) -> dict[str, Any]:
        """Fields of an event. What is archived does not run."""
        return {"workflow_active": False if self.is_archived else self.active, "workflow_tags": self.tags}


class WorkflowData(Described):
    """As it was when the run began."""

    id: OtherId = None


class ApiWorkflow(Described):
    """What n8n's public API gives of a workflow."""

    id: Id
    connections: Annotated[Any, Field(description="By which it is told from other forms.")]

    def event(self) -> Event:
        archived = True if self.is_archived else None
        return Event(
            outcome="followed",
            n8n_workflow_id=self.id,
            workflow_name=self.name,
            workflow_archived=archived,
            **self.said(),
        )


class ChangedWorkflow(Form):
    workflow_id: OtherId = None
    workflow_name: AnyName | None = None


class WorkflowMessage(Form):
    """What log streaming sends when somebody changes a workflow."""

    event_name: Annotated[str, Field(examples=list(CHANGED))]
    ts: Annotated[N8nMoment, Field(json_schema_extra={"type": "string"})]
    payload: ChangedWorkflow

    def event(self) -> Event:
        if self.payload.workflow_id is None:
            return Event(outcome="ignored")
        return Event(
            outcome="followed",
            n8n_workflow_id=self.payload.workflow_id,
            workflow_name=self.payload.workflow_name,
            workflow_active=CHANGED[self.event_name],
            workflow_archived=True if self.event_name == "n8n.audit.workflow.archived" else None,
            started_at=self.ts,
        )
