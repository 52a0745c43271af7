"""The document: what is served is what the code says, and the page that shows it loads nothing else."""

import asyncio
import json
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from dev.aws.gateway import Gateway
from dev.aws.template import read_template
from dev.docs.openapi import DOCUMENT, document, rendered
from dev.docs.pages import REFERENCE
from dev.docs.routes import applications, routes_of
from dev.paths import ROOT
from flomastr.http.patterns import REFUSALS
from functions.openapi.handler import SERVED, lambda_handler
from tests.support.events import Answer, call

TEMPLATE = read_template()
ADMINISTERING = ("members:write", "tenant:write", "tenant:delete")  # beside whole nouns: never counted
OPERATIONS = {
    (method, path): operation for path, methods in document()["paths"].items() for method, operation in methods.items()
}


def ask(path: str, method: str = "GET") -> Answer:
    return call(lambda_handler, method, path)


def test_the_document_that_is_served_is_the_one_that_the_code_makes() -> None:
    assert DOCUMENT.read_text() == rendered(document()), "Run `python -m dev openapi`."
    answer = ask("/routes/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == document()


def test_every_route_is_described_under_a_name_of_its_own_and_stands_in_the_reference() -> None:
    routes = [route for app in applications() for route in routes_of(app)]
    in_code = {(method.lower(), route.path) for route in routes for method in route.methods or ()}
    assert OPERATIONS.keys() == in_code | {("get", path) for path in SERVED}
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(OPERATIONS) >= 63
    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \|", (REFERENCE / "endpoints.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(f"{method.upper()} {path}" for method, path in OPERATIONS)


def test_what_no_pattern_allows_is_explained_in_words() -> None:
    patterns = re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', rendered(document()))
    assert {json.loads(pattern) for pattern in patterns} == REFUSALS.keys()


def test_what_is_open_to_everyone_is_what_the_template_opens() -> None:
    """Requests that may be signed pass the gateway, and their function says whose they are."""
    opened = {route.path for route in TEMPLATE.routes if route.authorizer is None}
    for (_, path), operation in OPERATIONS.items():
        is_signed = any("signature" in way for way in operation.get("security", []))
        assert ("x-scope" not in operation or is_signed) == (path in opened), path


def test_every_route_names_its_methods_and_open_ones_have_head() -> None:
    """A route for any method would ask the authorizer for each preflight."""
    assert all(len(route.methods) == 1 for route in TEMPLATE.routes)
    opened = {(route.path, *route.methods) for route in TEMPLATE.routes if route.authorizer is None}
    assert {path for path, method in opened if method == "GET"} == {p for p, method in opened if method == "HEAD"} == {
        "/routes/health", "/routes/health/ready", "/routes/openapi.json", "/routes/docs",
        "/", "/console", "/console/{proxy+}",
    }  # fmt: skip


def asked(method: str, path: str) -> str:
    """The folder of the function that API Gateway asks."""
    sent: list[Any] = []

    async def invoke(function: str, _event: bytes) -> bytes:
        return json.dumps({"isAuthorized": True, "statusCode": 200, "body": function}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    request = {"type": "http", "method": method.upper(), "path": path, "raw_path": path.encode(), "query_string": b""}
    caller = {"headers": [(b"authorization", b"Bearer me"), (b"host", b"api.test")], "client": None}
    asyncio.run(Gateway(TEMPLATE.routes, invoke)(request | caller, receive, send))
    return TEMPLATE.functions[sent[-1]["body"].decode()].folder.name


def test_the_template_sends_every_operation_to_the_function_that_has_it() -> None:
    has = {
        (method.lower(), route.path): route.endpoint.__module__.split(".")[1]
        for app in applications()
        for route in routes_of(app)
        for method in route.methods or ()
    }
    has |= {("get", path): "openapi" for path in SERVED}
    assert {(method, path): asked(method, re.sub(r"{\w+}", "x", path)) for method, path in OPERATIONS} == has


def test_every_reference_leads_somewhere() -> None:
    described = document()
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(described))):
        found = described
        for step in reference.split("/"):
            found = found[step]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation["operationId"])
def test_an_operation_names_the_headers_and_refusals_that_follow_from_its_scope_and_parameters(
    operation: dict[str, Any],
) -> None:
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    responses, scope = operation["responses"], operation.get("x-scope", "")
    is_limited = bool(scope) and not scope.startswith("platform:")
    assert ("304" in responses) == ("if-none-match" in names and "if-match" not in names)
    assert ("412" in responses) == ("if-match" in names)
    assert ("413" in responses) == ("requestBody" in operation)
    assert {"401", "403", "503"} <= responses.keys() if scope else not {"401", "403"} & responses.keys()
    assert ("429" in responses) == (is_limited or not scope)  # what is open is limited by API Gateway alone
    for status in ("200", "201", "202"):
        assert ("RateLimit" in responses.get(status, {}).get("headers", {})) == (status in responses and is_limited)


def test_the_page_may_run_its_own_script_and_load_nothing_from_elsewhere() -> None:
    answer = ask("/routes/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self';")
    for tag in ("script", "style"):
        (inline,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.body, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'" in policy
    assert not re.findall(r"https?://|(?:src|srcset)=|@import|url\(| on\w+=\"| style=\"", answer.body)


@pytest.mark.parametrize("path", ["/routes/openapi.json", "/routes/docs"])
def test_it_can_only_be_read(path: str) -> None:
    answer = ask(path, "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "This can only be read: use GET.",
        "code": "method_not_allowed",
        "request_id": "request-1",
        "errors": [],
    }


@pytest.mark.parametrize("command", ["openapi", "docs"])
def test_the_commands_that_write_documents_find_the_layer_by_themselves(command: str) -> None:
    before = DOCUMENT.read_text()
    subprocess.run([sys.executable, "-m", "dev", command], cwd=ROOT, env={}, check=True)
    assert DOCUMENT.read_text() == before
