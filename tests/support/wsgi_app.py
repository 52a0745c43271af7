"""The whole collection as one WSGI application, as it stands behind API Gateway and its authorizer."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from fastapi.routing import APIRoute
from werkzeug.wrappers import Request, Response

from dev.aws.delivery import PathRefusedError, delivered_path
from dev.aws.events import HttpRequest, http_event
from dev.aws.template import Route
from dev.paths import ROOT
from flomastr.caller import Caller
from tests.support.events import Context

ANY_ROUTE = Route("$default", frozenset(), "", None)
FUNCTIONS = sorted((ROOT / "functions").glob("*/handler.py"))
MODULES = [import_module(f"functions.{file.parent.name}.handler") for file in FUNCTIONS]
APPS = [(module.app, module.lambda_handler) for module in MODULES if hasattr(module, "app")]
ROUTES = [(route, handler) for app, handler in APPS for route in app.routes if isinstance(route, APIRoute)]


class Collection:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}  # by bearer token
        self.requests = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        request = Request(environ)
        path = as_delivered(environ["REQUEST_URI"])
        headers = tuple(request.headers.items())
        asked = HttpRequest(request.method, path, environ["QUERY_STRING"], headers, request.get_data())
        event = http_event(asked, ANY_ROUTE, {})
        caller = self.callers.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if caller:
            event["requestContext"]["authorizer"] = {"lambda": caller.model_dump(exclude_none=True)}
        answer = handler_of(path)(event, Context())
        return Response(answer.get("body"), answer["statusCode"], answer["headers"])(environ, start_response)


def as_delivered(sent: str) -> str:
    try:
        return delivered_path(sent)
    except PathRefusedError:  # which API Gateway answers in words of its own
        return unquote(sent)


def handler_of(path: str) -> Any:
    for route, handler in ROUTES:
        if route.path_regex.match(path):
            return handler
    return import_module("functions.openapi.handler").lambda_handler
