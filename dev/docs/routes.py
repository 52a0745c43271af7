"""Every route as the code of the functions has it, and docs/reference/endpoints.md, the table of them."""

from collections.abc import Iterator
from importlib import import_module

from fastapi import FastAPI
from fastapi.routing import APIRoute

from dev.paths import ROOT

INTRODUCTION = """\
# Endpoints

`python -m dev docs` generates this page from the routes of `functions/`.

The column "who" names the scope that a caller needs. `open` needs no caller, `signed in` needs a person, `super admins`
needs that role. [Roles and scopes](roles-and-scopes.md) says which role has which scope, and
[HTTP conventions](http-conventions.md) says what holds on every route. The platform serves the full contract at
`/routes/openapi.json`, and a page to read it at `/routes/docs`. "Weight" is what a request takes of the
[rate limit](http-conventions.md#rate-limits); its body adds to it.
"""


def applications() -> Iterator[FastAPI]:
    """Of the functions that have one."""
    for handler in sorted(ROOT.glob("functions/*/handler.py")):
        app = getattr(import_module(f"functions.{handler.parent.name}.handler"), "app", None)
        if app:
            yield app


def routes_of(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute)]


def scope_of(route: APIRoute) -> str | None:
    """The scope that a caller needs. None is open to everyone."""
    return dependency_and_scope_of(route)[1]


def dependency_of(route: APIRoute) -> str:
    """The name of the dependency that authorizes the request: in_tenant, without_tenant, ..."""
    return dependency_and_scope_of(route)[0]


def dependency_and_scope_of(route: APIRoute) -> tuple[str, str | None]:
    for dependency in route.dependant.dependencies:
        for scope in dependency.own_oauth_scopes or ():
            return getattr(dependency.call, "__name__", ""), scope
    return "", None


def is_limited(scope: str | None) -> bool:
    from flomastr.database.access import UNCOUNTED  # only where the layer can be found, see find_layer

    return scope is not None and not scope.startswith(UNCOUNTED)


def weight_of(route: APIRoute) -> int | None:
    """What a request costs, in requests. None is not counted."""
    from flomastr.http.weights import WEIGHTS

    return WEIGHTS.get(route.name, 1) if is_limited(scope_of(route)) else None


def summary_of(route: APIRoute) -> str:
    return route.name.replace("_", " ").capitalize().replace(" api ", " API ")


def page() -> str:
    return f"{INTRODUCTION}\n{table()}"


def table() -> str:
    rows = ["| method and path | who | weight | what it does |", "| --- | --- | --- | --- |"]
    rows += [row for app in applications() for route in routes_of(app) for row in rows_of(route)]
    rows += [f"| `GET {path}` | open | | This description of all routes |" for path in documentation_paths()]
    return "\n".join(rows) + "\n"


def rows_of(route: APIRoute) -> Iterator[str]:
    summary = ": ".join(filter(None, (summary_of(route), route.description.partition("\n")[0].rstrip("."))))
    for method in sorted(route.methods or ()):
        yield f"| `{method} {route.path}` | {who(scope_of(route))} | {weight_of(route) or ''} | {summary} |"


def who(scope: str | None) -> str:
    """Whom a scope means, in a word where it means a kind of people."""
    match (scope or "").partition(":"):
        case ("", _, _):
            return "open"
        case ("me", _, _):
            return "signed in"
        case ("platform", _, _):
            return "super admins"
        case _:
            return f"`{scope}`"


def documentation_paths() -> list[str]:
    """By the openapi function, which has no application to ask."""
    return sorted(import_module("functions.openapi.handler").SERVED)
