"""Lists and summaries of one n8n instance, hot and archived, in one round trip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from functions.archive.handler import lambda_handler as archive_handler
from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.flomastr.archive.conftest import env as made_env
from tests.support.archive_env import ArchiveEnv
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.listing import HISTORY, ask

env = made_env
EXECUTIONS = "/routes/workflow-executions"
WORKFLOWS = "/routes/workflows"


@dataclass(frozen=True)
class Two:
    """Two instances with a workflow each; that of staging failed once, the default one's succeeded twice."""

    tenant: Tenant
    default: UUID
    staging: UUID

    def get(self, path: str, **request: Any) -> Answer:
        handler = workflows if path.startswith(WORKFLOWS) else executions
        return call(handler, "GET", path, caller=self.tenant.owner, **request)


@pytest.fixture
def two(make: Factory) -> Two:
    tenant = make.tenant()
    default = make.workflow(tenant, n8n_workflow_id="wf-1")
    staging = make.workflow(tenant, n8n_workflow_id="wf-1", n8n_instance=make.n8n_instance(tenant, "staging"))
    make.execution(tenant, default, execution_data={"mode": "webhook"})
    make.execution(tenant, staging, status="error", execution_data={"mode": "trigger"})
    make.execution(tenant, default)
    return Two(tenant, default, staging)


@pytest.mark.parametrize("more", ["", "&include_data=true"])
def test_executions_of_an_instance(two: Two, more: str) -> None:
    def found(query: str) -> list[str]:
        answer = two.get(f"{EXECUTIONS}?{query}{more}", headers={"prefer": "count=exact"})
        assert answer.headers["x-total-count"] == str(len(answer.json)), answer.body
        return [row["workflow_id"] for row in answer.json]

    assert found("instance=staging") == [str(two.staging)]
    assert found("instance=default") == [str(two.default)] * 2
    assert found("") == [str(two.default), str(two.staging), str(two.default)]
    assert found("instance=nowhere") == []
    assert found("instance=default&status=error") == []
    assert found(f"instance=staging&workflow_id={two.default}") == []


def test_pages_of_an_instance_go_on(two: Two, make: Factory) -> None:
    first = two.get(f"{EXECUTIONS}?instance=default&limit=1")
    path = first.headers["link"].partition("<")[2].partition(">")[0]
    second = two.get(path)
    assert [row["workflow_id"] for row in second.json] == [str(two.default)] and "link" not in second.headers
    refused = two.get(path.replace("instance=default", "instance=staging"))
    assert (refused.status, refused.json["code"]) == (400, "invalid_cursor")


def test_workflows_tell_their_instance_and_are_listed_by_it(two: Two) -> None:
    listed = {row["id"]: row["instance"] for row in two.get(WORKFLOWS).json}
    assert listed == {str(two.default): "default", str(two.staging): "staging"}
    assert [row["id"] for row in two.get(f"{WORKFLOWS}?instance=staging").json] == [str(two.staging)]
    assert [row["id"] for row in two.get(f"{WORKFLOWS}?instance=default").json] == [str(two.default)]
    assert two.get(f"{WORKFLOWS}?instance=nowhere").json == []
    assert two.get(f"{WORKFLOWS}/{two.staging}").json["instance"] == "staging"
    new = call(workflows, "POST", WORKFLOWS, body={"name": "x"}, caller=two.tenant.owner)
    assert new.json["instance"] == "default"


def test_a_summary_of_an_instance(two: Two) -> None:
    def counts(query: str) -> tuple[int, int]:
        summary = two.get(f"{EXECUTIONS}/stats/summary?{query}").json
        return summary["total_executions"], summary["failed"]

    assert [counts(query) for query in ("", "instance=staging", "instance=default", "instance=nowhere")] == [
        (3, 1), (1, 1), (2, 0), (0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "No", "-", "a" * 64])
def test_what_is_no_name_of_an_instance_is_refused(two: Two, name: str) -> None:
    for path in (EXECUTIONS, f"{EXECUTIONS}/stats/summary", WORKFLOWS):
        assert two.get(f"{path}?instance={name}").status == 422


@pytest.fixture
def archived(env: ArchiveEnv) -> Iterator[tuple[ArchiveEnv, Tenant, Callable[..., UUID]]]:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    default = env.make.workflow(tenant)
    staging = env.make.workflow(tenant, n8n_instance=env.make.n8n_instance(tenant, "staging"))
    for days in (20, 21, 1):
        env.execution(tenant, default, days)

    def staging_ran(days: float, **fields: Any) -> UUID:
        return env.execution(tenant, staging, days, **fields)

    yield env, tenant, staging_ran


def test_an_instance_in_both_tiers(archived: tuple[ArchiveEnv, Tenant, Callable[..., UUID]]) -> None:
    env, tenant, staging_ran = archived
    cold = staging_ran(20, status="error", execution_data={"mode": "webhook"})
    hot = staging_ran(1)
    assert env.run(archive_handler)["rows_archived"] == 3

    def found(query: str) -> list[str]:
        answer = ask(env, tenant, f"{HISTORY}?{query}", headers={"prefer": "count=exact"})
        assert answer.headers["x-total-count"] == str(len(answer.json)), answer.body
        return [row["id"] for row in answer.json]

    assert found("instance=staging") == found("instance=staging&include_data=true") == [str(hot), str(cold)]
    assert found("instance=staging&status=error") == [str(cold)]
    assert (len(found("instance=default")), len(found(""))) == (3, 5)
    assert found("instance=nowhere") == []
    summaries = [
        ask(env, tenant, f"{HISTORY}/stats/summary?days=365&instance={instance}").json["total_executions"]
        for instance in ("staging", "default", "nowhere")
    ]
    assert summaries == [2, 3, 0]
