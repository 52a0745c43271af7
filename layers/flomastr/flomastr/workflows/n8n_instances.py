"""n8n instances of a tenant, and what was rejected of their events: kept for a week, to be recorded after all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from flomastr.database.query import Count, Query
from flomastr.errors import NotFoundError
from flomastr.http.etags import Resource
from flomastr.http.fields import Json
from flomastr.http.paging import KEYSET, MAX_PAGE_BYTES, ROWS_BEFORE, PageRequest, as_many_as_fit
from flomastr.workflows.flatted import Room
from flomastr.workflows.n8n_event import Event
from flomastr.workflows.n8n_events import EventResult, describe, results, to_event


class Epoch(BaseModel):
    """The time of one database of the instance."""

    since: datetime | None = Field(description="The start of the first run that is known of it; null: the first epoch.")


class N8nInstance(BaseModel):
    name: str
    first_seen_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    n8n_wins: bool = Field(
        description="Names, states and tags of workflows follow n8n also where they were changed here."
    )
    workflows: int
    executions: int = Field(description="Of the last 30 days, as far as they are folded into analytics.")
    epochs: list[Epoch] = Field(description="In their order: an id may stand for one run in each.")


LISTED = """
SELECT
  i.tenant_id, i.number, i.name, i.first_seen_at, i.last_seen_at, i.n8n_wins, count(w.id) AS workflows,
  coalesce(sum(e.runs) FILTER (WHERE w.id IS NOT NULL), 0) AS executions,
  array_cat(ARRAY[jsonb_build_object('since', NULL)], ARRAY(
    SELECT jsonb_build_object('since', r.until) FROM app.n8n_resets AS r
    WHERE r.tenant_id = i.tenant_id AND r.number = i.number ORDER BY r.until LIMIT 100
  )) AS epochs
FROM app.n8n_instances AS i
LEFT JOIN app.workflows AS w ON w.n8n_instance = i.number
LEFT JOIN LATERAL (
  SELECT sum(r.runs) AS runs FROM app.execution_rollups AS r
  WHERE r.tenant_id = w.tenant_id AND r.grain = 'day' AND r.workflow_id = w.id
    AND r.bucket_start > now() - interval '30 days'
) AS e ON true
GROUP BY i.tenant_id, i.number, i.name, i.first_seen_at, i.last_seen_at, i.n8n_wins
"""


class Rejection(Resource):
    rejected_at: datetime
    instance: str
    n8n_execution_id: str | None
    n8n_workflow_id: str | None
    error: str = Field(description="Why it was rejected, for people.")
    item: Any = Field(
        description="As it was sent, or what was read of it; null: it was longer than 100,000 characters."
    )


class Kept(BaseModel):
    item: Any
    delivery: Json | None


COLUMNS = """
  r.id, app.uuid7_moment(r.id) AS rejected_at, r.instance, r.n8n_execution_id, r.n8n_workflow_id, r.error,
  coalesce(r.item, r.delivery) AS item
"""


def newest_rejected(page: PageRequest) -> Query[Rejection]:
    """A page: as many rows as fit into MAX_PAGE_BYTES."""
    rows = f"""
        SELECT r.*, sum(octet_length(coalesce(r.item, r.delivery)::text)) OVER before AS bytes_before
        FROM (SELECT r.* FROM app.n8n_rejections AS r WHERE {KEYSET}) AS r
        WINDOW before AS ({ROWS_BEFORE})
    """
    return Query(
        as_many_as_fit(COLUMNS, rows, "r"),
        page.params() | {"max_bytes": MAX_PAGE_BYTES},
        Rejection,
    )


def count_rejected() -> Query[Count]:
    """How many are kept."""
    return Query("SELECT count(*) FROM app.n8n_rejections", {}, Count)


def kept(id: UUID) -> Query[Kept]:
    """What can be recorded again. No row: it is not kept any more."""
    return Query("SELECT r.item, r.delivery FROM app.n8n_rejections AS r WHERE r.id = %(id)s", {"id": id}, Kept)


def event_of(rejections: Sequence[Kept]) -> Event:
    """The event that is tried again."""
    for rejection in rejections:
        if rejection.delivery is not None:
            return read_again(rejection.delivery)
        if rejection.item is not None:
            return to_event(rejection.item, Room.of(len(rejection.model_dump_json())))
    return Event(outcome="rejected", error="The item was too long to be kept: send it again.")


def read_again(delivery: Json) -> Event:
    """What was read of an item, perhaps by a release that understood more."""
    try:
        return Event.model_validate(delivery)
    except ValidationError as error:
        return Event(outcome="rejected", error=describe(error))


def replay(id: UUID, event: Event) -> Query[EventResult]:
    """Records the event in the place of the rejected one. No row: that is not kept any more."""
    return Query(
        """
        SELECT e.n8n_execution_id, e.n8n_workflow_id, e.id, e.outcome, e.error, e.restarted
        FROM app.replay_rejection(%(id)s, %(event)s::jsonb) AS e
        """,
        {"id": id, "event": event.model_dump_json(exclude_none=True, exclude={"note", "data_notes"})},
        EventResult,
    )


def replayed(event: Event, recorded: Sequence[EventResult]) -> EventResult:
    """What became of it, with its notes. Raises NotFoundError if there was no such rejection."""
    if not recorded:
        raise NotFoundError
    return results([event], recorded).results[0]
