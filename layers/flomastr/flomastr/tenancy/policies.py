"""A tenant's policies: retention of executions (hot and archived), confidence threshold, rate limit, time zone."""

from typing import Annotated, Self
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field, model_validator

from flomastr.database.query import Query
from flomastr.http.etags import Versioned
from flomastr.http.fields import UNSET, Body, Changes, JsonInteger, TimeZone
from flomastr.tenancy.tenants import Days, Fraction

type ColdDays = Annotated[int, Field(ge=30, le=36_500, description="null: for ever."), JsonInteger]
type RateLimit = Annotated[int, Field(ge=1, le=1_000_000, description="Super admins only."), JsonInteger]
type Newest = Annotated[int, Field(ge=0, le=1000), JsonInteger]


class Keep(Body):
    """Within `hot_ttl_days`: executions that may be archived earlier, unless among the newest of their workflow."""

    success_days: Days
    error_days: Annotated[Days, Field(description="Of all others that have ended; not less than `success_days`.")]
    last_per_workflow: Newest = 0

    @model_validator(mode="after")
    def failures_stay_as_long(self) -> Self:
        if self.error_days < self.success_days:
            raise ValueError("error_days must not be less than success_days")
        return self


class Policies(Versioned):
    tenant_id: UUID
    hot_ttl_days: int
    cold_ttl_days: int | None
    confidence_threshold: float
    rate_limit_per_minute: int
    time_zone: str
    keep: Keep | None


class PolicyChanges(Changes):
    hot_ttl_days: Days = UNSET
    cold_ttl_days: ColdDays | None = None
    confidence_threshold: Fraction = UNSET
    rate_limit_per_minute: RateLimit = UNSET
    time_zone: TimeZone = UNSET
    keep: Keep | None = None


def get() -> Query[Policies]:
    """How long the tenant keeps its data, and how many requests a minute it may send."""
    return Query("SELECT p.*, app.etag(p) AS etag FROM app.policies_v3() AS p", {}, Policies)


def update(changes: PolicyChanges, if_match: list[str] | None) -> Query[Policies]:
    """Fields that are not set stay. Refused with 412, 403 `super_admin_only` for limits that the platform sets."""
    return Query(
        "SELECT p.*, app.etag(p) AS etag FROM app.change_policies_v3(%(changes)s, %(if_match)s) AS p",
        {"changes": Jsonb(changes.model_dump(exclude_unset=True)), "if_match": if_match},
        Policies,
    )
