"""n8n instances of a tenant. Executions and workflows are of one of them; who names none speaks of the default one."""

from datetime import datetime
from typing import Annotated

from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field, StringConstraints

from flomastr.database.query import Query
from flomastr.http.patterns import INSTANCE

DEFAULT = "default"
InstanceName = Annotated[
    str,
    StringConstraints(pattern=INSTANCE),
    QueryParameter(description="The n8n instance; a new name makes one, of 20 in a tenant.", examples=["prod"]),
]


class Epoch(BaseModel):
    """The time of one database of the instance."""

    since: datetime | None = Field(description="The start of the first run that is known of it; null: the first epoch.")


class N8nInstance(BaseModel):
    name: str
    first_seen_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    workflows: int
    executions: int = Field(description="Archived ones as well, as far as they are folded into analytics.")
    epochs: list[Epoch] = Field(description="In their order: an id may stand for one run in each.")


def listed() -> Query[N8nInstance]:
    """The instances of the tenant, by name."""
    return Query(
        """
        SELECT
          i.name, i.first_seen_at, i.last_seen_at, count(w.id) AS workflows,
          coalesce(sum(e.runs) FILTER (WHERE w.id IS NOT NULL), 0) AS executions,
          array_cat(ARRAY[jsonb_build_object('since', NULL)], ARRAY(
            SELECT jsonb_build_object('since', r.until) FROM app.n8n_resets AS r
            WHERE r.tenant_id = i.tenant_id AND r.number = i.number ORDER BY r.until
          )) AS epochs
        FROM app.n8n_instances AS i
        LEFT JOIN app.workflows AS w ON w.n8n_instance = i.number
        LEFT JOIN (
          SELECT r.workflow_id, sum(r.runs) AS runs FROM app.execution_rollups AS r
          WHERE r.grain = 'day' GROUP BY r.workflow_id
        ) AS e ON e.workflow_id = w.id
        GROUP BY i.tenant_id, i.number, i.name, i.first_seen_at, i.last_seen_at
        ORDER BY i.name
        """,
        {},
        N8nInstance,
    )
