"""Errors as problem+json (RFC 9457): what a client is told when its request fails."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from flomastr.errors import NotModifiedError, ServiceError
from flomastr.http.patterns import message
from flomastr.observability import logger

MAX_ERRORS = 20  # that one answer tells

PROBLEM_JSON = "application/problem+json"

NAMED_FIELD = re.compile(r"((?:body|query)\.[\w.]+): (.+)")  # of what the database refuses


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
    if isinstance(error, NotModifiedError):
        return Response(status_code=error.status, headers=error.headers)
    named = NAMED_FIELD.fullmatch(error.detail)
    return problem(request_id(request), error, [InvalidField(field=named[1], message=named[2])] if named else [])


async def validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return unreadable(request, error)
    if any(e["loc"] == ("body",) for e in error.errors()) and "json" not in request.headers.get("content-type", ""):
        return unreadable(request, error)
    fields = [InvalidField(field=field_name(e["loc"]), message=message(e)) for e in error.errors()[:MAX_ERRORS]]
    invalid = ServiceError(f"Invalid: {', '.join(f.field for f in fields)}.", "invalid_request")
    return problem(request_id(request), invalid, fields, HTTPStatus.UNPROCESSABLE_ENTITY)


def unreadable(request: Request, error: Exception) -> Response:
    """FastAPI's only 400, whatever it is in the body that Python's json gives up on."""
    message = ServiceError(
        "The body is not JSON that can be read: send it in UTF-8, with Content-Type: application/json.", "invalid_json"
    )
    invalid = InvalidField(field="body", message="is not JSON that can be read")
    return problem(request_id(request), message, [invalid], HTTPStatus.BAD_REQUEST)


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
    message = ServiceError(f"Here one can {allowed}.", "method_not_allowed", {"Allow": allowed})
    return problem(request_id(request), message, status=HTTPStatus.METHOD_NOT_ALLOWED)


async def unforeseen(request: Request, error: Exception) -> Response:
    logger.exception("Unforeseen error", exc_info=error)
    return problem(request_id(request), ServiceError("The service failed. Its operators can find it by request_id."))
