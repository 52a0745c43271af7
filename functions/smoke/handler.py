"""CodeDeploy's hook: asks a new version of a function a harmless question before callers do, and tells what came."""

import json
from functools import cache
from typing import Any, cast

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.observability import instrumented, is_failure, logger

PATH = "/routes/health/ready"  # what one function knows, and where no other does anything
QUESTION = {  # for the authorizer, whom nobody is who brings this; and for all others
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": PATH,
    "rawQueryString": "",
    "headers": {"host": "smoke"},
    "isBase64Encoded": False,
    "identitySource": ["Bearer smoke"],
    "requestContext": {
        "requestId": "smoke",
        "stage": "$default",
        "http": {"method": "GET", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "smoke"},
    },
}


@cache
def client(service: str) -> Any:
    return cast(Any, boto3).client(service)


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    deployment = event["DeploymentId"]
    try:
        failures = [failure for version in versions(deployment) if (failure := failure_of(version))]
    except Exception as error:
        failures = [f"{type(error).__name__}: {error}"]
    for failure in failures:
        logger.error("Not ready", deployment=deployment, failure=failure)
    client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=deployment,
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if failures else "Succeeded",
    )


def versions(deployment: str) -> list[str]:
    """The new version of each function of the deployment, which are to be asked. Raises LookupError for none."""
    listed = client("codedeploy").list_deployment_targets(deploymentId=deployment)["targetIds"]
    targets = [client("codedeploy").get_deployment_target(deploymentId=deployment, targetId=id) for id in listed]
    told = [target["deploymentTarget"]["lambdaTarget"]["lambdaFunctionInfo"] for target in targets]
    if not told:
        raise LookupError("The deployment has no function")
    return [f"{info['functionName']}:{info['targetVersion']}" for info in told]


def failure_of(version: str) -> str:
    """Why callers should not meet it, or nothing."""
    answer = client("lambda").invoke(FunctionName=version, Payload=json.dumps(QUESTION).encode())
    body: Any = json.loads(answer["Payload"].read())
    is_wrong = "FunctionError" in answer or is_failure(body)
    return f"{version} answered {json.dumps(body)[:500]}" if is_wrong else ""
