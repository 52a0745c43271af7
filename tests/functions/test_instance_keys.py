"""A key that belongs to an n8n instance: what it delivers is of that instance, and of no other."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from flomastr.auth.api_key_tokens import parse
from functions.api_keys.handler import lambda_handler as api_keys
from functions.executions.handler import lambda_handler as executions
from functions.n8n.handler import lambda_handler as n8n_handler
from tests.support.events import call
from tests.support.factories import Factory, machine
from tests.support.n8n_capture import PATH, Instance, Json, executed, failed, instance

type Superuser = psycopg.Connection[Any]

SCOPES = ["events:write", "executions:write"]


def issue(n8n: Instance, **fields: Any) -> Json:
    new = {"name": "n8n", "scopes": SCOPES} | fields
    answer = call(api_keys, "POST", "/routes/api-keys", body=new, caller=n8n.tenant.owner)
    assert answer.status == 201, answer.body
    return answer.json


def with_key(n8n: Instance, issued: Json) -> Instance:
    key = parse(issued["token"])
    assert key
    return replace(n8n, key=key)


@pytest.fixture
def staging(make: Factory) -> Instance:
    n8n = instance(make)
    return with_key(n8n, issue(n8n, instance="staging"))


def instances(n8n: Instance) -> dict[str, int]:
    listed = call(n8n_handler, "GET", "/routes/n8n/instances", caller=n8n.tenant.owner).json
    return {found["name"]: found["workflows"] for found in listed}


def test_what_it_delivers_is_of_its_instance(staging: Instance) -> None:
    assert [result["outcome"] for result in staging.send(executed("1"))] == ["created"]
    assert staging.post([failed("2")], path=f"{PATH}?instance=staging").status == 202
    assert staging.post([failed("3")], path=f"{PATH}?instance=&strict=true").status == 202
    assert instances(staging) == {"staging": 1}


@pytest.mark.parametrize("named", ["prod", "default"])
def test_it_may_name_no_other_instance(staging: Instance, named: str) -> None:
    refused = staging.post([executed("1")], path=f"{PATH}?instance={named}")
    assert (refused.status, refused.json["code"]) == (403, "other_instances_key")
    assert refused.json["detail"] == f"The API key is for the n8n instance staging, and this is of {named}."
    assert instances(staging) == {}


def test_a_key_of_no_instance_names_any(make: Factory) -> None:
    n8n = instance(make)
    assert n8n.post([executed("1")], path=f"{PATH}?instance=prod").status == 202
    assert n8n.post([executed("1")], path=f"{PATH}?instance=").status == 202
    assert instances(n8n) == {"default": 1, "prod": 1}


def test_executions_by_it_are_of_its_instance(staging: Instance) -> None:
    delivery = {"n8n_workflow_id": "wf-1", "workflow_name": "Intake", "n8n_execution_id": "1", "status": "success"}
    for path, body in (("", delivery), ("/batch", {"executions": [delivery | {"n8n_execution_id": "2"}]})):
        path = f"/routes/workflow-executions{path}"
        answer = call(executions, "POST", path, body=body, caller=machine(staging.key))
        assert answer.status in (200, 201), answer.body
    assert instances(staging) == {"staging": 1}
    listed = "/routes/workflow-executions?instance=staging"
    assert len(call(executions, "GET", listed, caller=staging.tenant.owner).json) == 2


def test_what_another_instance_sent_is_not_replayed_by_it(staging: Instance, make: Factory) -> None:
    prod = with_key(staging, issue(staging, instance="prod"))
    assert prod.post([{"id": 1}]).json["rejected"] == 1
    ((kept),) = call(n8n_handler, "GET", "/routes/n8n/rejected", caller=prod.tenant.owner).json
    assert kept["instance"] == "prod"
    path = f"/routes/n8n/rejected/{kept['id']}/replay"
    refused = call(n8n_handler, "POST", path, caller=machine(staging.key))
    assert (refused.status, refused.json["code"]) == (403, "other_instances_key")
    assert call(n8n_handler, "POST", path, caller=machine(prod.key)).status == 200


def test_its_instance_is_shown_and_outlives_a_rotation(make: Factory) -> None:
    n8n = instance(make)
    issued = issue(n8n, instance="staging")
    assert issued["instance"] == "staging"
    assert issue(n8n)["instance"] is None
    path = f"/routes/api-keys/{issued['id']}"
    assert call(api_keys, "GET", path, caller=n8n.tenant.owner).json["instance"] == "staging"
    rotated = call(api_keys, "POST", f"{path}/rotate", body={}, caller=n8n.tenant.owner).json
    with_key(n8n, rotated).send(executed("1"))
    assert (rotated["instance"], instances(n8n)) == ("staging", {"staging": 1})


def test_a_name_that_no_instance_can_have_is_refused(make: Factory) -> None:
    body = {"name": "n8n", "scopes": SCOPES, "instance": "No"}
    answer = call(api_keys, "POST", "/routes/api-keys", body=body, caller=instance(make).tenant.owner)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "body.instance")
