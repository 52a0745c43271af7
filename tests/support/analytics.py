"""Failures of the last hour, and what analytics tell of them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from functions.analytics.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def ask(tenant: Tenant, what: str, **query: Any) -> Answer:
    return call(lambda_handler, "GET", f"/routes/analytics/{what}", query=query, caller=tenant.owner)


def failed(make: Factory, tenant: Tenant, workflow: UUID, minute: float, message: str | None, **overrides: Any) -> UUID:
    row = {"status": "error", "started_at": (HOUR_AGO + timedelta(minutes=minute)).isoformat()}
    return make.execution(tenant, workflow, **row | {"error_message": message} | overrides)


def at(minute: float) -> str:
    return (HOUR_AGO + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
