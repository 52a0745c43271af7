"""API Gateway's part: HTTP in, the template's route, its authorizer, its function, HTTP out."""

import json
import re
from base64 import b64decode
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from dev.aws.authorizer import Gatekeeper, Invoke, RefusedError
from dev.aws.delivery import PathRefusedError, delivered_path
from dev.aws.events import Event, HttpRequest, http_event
from dev.aws.sandbox import EventTooLargeError, FunctionFailedError, FunctionTimedOutError
from dev.aws.template import Route
from dev.console import console

BODY_BYTES = 10 * 1024 * 1024
ESCAPED_VARIABLE = re.compile(r"\\\{(\w+)(\\\+)?\\\}")


class Gateway:
    """An ASGI application that serves the template's routes."""

    def __init__(self, routes: Iterable[Route], invoke: Invoke) -> None:
        self._invoke = invoke
        self._gatekeeper = Gatekeeper(invoke)
        self._routes = [(_pattern(route.path), route) for route in sorted(routes, key=_breadth)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._serve(await _read(request))
        except RefusedError as refused:
            return _message(refused.status, refused.message)
        except PathRefusedError:
            return _message(400, "Bad Request")
        except EventTooLargeError:
            return _message(413, "Request Entity Too Large")
        except FunctionFailedError as failure:
            console.print(str(failure), markup=False)
            if isinstance(failure, FunctionTimedOutError):
                return _message(503, "Service Unavailable")
            return _message(500, "Internal Server Error")

    async def _serve(self, request: HttpRequest) -> Response:
        route, parameters = self.find(request)
        event = http_event(request, route, parameters)
        if route.authorizer:
            event = await self._gatekeeper.admit(route.authorizer, event)
        try:
            answer = await self._invoke(route.function, json.dumps(event, ensure_ascii=False).encode())
            response = _response(json.loads(answer), route)
        except FunctionFailedError as failure:  # the path itself names people and sessions
            raise type(failure)(f"{route.key}: {failure}") from failure
        response.headers["apigw-requestid"] = event["requestContext"]["requestId"]
        return response

    def find(self, request: HttpRequest) -> tuple[Route, dict[str, str]]:
        """The route that serves it, and what its variables stand for. Raises RefusedError."""
        for pattern, route in self._routes:
            found = pattern.fullmatch(request.path)
            if found and request.method in route.methods:
                return route, found.groupdict()
        raise RefusedError(404, "Not Found")


def _breadth(route: Route) -> tuple[int, int, int]:
    """The narrower path is tried first: a literal one, then variables, then a greedy variable."""
    return route.path.count("+}"), route.path.count("{"), -len(route.path)


def _pattern(path: str) -> re.Pattern[str]:
    def group(variable: re.Match[str]) -> str:
        return f"(?P<{variable[1]}>{'.+' if variable[2] else '[^/]+'})"

    return re.compile(ESCAPED_VARIABLE.sub(group, re.escape(path)), re.DOTALL)


async def _read(request: Request) -> HttpRequest:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise EventTooLargeError
    return HttpRequest(
        method=request.method,
        path=delivered_path(request.scope["raw_path"].decode("latin-1")),
        query=request.url.query,
        headers=tuple(request.headers.items()),
        body=bytes(body),
        client=request.client.host if request.client else "",
    )


def _response(answer: Event, route: Route) -> Response:
    match answer:
        case {"statusCode": int(status)}:
            response = Response(_body(answer), status)
        case _:
            raise FunctionFailedError(f"{route.function} answered without a statusCode")
    for name, value in answer.get("headers", {}).items():
        if name.lower() != "content-length":
            response.headers[name] = str(value)
    for cookie in answer.get("cookies", []):
        response.headers.append("set-cookie", cookie)
    return response


def _body(answer: Event) -> bytes:
    body = answer.get("body") or ""
    return b64decode(body) if answer.get("isBase64Encoded") else body.encode()


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
