"""The OpenAPI document of the whole collection, built from the code of its functions."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from dev.docs.openapi_texts import BEARER, HEADERS, INFO, REFUSALS, SERVERS, SIGNATURE, TOO_MANY
from dev.docs.routes import ROOT, applications, dependency_of, is_limited, routes_of, scope_of, summary_of, weight_of

DOCUMENT = ROOT / "functions/openapi/openapi.json"

type Json = dict[str, Any]

UNNAMED = {"HTTPValidationError", "ValidationError", "Unread"}  # which no operation refers to
SIGNED = {"events:write"}  # the scopes of routes that take a signature instead of a token
NOT_ALWAYS = {"Flo-Consistency", "Link", "RateLimit", "RateLimit-Policy", "X-Total-Count"}
LIMITS = ("RateLimit", "RateLimit-Policy")
WAITS = {429: ("Retry-After", *LIMITS), 503: ("Retry-After",)}
BY_GATEWAY = {401, 403, 413, 429, 503}  # API Gateway may refuse before a function runs, in words of its own


def write() -> None:
    """Bring the document that is served to what the code says."""
    DOCUMENT.write_text(rendered(document()))


def rendered(content: Json) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def document() -> Json:
    """One document for every function that has an application."""
    apps = list(applications())
    paths: Json = {}
    schemas = _shared_schemas()
    for app in apps:
        part = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _merge(paths, part["paths"])
        _merge(schemas, part.get("components", {}).get("schemas", {}))
    for route in (route for app in apps for route in routes_of(app)):
        for method in route.methods or ():
            _complete(route, paths[route.path][method.lower()], schemas)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": SERVERS,
        "tags": _tags(apps),
        "paths": _untitled(paths)
        | {
            "/routes/openapi.json": _file("openapi", "application/json", {"type": "object"}),
            "/routes/docs": _file("docs", "text/html", {"type": "string"}),
        },
        "components": {
            "headers": {name: _header(name) for name in HEADERS},
            "responses": {str(status): _refusal(status, text) for status, text in REFUSALS.items()},
            "schemas": _untitled({name: schema for name, schema in schemas.items() if name not in UNNAMED}),
            "securitySchemes": {"bearer": BEARER, "signature": SIGNATURE},
        },
    }


def _tags(apps: list[FastAPI]) -> list[Json]:
    """A group says what the functions that make it say of themselves."""
    groups: dict[str, list[str]] = {"documentation": ["This document."]}
    for app in apps:
        own = import_module(routes_of(app)[0].endpoint.__module__).__doc__ or ""
        groups.setdefault(str(app.router.tags[0]), []).append(own)
    return [{"name": name, "description": "\n".join(texts)} for name, texts in sorted(groups.items())]


def _shared_schemas() -> Json:
    from flomastr.http.fields import Message
    from flomastr.http.problems import Problem

    _, described = models_json_schema(
        [(Problem, "serialization"), (Message, "serialization")], ref_template="#/components/schemas/{model}"
    )
    return described["$defs"] | {"Refusal": _refused(described["$defs"]["Problem"])}


def _refused(problem: Json) -> Json:
    """One schema for what a function and for what API Gateway says, for clients that look at the status alone."""
    message = {"type": "string", "description": "In place of all else, where API Gateway refuses."}
    return {"type": "object", "properties": problem["properties"] | {"message": message}}


def _merge(into: Json, part: Json) -> None:
    for name, value in part.items():
        if into.setdefault(name, value) != value:
            raise ValueError(f"Two functions describe {name} differently: rename one of them.")


def _complete(route: APIRoute, operation: Json, schemas: Json) -> None:
    """Adds what follows from the operation's scope and parameters, so that no route has to say it."""
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _never_null(parameter["schema"])
    scope, names = scope_of(route), _names(operation, schemas)
    responses: Json = operation["responses"]
    for status, response in responses.items():
        if status < "300":
            response["headers"] = _headers(*_sent(route, scope, names))
            if response["description"] == "Successful Response":  # FastAPI's, where a route says nothing
                response["description"] = HTTPStatus(int(status)).phrase
        else:
            response["content"] = _problem(int(status))
    operation["summary"] = summary_of(route)
    operation.setdefault("description", f"{operation['summary']}.")
    operation["security"] = _security(scope)
    if scope:
        operation["x-scope"] = scope
        operation |= {"x-weight": weight} if (weight := weight_of(route)) else {}
    else:
        responses["429"] = TOO_MANY
    if "if-none-match" in names and "if-match" not in names:
        responses["304"] = {"description": "Nothing has changed.", "headers": _headers("ETag")}
    for status in _refusals(route, names, operation):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}


def _security(scope: str | None) -> list[Json]:
    """How a caller says who it is. Its scope is `x-scope`: only OAuth has scopes here that all tools know."""
    if scope is None:
        return []
    return [{"bearer": []}, *([{"signature": []}] if scope in SIGNED else [])]


def _names(operation: Json, schemas: Json) -> set[str]:
    """Of the parameters, and of the tenant where the body names one."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    described = schemas.get(body.get("$ref", "").rpartition("/")[2], body)
    return names | ({"tenant_id"} & described.get("properties", {}).keys())


def _sent(route: APIRoute, scope: str | None, names: set[str]) -> Iterator[str]:
    if is_limited(scope):
        yield from LIMITS
    if "cursor" in names:
        yield from ("Link", "X-Total-Count")
    if _is_tagged(route):
        yield "ETag"
    if scope and not scope.endswith(":read"):
        yield "Flo-Consistency"
    if _is_tagged(route) and route.status_code == 201:
        yield "Location"


def _is_tagged(route: APIRoute) -> bool:
    from flomastr.http.etags import Versioned

    return isinstance(route.response_model, type) and issubclass(route.response_model, Versioned)


def _refusals(route: APIRoute, names: set[str], operation: Json) -> set[int]:
    scope, in_path = scope_of(route), any(p["in"] == "path" for p in operation.get("parameters", []))
    implied = {
        400: dependency_of(route) in ("in_tenant", "in_tenant_by_replica")
        or "cursor" in names
        or "requestBody" in operation,
        **dict.fromkeys((401, 403, 503), scope is not None),
        404: in_path or ("tenant_id" in names and scope not in SIGNED),  # a machine's tenant is its key's
        412: "if-match" in names,
        **dict.fromkeys((413, 415), "requestBody" in operation),
        422: "422" in operation["responses"],
        429: is_limited(scope),
    }
    return {status for status, is_implied in implied.items() if is_implied}


def _file(name: str, content_type: str, schema: Json) -> Json:
    """Served by the openapi function, which has no application to ask."""
    served = {"description": "This document.", "content": {content_type: {"schema": schema}}}
    return {
        "get": {
            "operationId": f"get_{name}",
            "summary": served["description"],
            "description": served["description"],
            "tags": ["documentation"],
            "security": [],
            "responses": {"200": served, "429": TOO_MANY},
        }
    }


def _never_null(schema: Json) -> Json:
    """A parameter is sent or not: no text in a URL or a header means null."""
    match schema:
        case {"anyOf": [value, {"type": "null"}], **rest}:
            return {**value, **rest}
        case _:
            return schema


def _refusal(status: int, description: str) -> Json:
    headers = _headers(*WAITS.get(status, ()))
    return {"description": description, "content": _problem(status), "headers": headers}


def _problem(status: int) -> Json:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    either = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return either | problem if status in BY_GATEWAY else problem


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
