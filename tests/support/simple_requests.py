"""Requests of every kind that is simple: one pipeline each."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

from functions.documents.handler import lambda_handler as documents
from functions.executions.handler import lambda_handler as executions
from functions.knowledge_search.handler import lambda_handler as knowledge_search
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant


def simple_requests(make: Factory) -> dict[str, Callable[[], Answer]]:
    """Of a tenant with 51 workflows, 51 executions and 20 documents."""
    tenant = make.tenant()
    workflow = [make.workflow(tenant) for _ in range(51)][-1]
    execution = [make.execution(tenant, workflow) for _ in range(51)][-1]
    base = make.knowledge_base(tenant)
    for number in range(20):
        make.document(tenant, base, f"d{number}", f"Refunds take {number} days.")
    return requests(tenant, workflow, execution, base)


def requests(tenant: Tenant, workflow: UUID, execution: UUID, base: UUID) -> dict[str, Callable[[], Answer]]:
    fresh = count()

    def by(handler: Any, method: str, path: str, **request: Any) -> Callable[[], Answer]:
        return lambda: call(handler, method, path, caller=tenant.owner, **request)

    def key() -> dict[str, str]:
        return {"idempotency-key": f"key-{next(fresh)}"}

    new_workflow = {"name": "A workflow", "tags": ["orders"], "metadata": {"node": "Webhook"}}
    one_workflow, one_execution = f"/routes/workflows/{workflow}", f"/routes/workflow-executions/{execution}"

    def record(headers: Callable[[], dict[str, str]]) -> Callable[[], Answer]:
        return lambda: call(
            executions, "POST", "/routes/workflow-executions", caller=tenant.owner, headers=headers(),
            body={"workflow_id": str(workflow), "n8n_execution_id": str(next(fresh)), "status": "success"},
        )  # fmt: skip

    def create(headers: Callable[[], dict[str, str]]) -> Callable[[], Answer]:
        return lambda: call(
            workflows, "POST", "/routes/workflows", caller=tenant.owner, headers=headers(), body=new_workflow
        )

    def put_document() -> Answer:
        path = f"/routes/knowledge-bases/{base}/document?name=refunds.md"
        return call(documents, "PUT", path, caller=tenant.owner, body={"content": f"Refund number {next(fresh)}"})

    asked = {"query": "How long do refunds take?"}
    return {
        "GET one workflow": by(workflows, "GET", one_workflow),
        "GET 50 workflows": by(workflows, "GET", "/routes/workflows"),
        "POST workflow": create(dict),
        "POST workflow with key": create(key),
        "PUT workflow": by(workflows, "PUT", one_workflow, body={"name": "Renamed"}),
        "GET one execution": by(executions, "GET", one_execution),
        "GET 50 executions": by(executions, "GET", "/routes/workflow-executions"),
        "POST execution": record(dict),
        "POST execution with key": record(key),
        "PUT document": put_document,
        "POST search": by(knowledge_search, "POST", f"/routes/knowledge/{tenant.slug}/search", body=asked),
        "POST search of words": by(
            knowledge_search, "POST", f"/routes/knowledge/{tenant.slug}/search", body=asked | {"mode": "text"}
        ),
        "PUT execution": by(executions, "PUT", one_execution, body={"error_message": "late"}),
    }
