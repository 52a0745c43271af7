"""Large rows: repeated deliveries of large executions, and pages that stay below the limit of a response."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from functions.events.handler import lambda_handler as events
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import call
from tests.support.factories import Factory


def test_a_thousand_repeats_of_a_large_execution_cost_it_once(make: Factory) -> None:
    tenant = make.tenant()
    headers = {"authorization": f"Bearer {make.api_key(tenant).token()}"}
    small = {"id": "1", "workflowId": "wf-1", "status": "success"}
    large = small | {"data": {"text": ["x" * 100] * 45_000}}
    for body in ([large], [small] * 1_000, [large, *[small] * 60]):
        answer = call(events, "POST", "/routes/n8n/events", body=body, headers=headers)
        assert answer.status == 202, answer.body
        assert {result["outcome"] for result in answer.json["results"][1:]} <= {"unchanged"}


@pytest.mark.parametrize("metadata", [{"x": "x" * 249_000}, {"x": [1] * 83_000}], ids=["texts", "numbers"])
def test_a_list_ends_where_the_metadata_of_its_workflows_weigh_four_megabytes(
    make: Factory, metadata: dict[str, Any]
) -> None:
    """Postgres writes numbers with more bytes than the answer does."""
    tenant = make.tenant()
    for _ in range(25):
        make.within(
            tenant.id,
            "INSERT INTO app.workflows (name, metadata) VALUES ('Heavy', %(metadata)s)",
            {"metadata": Jsonb(metadata)},
        )
    seen: list[str] = []
    path: str | None = "/routes/workflows?limit=250"
    while path:
        answer = call(workflows, "GET", path, caller=tenant.owner)
        assert len(answer.body) < 4_500_000
        seen += [workflow["id"] for workflow in answer.json]
        path = answer.headers["link"].split(">")[0][1:] if "link" in answer.headers else None
    assert len(seen) == len(set(seen)) == 25
