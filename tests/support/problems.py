"""What a refusal looks like, whatever was wrong."""

from http import HTTPStatus
from typing import Any

from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Tenant

WORKFLOWS, EXECUTIONS = "/routes/workflows", "/routes/workflow-executions"
NO_WORDS = ("Value error", "match pattern")
PROBLEM = {"type", "title", "status", "detail", "code", "request_id", "errors"}


def ask(tenant: Tenant, method: str, path: str, **request: Any) -> Answer:
    handler = executions if path.startswith(EXECUTIONS) else workflows
    return call(handler, method, path, caller=tenant.owner, **request)


def refused(answer: Answer, status: int, *fields: str) -> None:
    """It is a problem as documented, and names these fields."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem.keys() == PROBLEM
    assert (problem["type"], problem["status"], problem["request_id"]) == ("about:blank", status, "request-1")
    assert problem["title"] == HTTPStatus(status).phrase
    assert [error["field"] for error in problem["errors"]] == list(fields)
    messages = [error["message"] for error in problem["errors"]]
    assert all(messages) and not any(leaked in message for leaked in NO_WORDS for message in messages)
    assert all(field in problem["detail"] for field in fields)
    assert not any(word in answer.body for word in ("SELECT", "INSERT", "UPDATE ", "psycopg", "Traceback", "app."))


def nested(depth: int) -> str:
    return '{"x":' * depth + "1" + "}" * depth
