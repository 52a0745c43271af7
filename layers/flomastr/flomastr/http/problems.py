"""Errors as problem+json (RFC 9457)."""

import re
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from flomastr.caller import Caller
from flomastr.errors import (
    BY_STATUS,
    BadRequestError,
    ErrorCode,
    MethodNotAllowedError,
    NotModifiedError,
    ServiceError,
    UnprocessableError,
)
from flomastr.http.patterns import message
from flomastr.observability import logger

MAX_ERRORS = 20  # in one answer

PROBLEM_JSON = "application/problem+json"

# what a verified e-mail might have given
BY_EMAIL = {ErrorCode.SUPER_ADMIN_ONLY, ErrorCode.TENANT_NOT_FOUND, ErrorCode.ROLE_TOO_LOW}

NAMED_FIELD = re.compile(r"((?:body|query)\.[\w.]+): (.+)")  # in the detail of an error that the database raised


class InvalidField(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is for programs, `detail` for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: ErrorCode
    request_id: str
    errors: list[InvalidField] = []


def problem(request_id: str, error: ServiceError, errors: Sequence[InvalidField] = ()) -> JSONResponse:
    """The answer to a request that failed; `errors` names the fields of an invalid one."""
    body = Problem(
        title=error.status.phrase,
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        errors=list(errors),
    )
    return JSONResponse(body.model_dump(), error.status, error.headers, PROBLEM_JSON)


def request_id(request: Request) -> str:
    """API Gateway's, which is also in the log."""
    return request.scope["aws.event"]["requestContext"]["requestId"]


async def service_error(request: Request, error: Exception) -> Response:
    """The problem that says what a ServiceError says, and names the field if its detail begins with one."""
    assert isinstance(error, ServiceError)
    if isinstance(error, NotModifiedError):
        return Response(status_code=error.status, headers=error.headers)
    if error.code in BY_EMAIL and (missing := missing_claims(request)):
        error.detail += f" Your token says no verified e-mail: it lacks {' and '.join(missing)}."
    named = NAMED_FIELD.fullmatch(error.detail)
    return problem(request_id(request), error, [InvalidField(field=named[1], message=named[2])] if named else [])


def missing_claims(request: Request) -> Sequence[str]:
    """What the token of a person lacks to say a verified e-mail, by which global roles and invitations are given."""
    verified = request.scope["aws.event"]["requestContext"].get("authorizer", {}).get("lambda")
    return Caller.model_validate(verified).lacks if verified else []


async def validation_error(request: Request, error: Exception) -> Response:
    """422 with the first invalid fields, or 400 for a body that is no JSON."""
    assert isinstance(error, RequestValidationError)
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return unreadable(request, error)
    if any(e["loc"] == ("body",) for e in error.errors()) and "json" not in request.headers.get("content-type", ""):
        return unreadable(request, error)
    fields = [InvalidField(field=field_name(e["loc"]), message=message(e)) for e in error.errors()[:MAX_ERRORS]]
    invalid = UnprocessableError(f"Invalid: {', '.join(f.field for f in fields)}.", ErrorCode.INVALID_REQUEST)
    return problem(request_id(request), invalid, fields)


def unreadable(request: Request, error: Exception) -> Response:
    """FastAPI's only 400: whatever Python's json cannot read in the body."""
    message = BadRequestError(
        "The body is not JSON that can be read: send it in UTF-8, with Content-Type: application/json.",
        ErrorCode.INVALID_JSON,
    )
    invalid = InvalidField(field="body", message="is not JSON that can be read")
    return problem(request_id(request), message, [invalid])


def field_name(location: Sequence[int | str]) -> str:
    """`body.tags.0`, short and printable whatever the client has named its field."""
    return ".".join(str(part)[:100] for part in location).encode(errors="backslashreplace").decode()


async def http_exception(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself, such as a path that leads nowhere."""
    assert isinstance(error, HTTPException)
    error_of_status = BY_STATUS.get(error.status_code, ServiceError)
    return problem(request_id(request), error_of_status(str(error.detail), headers=dict(error.headers or {})))


def not_allowed(router: APIRouter, request: Request, error: Exception) -> Response:
    """Starlette names the methods of the path's first route, RFC 9110 wants those of all."""
    routes = [
        route for route in router.routes if isinstance(route, APIRoute) and route.path_regex.match(request.url.path)
    ]
    methods = {method for route in routes for method in route.methods or ()}
    allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    message = MethodNotAllowedError(f"Here one can {allowed}.", headers={"Allow": allowed})
    return problem(request_id(request), message)


async def unforeseen(request: Request, error: Exception) -> Response:
    """500 without a word of what happened, which is in the log under the request's id."""
    logger.exception("Unforeseen error", exc_info=error)
    return problem(request_id(request), ServiceError("The service failed. Its operators can find it by request_id."))
