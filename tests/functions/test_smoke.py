"""CodeDeploy's hook, against a stand-in of CodeDeploy and the handlers themselves."""

import io
import json
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

from dev.aws.template import read_template
from functions.smoke import handler
from functions.smoke.handler import QUESTION, lambda_handler
from tests.support.events import Context

EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
TOLD = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "hook-1"}


@dataclass
class Aws:
    """A deployment of one function, whose new version answers this."""

    answer: Any
    error: str | None = None
    targets: tuple[str, ...] = ("target-1",)
    asked: list[str] = field(default_factory=list[str])
    told: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def list_deployment_targets(self, deploymentId: str) -> Any:
        assert deploymentId == "d-1"
        return {"targetIds": list(self.targets)}

    def get_deployment_target(self, deploymentId: str, targetId: str) -> Any:
        assert (deploymentId, targetId) == ("d-1", "target-1")
        info = {"functionName": "stack-WorkflowsFunction-x", "currentVersion": "6", "targetVersion": "7"}
        return {"deploymentTarget": {"lambdaTarget": {"lambdaFunctionInfo": info}}}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:
        assert json.loads(Payload) == QUESTION
        self.asked.append(FunctionName)
        failed = {"FunctionError": self.error} if self.error else {}
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())} | failed

    def put_lifecycle_event_hook_execution_status(self, **told: str) -> None:
        self.told.append(told)


def status(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> str:
    def client(_: str) -> Aws:
        return aws

    monkeypatch.setattr(handler, "client", client)
    lambda_handler(EVENT, Context())
    (told,) = aws.told
    return told.pop("status") if told.items() > TOLD.items() else "told of another"


def test_the_new_version_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws({"statusCode": 404})
    assert status(aws, monkeypatch) == "Succeeded"
    assert aws.asked == ["stack-WorkflowsFunction-x:7"]


@pytest.mark.parametrize(
    "aws",
    [
        Aws({"statusCode": 503, "body": "schema_behind"}),
        Aws({"errorMessage": "No module named x", "errorType": "Runtime.ImportModuleError"}, error="Unhandled"),
        Aws({}, targets=()),
    ],
    ids=["an error", "no import", "nothing to ask"],
)
def test_a_version_that_fails_or_cannot_be_asked_is_refused(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(aws, monkeypatch) == "Failed"


def test_every_function_that_answers_requests_answers_the_question() -> None:
    """What one knows, the console its page, the authorizer no, and the others that there is nothing."""
    template = read_template()
    served = {route.function for route in template.routes} | {"AuthorizerFunction"}
    folders = {name: template.functions[name].folder.name for name in served}
    answers = {
        name: import_module(f"functions.{folder}.handler").lambda_handler(QUESTION, Context())
        for name, folder in folders.items()
    }
    assert answers.pop("AuthorizerFunction") == {"isAuthorized": False}
    known = ("HealthFunction", "ConsoleFunction")
    assert [answers.pop(name)["statusCode"] for name in known] == [200, 200]
    assert {answer["statusCode"] for answer in answers.values()} == {404}
