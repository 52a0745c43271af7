"""GET /routes/analytics/nodes: what the data of a workflow's newest executions tells."""

from typing import Any
from uuid import uuid4

import pytest

from flomastr.analytics import nodes
from functions.workflows.handler import lambda_handler as workflows
from tests.support.analytics import ask, at, failed
from tests.support.events import call
from tests.support.factories import Factory, Tenant


def test_real_nodes(loaded: Tenant) -> None:
    rows = call(workflows, "GET", "/routes/workflows", query={"limit": 250}, caller=loaded.owner).json
    answers = [ask(loaded, "nodes", workflow_id=row["id"]).json for row in rows]
    (answer,) = [answer for answer in answers if any(node["node"] == "Reject" for node in answer["nodes"])]
    by_name = {node["node"]: node for node in answer["nodes"]}
    assert answer["nodes"][0] == by_name["Reject"]
    assert (by_name["Reject"]["runs"], by_name["Reject"]["failures"]) == (21, 21)
    assert by_name["Webhook"]["runs"] == answer["executions_read"] == 44
    assert by_name["Webhook"]["failures"] == 0
    assert by_name["Webhook"]["p50_seconds"] <= by_name["Webhook"]["p95_seconds"] < 1


def run_data(*milliseconds: float, failing: int = 0) -> dict[str, Any]:
    runs = [{"executionTime": time, "executionStatus": "success"} for time in milliseconds]
    runs += [{"executionTime": 5, "error": {"message": "no"}}] * failing
    return {"resultData": {"runData": {"Loop": runs}}}


def test_nodes_of_the_newest_executions_with_percentiles(make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    failed(make, tenant, workflow, 0, None, execution_data=run_data(9000))
    failed(make, tenant, workflow, 1, None, execution_data=run_data(*range(1000, 20_000, 1000), failing=1))
    failed(make, tenant, workflow, 2, None, execution_data={"resultData": {"runData": "[flatted]"}})
    failed(make, tenant, workflow, 3, None, execution_data={"resultData": {"runData": {"Odd": {}, "None": [None, 1]}}})
    failed(make, tenant, workflow, 4, None, execution_data=run_data(9000), status="running")
    monkeypatch.setattr(nodes, "MOST_READ", 3)
    answer = ask(tenant, "nodes", workflow_id=workflow).json
    assert (answer["executions_read"], answer["oldest"], answer["newest"]) == (2, at(1), at(3))
    assert answer["nodes"] == [
        {"node": "Loop", "runs": 20, "failures": 1, "p50_seconds": 9.0, "p95_seconds": 18.0},
        {"node": "None", "runs": 2, "failures": 0, "p50_seconds": None, "p95_seconds": None},
    ]
    monkeypatch.setattr(nodes, "MOST_BYTES", 1)  # the newest, whatever its size
    assert ask(tenant, "nodes", workflow_id=workflow).json["executions_read"] == 1


def test_another_tenants_workflow_is_none(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    workflow = make.workflow(other)
    failed(make, other, workflow, 1, None, execution_data=run_data(1))
    assert [ask(tenant, "nodes", workflow_id=id).status for id in (workflow, uuid4())] == [404, 404]
    idle = ask(tenant, "nodes", workflow_id=make.workflow(tenant)).json
    assert (idle["executions_read"], idle["oldest"], idle["nodes"]) == (0, None, [])
    assert ask(tenant, "nodes").status == 422
    assert ask(tenant, "nodes", workflow_id=workflow, **{"from": at(2), "to": at(2)}).status == 422
    assert ask(tenant, "nodes", workflow_id=workflow, time_zone="Mars/Phobos").status == 422


def test_compressed_data_are_read_until_they_have_many_runs(make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    for minute in range(3):
        failed(make, tenant, workflow, minute, None, execution_data=run_data(*[1] * 500))
    monkeypatch.setattr(nodes, "MOST_RUNS", 501)
    assert ask(tenant, "nodes", workflow_id=workflow).json["executions_read"] == 2
    monkeypatch.setattr(nodes, "MOST_RUNS", 500)
    assert ask(tenant, "nodes", workflow_id=workflow).json["executions_read"] == 1


def test_names_are_cut_and_times_beyond_any_clock_are_none(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    data = {"resultData": {"runData": {"N" * 300: [{"executionTime": 10**400}, {"executionTime": 2000}]}}}
    failed(make, tenant, workflow, 1, None, execution_data=data)
    assert ask(tenant, "nodes", workflow_id=workflow).json["nodes"] == [
        {"node": "N" * 255, "runs": 2, "failures": 0, "p50_seconds": 2.0, "p95_seconds": 2.0}
    ]
