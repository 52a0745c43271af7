"""Alerts: what a tenant wants to be told of its executions, and where."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from flomastr.auth.webhook_signatures import alert_secret, whsec
from flomastr.database.query import BY_ID, Count, Deleted, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import UNSET, Body, Changes, Flag, InstanceName, JsonInteger, Name, TenantName
from flomastr.http.paging import KEYSET, PageRequest
from flomastr.http.patterns import WEBHOOK_URL
from flomastr.outbound.targets import refuse_other_targets

type Kind = Literal["failure_rate", "slow", "silence"]

WINDOW, SILENCE = (15, 1440), (60, 129_600)  # minutes
MOST_SECONDS = 1_000_000

Minutes = Annotated[
    int,
    Field(ge=WINDOW[0], le=SILENCE[1], description="How far back it looks: to 1440, and from 60 for silence."),
    JsonInteger,
]
Threshold = Annotated[
    float,
    Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False, description="Per cent of a failure rate; seconds of the p95."),
]
MinRuns = Annotated[int, Field(ge=1, le=1_000_000, description="With fewer runs it does not fire."), JsonInteger]
Target = Annotated[
    str,
    Field(max_length=2000, json_schema_extra={"pattern": WEBHOOK_URL}),
    AfterValidator(refuse_other_targets),
]


class Alert(Resource):
    tenant_id: UUID
    name: str
    kind: Kind
    workflow_id: UUID | None = Field(description="null: all workflows together.")
    instance: str | None = Field(description="The n8n instance whose workflows it is on; null: all.")
    minutes: int
    threshold: float | None
    min_runs: int
    url: str
    enabled: bool
    firing_since: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime | None


class ShownAlert(Alert):
    """With the secret that signs its webhooks, which is shown here and nowhere else."""

    signing_secret: str = ""


def schema_of(kind: str) -> JsonValue:
    """What an alert of the kind needs, as JSON Schema."""
    least, most = SILENCE if kind == "silence" else WINDOW
    threshold: dict[str, JsonValue] = {"type": "null" if kind == "silence" else "number"}
    if kind == "failure_rate":
        threshold["exclusiveMaximum"] = 100
    needed: list[JsonValue] = ["kind", "minutes"] if kind == "silence" else ["kind", "minutes", "threshold"]
    minutes: dict[str, JsonValue] = {"minimum": least, "maximum": most}
    return {"required": needed, "properties": {"kind": {"const": kind}, "minutes": minutes, "threshold": threshold}}


class NewAlert(Body):
    """Fires when the failure rate or the p95 of the last minutes is over the threshold, or when nothing ran in them."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [schema_of("failure_rate"), schema_of("slow"), schema_of("silence")],
            "anyOf": [
                {"properties": {"instance": {"type": "null"}}},
                {"properties": {"workflow_id": {"type": "null"}}},
            ],
        }
    )

    tenant_id: TenantName | None = None
    name: Name
    kind: Kind
    workflow_id: UUID | None = None
    instance: InstanceName | None = None
    minutes: Minutes
    threshold: Threshold | None = None
    min_runs: MinRuns = 1
    url: Target
    enabled: Flag = True

    @model_validator(mode="after")
    def has_the_numbers_of_its_kind(self) -> Self:
        least, most = SILENCE if self.kind == "silence" else WINDOW
        if not least <= self.minutes <= most:
            raise ValueError(f"the kind {self.kind} takes from {least} to {most} minutes")
        if (self.kind == "silence") != (self.threshold is None):
            raise ValueError("silence takes no threshold, and any other kind takes one")
        if self.kind == "failure_rate" and self.threshold is not None and self.threshold >= 100:
            raise ValueError("a failure rate takes a threshold below 100 per cent")
        if self.workflow_id is not None and self.instance is not None:
            raise ValueError("an alert is on a workflow or on an instance")
        return self


class AlertChanges(Changes):
    name: Name = UNSET
    minutes: Minutes = UNSET
    threshold: Threshold = UNSET
    min_runs: MinRuns = UNSET
    url: Target = UNSET
    enabled: Flag = UNSET


COLUMNS = """
  a.id, a.tenant_id, a.name, a.kind, a.workflow_id,
  app.name_of_n8n_instance(a.tenant_id, a.n8n_instance) AS instance, a.minutes, a.threshold, a.min_runs, a.url,
  a.enabled, a.fired_at AS firing_since, a.created_by, a.created_at, a.updated_at, app.etag(a) AS etag
"""


def with_secret(alert: ShownAlert) -> ShownAlert:
    """With what the receiver verifies its webhooks by. Derived from the id, so a repeated request shows it again."""
    return alert.model_copy(update={"signing_secret": whsec(alert_secret(alert.id))})


def create(new: NewAlert) -> Query[ShownAlert]:
    """Refused with 404 of an unknown workflow or instance, and with 409 `too_many_open` in a tenant that has 100."""
    return Query(
        f"SELECT {COLUMNS} FROM app.create_alert(%(new)s) AS a",
        {"new": Jsonb(new.model_dump(mode="json", exclude={"tenant_id"}))},
        ShownAlert,
        kept=BY_ID,
        reread=lambda row: Query(
            f"SELECT {COLUMNS} FROM app.alerts AS a WHERE a.id = %(id)s", {"id": row["id"]}, ShownAlert
        ),
    )


def newest(page: PageRequest) -> Query[Alert]:
    """A page of alerts, and one row beyond it."""
    return Query(f"SELECT {COLUMNS} FROM app.alerts AS a WHERE {KEYSET}", page.params(), Alert)


def count() -> Query[Count]:
    """How many alerts the tenant has."""
    return Query("SELECT count(*) FROM app.alerts", {}, Count)


def get(id: UUID) -> Query[Alert]:
    """No row: there is no such alert."""
    return Query(f"SELECT {COLUMNS} FROM app.alerts AS a WHERE a.id = %(id)s", {"id": id}, Alert)


def update(id: UUID, changes: AlertChanges, if_match: list[str] | None) -> Query[Alert]:
    """Fields that are not set stay. No row: there is none. Refused with 412, and 409 for what another kind has."""
    params: dict[str, Any] = {"id": id, "changes": Jsonb(changes.model_dump(exclude_unset=True)), "if_match": if_match}
    return Query(f"SELECT {COLUMNS} FROM app.change_alert(%(id)s, %(changes)s, %(if_match)s) AS a", params, Alert)


def delete(id: UUID, if_match: list[str] | None) -> Query[Deleted]:
    """With its history. Refused with 412, 409 `legal_hold`."""
    return Query(
        """
        DELETE FROM app.alerts AS a
        WHERE a.id = %(id)s AND app.require_match(app.etag(a), %(if_match)s)
        RETURNING a.id
        """,
        {"id": id, "if_match": if_match},
        Deleted,
    )
