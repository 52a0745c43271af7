"""HTTP in one place: FastAPI, Mangum and Powertools become a Lambda handler, and every error becomes problem+json."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from fastapi import Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from mangum import Mangum
from starlette.exceptions import HTTPException

from flomastr.errors import ServiceError
from flomastr.http.bodies import JsonRequest, UnreadRequest
from flomastr.http.delivery import IDENTITY, readable, refusal
from flomastr.http.problems import (
    PROBLEM_JSON,
    http_exception,
    not_allowed,
    problem,
    service_error,
    unforeseen,
    unreadable,
    validation_error,
)
from flomastr.observability import LambdaHandler, instrumented

NOSNIFF = {"x-content-type-options": "nosniff"}
KEPT = {"cache-control": "private, no-cache", "vary": "Authorization, X-Tenant"}  # by the browser, which asks each time
NOT_KEPT = {"cache-control": "no-store"}
HELD = "It is under a legal hold."  # of a 409

LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


class Route(APIRoute):
    request = JsonRequest

    @cached_property
    def query_names(self) -> set[str]:
        """Of its parameters in the query, and of those of what it depends on."""
        return query_parameters(self.dependant)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_and_handle(request: Request) -> Response:
            asked = self.request(request.scope, request.receive)
            await asked.body()  # here its errors are its own: FastAPI would make a 400 of them
            return await handle(asked)

        return read_and_handle


class UnreadRoute(Route):
    """Its body is read when its caller is known: one that API Gateway does not know."""

    request = UnreadRequest


def create_app(path: str, tag: str, route: type[Route] = Route) -> FastAPI:
    """An app whose routes start with `path`. Were they a router's that it includes, FastAPI would build each twice."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, generate_unique_id_function=lambda route: route.name)
    app.router.route_class = route
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
    """Refuse unknown and repeated parameters.

    A misspelt filter would filter nothing, a misspelt tenant would be another one, and of two values one would be lost.
    """
    if not request.query_params:
        return
    known: set[str] = request.scope["route"].query_names
    named = Counter(name for name, _ in request.query_params.multi_items())
    unknown = {name: "is no parameter of this route" for name in named.keys() - known}
    repeated = {name: "is given more than once" for name in named.keys() & known if named[name] > 1}
    if refused := sorted((unknown | repeated).items()):
        raise RequestValidationError([{"type": "extra", "loc": ("query", name), "msg": why} for name, why in refused])


def query_parameters(dependant: Dependant) -> set[str]:
    """Of a route and what it depends on. Names of headers and parts of the path are none."""
    own = {field.alias for field in get_flat_params(Dependant(query_params=dependant.query_params))}
    return own.union(*map(query_parameters, dependant.dependencies))


def conflict(description: str) -> dict[int | str, dict[str, Any]]:
    """What a route says of its 409."""
    return {HTTPStatus.CONFLICT.value: {"description": description}}


def http_handler(app: FastAPI, *encodings: str) -> LambdaHandler:
    """The Lambda function of an app. It takes events of an HTTP API, and every error becomes a problem.

    `encodings`: of bodies that it reads, beside those that are sent as they are.
    """
    mangum = Mangum(app, lifespan="off", text_mime_types=["text/", "application/json", PROBLEM_JSON])

    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        if error := refusal(event, (IDENTITY, *encodings)):
            return guarded(event, refused(event, error))
        asyncio.set_event_loop(LOOP)  # Mangum asks for the current one, here and when it is made
        return guarded(event, mangum(readable(event), context))  # pyright: ignore[reportArgumentType]

    return instrumented(handle)


def guarded(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, taken for nothing but what it says it is, and kept by nobody unless it was read and has an ETag."""
    headers: dict[str, str] = answer["headers"]
    method = event["requestContext"]["http"]["method"]
    kept = KEPT if method in ("GET", "HEAD") and "etag" in headers else NOT_KEPT
    body = "" if method == "HEAD" else answer["body"]
    return answer | {"headers": NOSNIFF | kept | headers, "body": body}


def refused(event: dict[str, Any], error: ServiceError) -> dict[str, Any]:
    """The answer to an event that no app sees."""
    response = problem(event["requestContext"]["requestId"], error)
    return {
        "statusCode": response.status_code,
        "headers": dict(response.headers),
        "body": bytes(response.body).decode(),
    }
