"""AWS on a port of this machine, as far as moto has it: S3, IAM, Secrets Manager, SQS, CloudFormation and Lambda.

Added is what CloudFormation does and moto does not: SAM's transform (by SAM's own translator), aliases of functions,
layers of new functions, AWS::NoValue in lists, and a function that changes before a version of it is published.
"""

import json
import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, partialmethod
from threading import Thread
from typing import Any, cast

import moto.awslambda.models as lambdas
import moto.cloudformation.models as stacks
import moto.cloudformation.parsing as parsing
import pytest
from moto.core.common_models import CloudFormationModel
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "eu-central-1"
CODE = {"AWS::Lambda::Function", "AWS::Lambda::LayerVersion"}
FUNCTION: Any = lambdas.LambdaFunction
VERSION: Any = lambdas.LambdaVersion
RESOURCES: Any = parsing.ResourceMap
CHANGE_SET: Any = stacks.ChangeSet
STACK: Any = stacks.Stack

type Invoke = Callable[[str, dict[str, Any]], Any]


@contextmanager
def running(invoke: Invoke) -> Generator[str]:
    """Serve until the block ends. An invocation of a function is a call of `invoke` with its name and event."""
    with pytest.MonkeyPatch.context() as patch:
        complete(patch)
        patch.setattr(FUNCTION, "_invoke_lambda", partialmethod(invoked, invoke))
        patch.setattr(WSGIRequestHandler, "log", always(None))
        server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"http://localhost:{server.port}"  # moto takes the bucket from the path for this name alone
        patch.setattr("os.environ", os.environ | environment(url))
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def always(answer: Any) -> Callable[..., Any]:
    """A function that gives this, whatever it is asked."""

    def answering(*_: object, **__: object) -> Any:
        return answer

    return answering


def version_of(version: Any, _: str) -> Any:
    return version.version


def invoked(function: Any, invoke: Invoke, event: dict[str, Any]) -> tuple[str, bool, str]:
    try:
        return json.dumps(invoke(function.function_name, event)), False, ""
    except Exception as error:
        return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}), True, ""


def complete(patch: pytest.MonkeyPatch) -> None:
    clean: Any = parsing.clean_json
    parse: Any = STACK.parse_template

    def parsed(template: str) -> Any:
        return json.loads(template) if template.startswith("{") else parse(template)  # not as YAML, which takes seconds

    created, changed = FUNCTION.create_from_cloudformation_json, RESOURCES.update

    def read_and_transformed(self: Any) -> None:
        self.template_dict = parsed(self.template)
        if "Transform" in self.template_dict:
            self.template_dict = transformed(self.template, tuple(self.parameters.items()))

    def created_with_layers(cls: Any, name: str, described: Any, account: str, region: str, **rest: Any) -> Any:
        function = created(name, described, account, region, **rest)
        function.update_configuration({"Layers": described["Properties"].get("Layers", [])})
        return function

    def changed_in_order(self: Any, template: Any, parameters: Any = None) -> None:
        changed(self, template | {"Resources": before_publishing(self, template["Resources"])}, parameters)
        changed(self, template, parameters)

    def without_nothing(described: Any, resources: Any) -> Any:
        found = clean(described, resources)
        if isinstance(found, lambdas.LayerVersion):
            return found.arn  # what Ref gives
        return [each for each in cast(list[Any], found) if each is not None] if isinstance(found, list) else found

    patch.setattr(STACK, "parse_template", staticmethod(parsed))
    patch.setattr(parsing, "clean_json", without_nothing)
    patch.setattr(CHANGE_SET, "_parse_template", read_and_transformed)
    patch.setattr(FUNCTION, "create_from_cloudformation_json", classmethod(created_with_layers))
    patch.setattr(RESOURCES, "update", changed_in_order)
    patch.setattr(VERSION, "get_cfn_attribute", version_of, raising=False)
    patch.setitem(parsing.get_model_map(), Alias.cloudformation_type(), Alias)
    patch.setattr(STACK, "output_map", property(outputs_of, always(None)), raising=False)


@cache
def transformed(template: str, parameters: tuple[tuple[str, str], ...]) -> Any:
    with warnings.catch_warnings(action="ignore"):
        return Translator({}, Parser()).translate(json.loads(template), dict(parameters))


def before_publishing(current: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """The resources as they are, with functions and their layers as wanted."""
    now: dict[str, Any] = current._resource_json_map
    changes = {name: found for name, found in wanted.items() if found["Type"] in CODE}
    return now | {name: found for name, found in changes.items() if name in now or "Layer" in found["Type"]}


def outputs_of(stack: Any) -> Any:
    """Of the template that was executed last; moto keeps those of a stack that was empty."""
    return parsing.OutputMap(stack.resource_map, stack.resource_map._template, stack.stack_id)


class Alias(CloudFormationModel):
    def __init__(self, function: str, name: str, version: str) -> None:
        self.function, self.name, self.version = function, name, version

    @property
    def physical_resource_id(self) -> str:
        return f"arn:aws:lambda:{REGION}:{DEFAULT_ACCOUNT_ID}:function:{self.function}:{self.name}"

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Alias"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *_: Any, **__: Any
    ) -> "Alias":
        told = cloudformation_json["Properties"]
        backend().create_alias(told["Name"], told["FunctionName"], str(told["FunctionVersion"]), "", "")
        return cls(told["FunctionName"], told["Name"], told["FunctionVersion"])

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: "Alias", new_resource_name: str, cloudformation_json: Any, *_: Any, **__: Any
    ) -> "Alias":
        told = cloudformation_json["Properties"]
        backend().update_alias(told["Name"], told["FunctionName"], str(told["FunctionVersion"]), None, None)
        return cls(told["FunctionName"], told["Name"], told["FunctionVersion"])

    def delete(self, *_: Any) -> None:
        """With its function."""


def backend() -> Any:
    return lambdas.lambda_backends[DEFAULT_ACCOUNT_ID][REGION]


def live(stack: str) -> dict[str, dict[str, Any]]:
    """What callers of the functions of a stack get: the configuration of the version that each alias names."""
    found = backend()
    named = {
        name: f"{stack}-{name}-" for name in {each.function_name.split("-")[-2] for each in found.list_functions()}
    }
    return {
        name: found.get_function(each.function_name, "live").get_configuration()
        for name, prefix in named.items()
        for each in found.list_functions()
        if each.function_name.startswith(prefix)
    }
