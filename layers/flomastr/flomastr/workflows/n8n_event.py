"""The delivery that one of n8n's reports becomes, and what is said of what was changed in it."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel

from flomastr.http.fields import MAX_NAME, is_ahead
from flomastr.workflows.cleaning import DataNotes, cleaned, length
from flomastr.workflows.executions import Status

AHEAD = "More than a day ahead, so the time of arrival is recorded: {}."
MAX_KEPT = 100_000  # characters
NAMELESS = "The workflow's name is empty, so it is called by its id."
LONG_NAME = f"The workflow's name is cut after {MAX_NAME} characters."


class Event(BaseModel):
    """A delivery of an execution, with what it says of its workflow; or the outcome, if it is of no execution."""

    n8n_workflow_id: str | None = None
    workflow_name: str | None = None
    workflow_active: bool | None = None
    workflow_archived: Literal[True] | None = None  # of one that is not known, nothing is recorded
    workflow_tags: list[str] | None = None
    n8n_execution_id: str | None = None
    status: Status | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    execution_data: dict[str, Any] | None = None
    error_message: str | None = None
    by_error_workflow: Literal[True] | None = None  # which runs for what n8n calls canceled or crashed as well
    outcome: Literal["ignored", "followed", "rejected"] | None = None
    error: str | None = None
    item: Any = None  # as it was sent, if it could not be read
    note: str | None = None  # what of it is recorded in another way than it was sent
    data_notes: DataNotes | None = None

    def keeping(self, item: Any) -> Self:
        """With what was sent, unless it is too long to be kept."""
        return self.model_copy(update={"item": cleaned(item)[0] if length(item) <= MAX_KEPT else None})

    def by_a_right_clock(self) -> Self:
        """Without moments that only a wrong clock can have."""
        moments = {"started_at": self.started_at, "finished_at": self.finished_at}
        ahead = [name for name, moment in moments.items() if moment and is_ahead(moment)]
        if not ahead:
            return self
        return self.noting(AHEAD.format(", ".join(ahead)), **dict.fromkeys(ahead))

    def by_a_fitting_name(self) -> Self:
        """With so much of the workflow's name as can be stored."""
        name = self.workflow_name
        if name is None or (name.strip() and len(name) <= MAX_NAME):
            return self
        if not name.strip():
            return self.noting(NAMELESS, workflow_name=None)
        return self.noting(LONG_NAME, workflow_name=name[:MAX_NAME])

    def noting(self, note: str, **changes: Any) -> Self:
        return self.model_copy(update=changes | {"note": f"{self.note} {note}" if self.note else note})
