"""The document: what is served is what the code says, and the page that shows it loads nothing else."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from dev.openapi import DOCUMENT, document, rendered
from dev.template import read_template
from functions.openapi.handler import lambda_handler
from tests.events import Answer, call

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


def test_every_route_is_described() -> None:
    assert {f"{method.upper()} {path}" for method, path in OPERATIONS} == {
        "GET /routes/workflows",
        "POST /routes/workflows",
        "GET /routes/workflows/{workflow_id}",
        "PUT /routes/workflows/{workflow_id}",
        "DELETE /routes/workflows/{workflow_id}",
        "GET /routes/workflows/{workflow_id}/executions",
        "GET /routes/workflow-executions",
        "POST /routes/workflow-executions",
        "POST /routes/workflow-executions/batch",
        "GET /routes/workflow-executions/stats/summary",
        "GET /routes/workflow-executions/{execution_id}",
        "PUT /routes/workflow-executions/{execution_id}",
        "DELETE /routes/workflow-executions/{execution_id}",
        "GET /routes/health",
        "GET /routes/health/ready",
        "GET /routes/openapi.json",
        "GET /routes/docs",
    }


def test_what_is_open_to_everyone_is_what_the_template_opens() -> None:
    opened = tuple(route.path.removesuffix("{proxy+}") for route in read_template().routes if route.authorizer is None)
    for (_, path), operation in OPERATIONS.items():
        assert ("security" not in operation) == path.startswith(opened), path


def test_every_reference_leads_somewhere() -> None:
    described = document()
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(described))):
        found = described
        for step in reference.split("/"):
            found = found[step]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation["operationId"])
def test_an_operation_names_the_headers_and_refusals_that_follow_from_its_parameters(
    operation: dict[str, Any],
) -> None:
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    responses = operation["responses"]
    assert ("304" in responses) == ("if-none-match" in names)
    assert ("412" in responses) == ("if-match" in names)
    assert ("413" in responses) == ("requestBody" in operation)
    assert ("403" in responses) == ("x-tenant" in names)


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
