"""HTTP in one place: FastAPI, Mangum and Powertools become a Lambda handler, and every error becomes problem+json."""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from mangum import Mangum
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from flomastr.errors import NotModified, PayloadTooLarge, ServiceError
from flomastr.observability import LambdaHandler, instrumented, logger
from flomastr.patterns import told

MAX_BODY = 5_000_000  # bytes: written into an event or an answer as text, it stays below Lambda's 6 MB
MAX_ERRORS = 20  # that one answer tells
PROBLEM_JSON = "application/problem+json"
NAMED_FIELD = re.compile(r"((?:body|query)\.[\w.]+): (.+)")  # of what the database refuses

LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


class InvalidField(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is for programs, `detail` for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[InvalidField] = []


def create_app(path: str, tag: str) -> FastAPI:
    """An app whose routes start with `path`. Were they a router's that it includes, FastAPI would build each twice."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, generate_unique_id_function=lambda route: route.name)
    app.router.prefix = path
    app.router.tags.append(tag)
    app.router.dependencies.append(Depends(known_query))
    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_exception)
    app.add_exception_handler(HTTPStatus.BAD_REQUEST, unreadable)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, partial(not_allowed, app.router))
    app.add_exception_handler(Exception, unforeseen)
    return app


async def known_query(request: Request) -> None:
    """A misspelt filter would filter nothing, a misspelt tenant be another one: it is told."""
    if not request.query_params:
        return
    known = query_parameters(request.scope["route"].dependant)
    if unknown := sorted(request.query_params.keys() - known):
        errors = [{"type": "extra", "loc": ("query", name), "msg": "is no parameter of this route"} for name in unknown]
        raise RequestValidationError(errors)


def query_parameters(dependant: Dependant) -> set[str]:
    """Of a route and what it depends on. Names of headers and parts of the path are none."""
    own = {field.alias for field in get_flat_params(Dependant(query_params=dependant.query_params))}
    return own.union(*map(query_parameters, dependant.dependencies))


def conflict(description: str) -> dict[int | str, dict[str, Any]]:
    """What a route says of its 409."""
    return {HTTPStatus.CONFLICT.value: {"description": description}}


def http_handler(app: FastAPI) -> LambdaHandler:
    mangum = Mangum(app, lifespan="off", text_mime_types=["text/", "application/json", PROBLEM_JSON])

    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        if len(event.get("body") or "") > MAX_BODY:
            return too_large(event)
        asyncio.set_event_loop(LOOP)  # Mangum asks for the current one, here and when it is made
        return mangum(event, context)  # pyright: ignore[reportArgumentType]

    return instrumented(handle)


def problem(
    request_id: str, error: ServiceError, errors: Sequence[InvalidField] = (), status: int | None = None
) -> JSONResponse:
    status = status or error.status
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        errors=list(errors),
    )
    return JSONResponse(body.model_dump(), status, error.headers, PROBLEM_JSON)


def request_id(request: Request) -> str:
    return request.scope["aws.event"]["requestContext"]["requestId"]


async def service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if isinstance(error, NotModified):
        return Response(status_code=error.status, headers=error.headers)
    named = NAMED_FIELD.fullmatch(error.detail)
    return problem(request_id(request), error, [InvalidField(field=named[1], message=named[2])] if named else [])


async def validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return unreadable(request, error)
    if any(e["loc"] == ("body",) for e in error.errors()) and "json" not in request.headers.get("content-type", ""):
        return unreadable(request, error)
    fields = [InvalidField(field=field_name(e["loc"]), message=told(e)) for e in error.errors()[:MAX_ERRORS]]
    invalid = ServiceError(f"Invalid: {', '.join(f.field for f in fields)}.", "invalid_request")
    return problem(request_id(request), invalid, fields, HTTPStatus.UNPROCESSABLE_ENTITY)


def unreadable(request: Request, error: Exception) -> Response:
    """FastAPI's only 400, whatever it is in the body that Python's json gives up on."""
    told = ServiceError(
        "The body is not JSON that can be read: send it in UTF-8, with Content-Type: application/json.", "invalid_json"
    )
    invalid = InvalidField(field="body", message="is not JSON that can be read")
    return problem(request_id(request), told, [invalid], HTTPStatus.BAD_REQUEST)


def field_name(location: Sequence[int | str]) -> str:
    """`body.tags.0`, short and printable whatever the client has named its field."""
    return ".".join(str(part)[:100] for part in location).encode(errors="backslashreplace").decode()


async def http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return problem(
        request_id(request), ServiceError(str(error.detail), code, dict(error.headers or {})), status=error.status_code
    )


def not_allowed(router: APIRouter, request: Request, error: Exception) -> Response:
    """Starlette names the methods of the path's first route, RFC 9110 wants those of all."""
    routes = [
        route for route in router.routes if isinstance(route, APIRoute) and route.path_regex.match(request.url.path)
    ]
    allowed = ", ".join(sorted({method for route in routes for method in route.methods or ()}))
    told = ServiceError(f"Here one can {allowed}.", "method_not_allowed", {"Allow": allowed})
    return problem(request_id(request), told, status=HTTPStatus.METHOD_NOT_ALLOWED)


async def unforeseen(request: Request, error: Exception) -> Response:
    logger.exception("Unforeseen error", exc_info=error)
    return problem(request_id(request), ServiceError("The service failed. Its operators can find it by request_id."))


def too_large(event: dict[str, Any]) -> dict[str, Any]:
    error = PayloadTooLarge(f"The body is larger than {MAX_BODY:,} bytes. Send it in smaller parts.")
    response = problem(event["requestContext"]["requestId"], error)
    return {
        "statusCode": response.status_code,
        "headers": dict(response.headers),
        "body": bytes(response.body).decode(),
    }
