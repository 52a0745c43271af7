"""Every operation of every function, so that tests that walk them meet a new route by themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastapi.routing import APIRoute

from dev.paths import ROOT
from flomastr.caller import Caller
from tests.support.events import Answer, call

SAMPLES: dict[str, Any] = {  # what must have a form that its type does not say
    "email": "new@example.com",
    "owner_email": "new@example.com",
    "slug": "new-tenant",
    "tenant_slug": "new-tenant",
    "confirm": "new-tenant",
    "url": "https://hooks.example.com/flomastr",
    "api_key": "n8n-key",
    "n8n_url": "https://n8n.example.com",
    "brand_primary": "#123456",
    "logo_svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "last_at": "2026-02-02T03:04:05Z",  # later than any other
    "embedding_model": "model-b",
    "time_zone": "Europe/Berlin",
    "media_type": "application/pdf",
    "expires_at": "2999-01-02T03:04:05Z",
}

IN_QUERY = SAMPLES | {"metadata": '{"year": 2024}'}
LISTS = {"row_ids": "execution_id", "knowledge_base_ids": "knowledge_base_id"}
FILE = "application/octet-stream"

type Names = Mapping[str, str | None]  # what a request may call things by: workflow_id, n8n_execution_id, slug, ...


@dataclass(frozen=True)
class Operation:
    handler: Any
    method: str
    path: str
    dependency: str  # of http.dependencies: in_tenant, in_tenant_of_path, without_tenant, ...
    scope: str
    parameters: list[dict[str, Any]]
    content_type: str
    body: dict[str, Any] | None
    schemas: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def required(self) -> list[str]:
        """What the query must name."""
        return [p["name"] for p in self.parameters if p["in"] == "query" and p["required"]]

    def ask(
        self, caller: Caller | None, names: Names, named_in: str = "nothing", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """With every parameter that names something, and the tenant named in the query, a header or the body."""
        query = {p["name"]: names[p["name"]] for p in self.parameters if p["in"] == "query" and p["name"] in names}
        query |= {name: IN_QUERY[name] for name in self.required if name not in names}
        tenant = query.pop("tenant_id", None)
        return call(
            self.handler,
            self.method,
            self.path.format_map(names),
            caller=caller,
            query=query | ({"tenant_id": tenant} if named_in == "query" else {}),
            headers={
                "content-type": self.content_type,
                **(headers or {}),
                **({"x-tenant": str(names["tenant_id"])} if named_in == "header" else {}),
            },
            body=self.fill(self.body, self.named_in_body(names, named_in)) if self.body else None,
        )

    def named_in_body(self, names: Names, named_in: str) -> Names:
        """On the platform a body names the tenant that is meant, elsewhere the one to act in."""
        return names if named_in == "body" or self.dependency == "without_tenant" else {**names, "tenant_id": None}

    def fill(self, schema: Mapping[str, Any], names: Names, name: str = "") -> Any:
        """A value of the schema, with every field in it."""
        if name in names or name in SAMPLES:
            return names.get(name, SAMPLES.get(name))
        if "$ref" in schema:
            return self.fill(self.schemas[schema["$ref"].rsplit("/")[-1]], names, name)
        if "properties" in schema:
            fields = schema["properties"]
            first, *rest = schema.get("oneOf", [{}])  # the first one is taken
            others = {name for other in rest for name in other["required"]} - {*first.get("required", [])}
            bounds = schema.get("anyOf", [{}])[0].get("properties", {})
            others |= {name for name, bound in bounds.items() if bound == {"type": "null"}}
            return {name: self.fill(field, names, name) for name, field in fields.items() if name not in others}
        if name in LISTS:
            return [names.get(LISTS[name])]
        if "anyOf" in schema:
            return self.fill(schema["anyOf"][0], names)
        if schema.get("type") == "array":
            return [self.fill(schema["items"], names)]
        text = schema.get("enum", ["2026-01-02T03:04:05Z" if schema.get("format") == "date-time" else "text"])[0]
        simple: dict[str, Any] = {
            "string": text,
            "boolean": True,
            "integer": schema.get("minimum", 1),
            "number": 0.5,
            "object": {},
        }
        return simple[schema.get("type", "string")]


def operations() -> Iterator[Operation]:
    for file in sorted((ROOT / "functions").glob("*/handler.py")):
        module = import_module(f"functions.{file.parent.name}.handler")
        if hasattr(module, "app"):
            yield from operations_of(module)


def operations_of(module: Any) -> Iterator[Operation]:
    document = module.app.openapi()
    schemas = document.get("components", {}).get("schemas", {})
    for route in module.app.routes:
        if not isinstance(route, APIRoute):
            continue
        (method,) = route.methods or set[str]()
        described = document["paths"][route.path][method.lower()]
        content = described.get("requestBody", {}).get("content", {})
        is_file = FILE in content
        yield Operation(
            module.lambda_handler,
            method,
            route.path,
            *dependency_and_scope(route),
            described.get("parameters", []),
            "text/plain" if is_file else "application/json",
            content.get(FILE if is_file else "application/json", {}).get("schema"),
            schemas,
        )


def dependency_and_scope(route: APIRoute) -> tuple[str, str]:
    """The dependency that authorizes the request, and its scope. Open routes have neither."""
    for dependency in route.dependant.dependencies:
        if dependency.own_oauth_scopes:
            (scope,) = dependency.own_oauth_scopes
            return getattr(dependency.call, "__name__", ""), scope
    return "", ""


OPERATIONS = list(operations())
