"""An HTTP request as API Gateway hands it to a function: payload format 2.0."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from dev.aws.delivery import delivered_body
from dev.aws.template import Route

ACCOUNT = "000000000000"
API = "local"

type Event = dict[str, Any]


@dataclass(frozen=True)
class HttpRequest:
    """As API Gateway serves it: the path decoded, the query as it was sent."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client: str = "127.0.0.1"


def http_event(request: HttpRequest, route: Route, parameters: dict[str, str]) -> Event:
    """The event for the function behind `route`, without an authorizer's context as yet."""
    headers = _joined((name.lower(), value) for name, value in request.headers)
    cookies = [cookie for cookie in headers.pop("cookie", "").split("; ") if cookie]
    present = {
        "cookies": cookies,
        "queryStringParameters": _joined(parse_qsl(request.query, keep_blank_values=True)),
        "pathParameters": parameters,
    }
    return {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(request, route, headers),
        **{name: value for name, value in present.items() if value},
        **delivered_body(request.body, headers.get("content-type", "")),
    }


def authorizer_event(event: Event, identity: tuple[str, ...]) -> Event:
    """The same request as an authorizer sees it: who asks for what, but not the body."""
    path = f"{event['requestContext']['http']['method']}{event['rawPath']}"
    return {
        **{name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")},
        "type": "REQUEST",
        "routeArn": f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{API}/$default/{path}",
        "identitySource": list(identity),
    }


def scheduled_event() -> Event:
    """What EventBridge Scheduler sends where a schedule has no input of its own."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [],
        "detail": "{}",
    }


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values of the same name become one, with commas between."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _context(request: HttpRequest, route: Route, headers: dict[str, str]) -> Event:
    now = datetime.now(UTC)
    return {
        "accountId": ACCOUNT,
        "apiId": API,
        "domainName": headers.get("host", "localhost"),
        "domainPrefix": API,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid4()),
        "routeKey": route.key,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }
