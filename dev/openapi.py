"""The OpenAPI document of the whole collection, built from the code of its functions."""

import json
import sys
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

ROOT = Path(__file__).parent.parent
LAYER = str(ROOT / "layers/flomastr")
DOCUMENT = ROOT / "functions/openapi/openapi.json"

type Json = dict[str, Any]

DESCRIPTION = """\
Workflows and their executions, for the tenants of FloMastr.

Sign in with a bearer token or an API key. A request acts in one tenant: `tenant_id` in its query or body, else the
`X-Tenant` header, else the only tenant that you belong to. Rows of other tenants answer 404, like rows that never were.

Lists are newest first; a `Link` header leads to the next page. Every single resource has an `ETag`: in `If-Match` it
lets a write happen to this state and no other, in `If-None-Match` it asks for news only. A POST with an
`Idempotency-Key` happens once, however often it is sent. Errors are `application/problem+json`.
"""
BEARER = {"type": "http", "scheme": "bearer", "description": "A person's JWT, or a machine's API key: `flo_live_...`."}
HEADERS = {
    "ETag": "The state of the resource.",
    "Link": 'The next page: `<path>; rel="next"`. Not on the last one.',
    "Location": "The path of the resource.",
    "Retry-After": "Seconds to wait before the request is repeated.",
    "X-Total-Count": "How many there are on all pages. With `Prefer: count=exact` only.",
}
NOT_ALWAYS = {"Link", "X-Total-Count"}
REFUSALS = {
    400: "The request cannot be understood, or names no tenant where you belong to several.",
    401: "You are not signed in, or your API key is no longer valid.",
    403: "You may not do this.",
    404: "There is no such thing for you: no such resource, or no such tenant.",
    412: "The resource has changed since you read it.",
    413: "The body is too large.",
    422: "A value is invalid: `errors` names the field.",
    503: "The database cannot be reached at the moment. Repeat the request.",
}
IN_A_TENANT = {400, 401, 403, 404, 503}
BY_GATEWAY = {401, 403, 413}  # API Gateway may refuse before a function runs, in words of its own


def write() -> None:
    """Bring the document that is served to what the code says."""
    DOCUMENT.write_text(rendered(document()))


def rendered(content: Json) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def document() -> Json:
    """One document for every function that has an application."""
    if LAYER not in sys.path:
        sys.path.append(LAYER)
    paths: Json = {}
    schemas = _shared_schemas()
    for app in _apps():
        part = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _merge(paths, part["paths"])
        _merge(schemas, part["components"]["schemas"])
    operations = [(method, operation) for path in paths.values() for method, operation in path.items()]
    for method, operation in operations:
        _complete(method, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "FloMastr data platform", "version": "1", "description": DESCRIPTION},
        "paths": _untitled(paths)
        | {
            "/routes/openapi.json": _file("openapi", "application/json", {"type": "object"}),
            "/routes/docs": _file("docs", "text/html", {"type": "string"}),
        },
        "components": {
            "headers": {name: _header(name) for name in HEADERS},
            "responses": {str(status): _refusal(status, told) for status, told in REFUSALS.items()},
            "schemas": _untitled({name: s for name, s in schemas.items() if not name.endswith("ValidationError")}),
            "securitySchemes": {"bearer": BEARER},
        },
    }


def _apps() -> Iterator[FastAPI]:
    groups = {handler.parent.name for handler in ROOT.glob("functions/*/handler.py")} - {DOCUMENT.parent.name}
    for group in sorted(groups):
        app = getattr(import_module(f"functions.{group}.handler"), "app", None)
        if app:
            yield app


def _shared_schemas() -> Json:
    from flomastr.fields import Message
    from flomastr.http import Problem

    _, described = models_json_schema(
        [(Problem, "serialization"), (Message, "serialization")], ref_template="#/components/schemas/{model}"
    )
    return described["$defs"]


def _merge(into: Json, part: Json) -> None:
    for name, value in part.items():
        if into.setdefault(name, value) != value:
            raise ValueError(f"Two functions describe {name} differently: rename one of them.")


def _complete(method: str, operation: Json) -> None:
    """Adds what follows from the operation's parameters, so that no route has to say it."""
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _never_null(parameter["schema"])
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    responses: Json = operation["responses"]
    for status, response in responses.items():
        if status < "300":
            response["headers"] = _headers(*_sent(method, names, responses))
            if response["description"] == "Successful Response":  # FastAPI's, where a route says nothing
                response["description"] = HTTPStatus(int(status)).phrase
        else:
            response["content"] = _problem(int(status))
    if "x-tenant" in names:
        operation["security"] = [{"bearer": []}]
    if "if-none-match" in names:
        responses["304"] = {"description": "Nothing has changed.", "headers": _headers("ETag")}
    for status in _refusals(names, operation):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}


def _sent(method: str, names: set[str], responses: Json) -> tuple[str, ...]:
    if "cursor" in names:
        return ("Link", "X-Total-Count")
    if "201" in responses:
        return ("ETag", "Location")
    if names & {"if-match", "if-none-match"} and method != "delete":
        return ("ETag",)
    return ()


def _refusals(names: set[str], operation: Json) -> set[int]:
    implied = {
        422: "422" in operation["responses"],
        413: "requestBody" in operation,
        412: "if-match" in names,
        **dict.fromkeys(IN_A_TENANT, "x-tenant" in names),
    }
    return {status for status, is_implied in implied.items() if is_implied}


def _file(name: str, content_type: str, schema: Json) -> Json:
    """Served by the openapi function, which has no application to ask."""
    served = {"description": "This document.", "content": {content_type: {"schema": schema}}}
    return {"get": {"operationId": f"get_{name}", "tags": ["documentation"], "responses": {"200": served}}}


def _never_null(schema: Json) -> Json:
    """A parameter is there or not: no text in a URL or a header means null."""
    match schema:
        case {"anyOf": [value, {"type": "null"}], **rest}:
            return {**value, **rest}
        case _:
            return schema


def _refusal(status: int, description: str) -> Json:
    headers = _headers("Retry-After") if status == 503 else {}
    return {"description": description, "content": _problem(status), "headers": headers}


def _problem(status: int) -> Json:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    message = {"application/json": {"schema": {"$ref": "#/components/schemas/Message"}}}
    return problem | message if status in BY_GATEWAY else problem


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str) -> Json:
    return {"description": HEADERS[name], "required": name not in NOT_ALWAYS, "schema": {"type": "string"}}


def _untitled(node: Any) -> Any:
    """Without pydantic's titles, which repeat the names. A field that is called title has a schema, not a text."""
    if isinstance(node, list):
        return [_untitled(value) for value in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    named = cast("Json", node)
    return {name: _untitled(value) for name, value in named.items() if name != "title" or isinstance(value, dict)}
