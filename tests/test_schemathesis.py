"""Two thousand requests that the OpenAPI document allows or forbids: the functions keep to it."""

import re
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, settings, strategies
from schemathesis.config import SchemathesisConfig
from werkzeug.wrappers import Request, Response

from dev.events import HttpRequest, http_event
from dev.openapi import document
from dev.template import Route
from flomastr.fields import IDEMPOTENCY_KEY, TENANT
from functions.executions.handler import lambda_handler as executions
from functions.health.handler import lambda_handler as health
from functions.openapi.handler import lambda_handler as openapi
from functions.workflows.handler import lambda_handler as workflows
from tests.events import Context
from tests.factories import Factory, Tenant

CASES_OF_AN_OPERATION = 80  # two thousand in all, besides those without credentials
HANDLERS = {
    "workflows": workflows,
    "workflow-executions": executions,
    "health": health,
    "openapi.json": openapi,
    "docs": openapi,
}
CONFIG: dict[str, Any] = {
    # JSON Schema cannot forbid U+0000 deep inside an object: test_bad_input.py sends it
    "generation": {"allow-x00": False, "with-security-parameters": False},
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404", "409", "412"]}},
    # other methods than POST take `batch` for the id of an execution, and say that it is none
    "operations": [
        {
            "include-path": "/routes/workflow-executions/batch",
            "checks": {"unsupported_method": {"enabled": False}, "allow_header_conformance": {"enabled": False}},
        }
    ],
}
STORABLE = strategies.datetimes(datetime(1970, 1, 2), datetime(2026, 1, 1), timezones=strategies.just(UTC))


def collection(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The functions behind a gateway where the token of a person is the id of that person."""
    request = Request(environ)
    path = environ["REQUEST_URI"]
    event = http_event(
        HttpRequest(request.method, path, environ["QUERY_STRING"], tuple(request.headers.items()), request.get_data()),
        Route("$default", frozenset(), "", None),
        {},
    )
    token = request.headers.get("Authorization", "")
    if token.startswith("Bearer user_"):
        event["requestContext"]["authorizer"] = {"lambda": {"user_id": token.removeprefix("Bearer ")}}
    answer = HANDLERS[path.split("/")[2]](event, Context())
    return Response(answer.get("body"), answer["statusCode"], answer["headers"])(environ, start_response)


schemathesis.openapi.format("date-time", STORABLE.map(datetime.isoformat))
schema: Any = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(CONFIG))  # pyright: ignore[reportUnknownMemberType]
schema.app = collection


@pytest.fixture(scope="module")
def tenant(make: Factory) -> Tenant:
    return make.tenant()


@schema.parametrize()
@settings(
    max_examples=CASES_OF_AN_OPERATION,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list[Any](HealthCheck),
)
def test_every_answer_is_as_described(case: Any, make: Factory, tenant: Tenant) -> None:
    name_what_exists(case, make, tenant)
    case.call_and_validate(headers={"Authorization": f"Bearer {tenant.owner.user_id}"})


def name_what_exists(case: Any, make: Factory, tenant: Tenant) -> None:
    """Well-formed ids become ids of rows and well-formed names of tenants the caller's: by chance they never would."""
    for part in (case.path_parameters, case.query, case.headers, case.body):
        for name, value in part.items() if hasattr(part, "items") else ():
            match name:
                case "workflow_id" if is_uuid(value):
                    part[name] = str(make.workflow(tenant))
                case "execution_id" if is_uuid(value):
                    part[name] = str(make.execution(tenant, make.workflow(tenant)))
                case "tenant_id" | "x-tenant" if isinstance(value, str) and re.fullmatch(TENANT, value):
                    part[name] = tenant.slug
                case "idempotency-key" if re.fullmatch(IDEMPOTENCY_KEY, str(value)):
                    part[name] = secrets.token_hex()  # no key comes twice with another body
                case _:
                    pass


def is_uuid(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return False
