"""What API Gateway sends to a function, and what it makes of the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dev.aws.delivery import PathRefusedError, delivered_body, delivered_path
from flomastr.caller import Caller


@dataclass
class Context:
    """Lambda's second argument."""

    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:test"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    left_ms: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def http_event(
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    caller: Caller | None = None,
) -> dict[str, Any]:
    """Payload format 2.0. `path` is percent-encoded, as clients send it; a body that is no text is sent as JSON."""
    path, _, search = path.partition("?")
    path = delivered_path(path)
    sent = {"host": "api.test", "content-type": "application/json", **(headers or {})}
    authorizer = {"authorizer": {"lambda": caller.model_dump(exclude_none=True)}} if caller else {}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(filter(None, (search, urlencode(query or {})))),
        "headers": sent,
        "requestContext": {
            "requestId": "request-1",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "stage": "$default",
            **authorizer,
        },
        **delivered_body(as_sent(body), sent["content-type"]),
    }


def as_sent(body: Any) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def call(handler: Any, method: str, path: str, *, context: Context | None = None, **request: Any) -> Answer:
    try:
        event = http_event(method, path, **request)
    except PathRefusedError:
        return Answer(400, {}, '{"message":"Bad Request"}')
    response = handler(event, context or Context())
    return Answer(response["statusCode"], response.get("headers", {}), response.get("body") or "")
