"""What SAM makes of the parameter Traffic: nothing, or steps of CodeDeploy for each function that answers requests."""

import json
from typing import Any

from dev.aws.template import read_template
from dev.deploy.render import render
from tests.dev.test_deploy_parts import built
from tests.support.aws import transformed


def resources(traffic: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the schema's stack and of the other one."""
    parts = render(built(), "first", in_vpc=False)
    parameters = (("SubnetIds", ""), ("Traffic", traffic))
    of_schema, of_code = (transformed(json.dumps(part), parameters)["Resources"] for part in parts)
    return of_schema, of_code


def of_type(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each for name, each in found.items() if each["Type"] == kind}


def test_at_once_there_is_no_part_of_codedeploy() -> None:
    for found in resources("AllAtOnce"):
        assert [each["Type"] for each in found.values() if "CodeDeploy" in each["Type"]] == []
        assert [name for name, each in found.items() if "UpdatePolicy" in each] == []


def test_in_steps_what_answers_requests_moves_after_it_was_asked_and_back_when_an_alarm_rings() -> None:
    of_schema, found = resources("Canary10Percent5Minutes")
    template = read_template()
    served = {route.function for route in template.routes} | {"AuthorizerFunction"}
    policies = {
        name.removesuffix("Aliaslive"): alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        for name, alias in of_type(found, "AWS::Lambda::Alias").items()
        if "UpdatePolicy" in alias
    }
    assert policies.keys() == served
    assert {json.dumps(policy["BeforeAllowTrafficHook"]) for policy in policies.values()} == {
        '{"Ref": "SmokeFunction"}'
    }
    groups = of_type(found, "AWS::CodeDeploy::DeploymentGroup")
    assert {policy["DeploymentGroupName"]["Ref"] for policy in policies.values()} == groups.keys()
    for group in (each["Properties"] for each in groups.values()):
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}
        rings = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert rings == ["ReleaseFailuresAlarm", "AuthorizerErrorsAlarm"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert of_type(of_schema, "AWS::CodeDeploy::DeploymentGroup") == {}
    assert len(found) < 450  # CloudFormation takes 500 in one stack
