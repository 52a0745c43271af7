"""The collection as template.yaml describes it, read by SAM's own parser."""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dev.errors import StartupError
from dev.paths import ROOT

TEMPLATE = ROOT / "template.yaml"
ANY = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


@dataclass(frozen=True)
class DeadLetters:
    """Where a message ends that was handed over so many times in vain."""

    queue: str
    receives: int


@dataclass(frozen=True)
class Queue:
    """What SQS keeps for a function, and how the function is given it."""

    name: str
    batch_size: int
    reports_failures: bool  # the function names the messages that failed; else they fail together
    visibility_timeout: int
    dead_letters: DeadLetters | None


@dataclass(frozen=True)
class Notice:
    """What a bucket tells a queue of."""

    bucket: str
    event: str
    queue: str


@dataclass(frozen=True)
class Function:
    name: str
    folder: Path
    handler: str
    layers: tuple[Path, ...]
    environment: dict[str, str]
    timeout: int
    memory: int
    schedules: tuple[str, ...]
    queues: tuple[Queue, ...]


@dataclass(frozen=True)
class Authorizer:
    """Who is asked before a function, by which headers, and for how long the answer holds."""

    function: str
    headers: tuple[str, ...]
    seconds: int


@dataclass(frozen=True)
class Route:
    path: str
    methods: frozenset[str]
    function: str
    authorizer: Authorizer | None

    @cached_property
    def key(self) -> str:
        """As API Gateway names it in `routeKey`."""
        methods = "ANY" if self.methods >= ANY else "|".join(sorted(self.methods))
        return f"{methods} {self.path}"


@dataclass(frozen=True)
class Cors:
    """What pages of other origins may do, and until when (seconds) a browser need not ask again."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    seconds: int


@dataclass(frozen=True)
class Template:
    functions: dict[str, Function]
    routes: tuple[Route, ...]
    cors: Cors | None = None
    notices: tuple[Notice, ...] = ()

    def function(self, name: str) -> Function:
        """By the name in the template, or its short form: `workflows` is WorkflowsFunction."""
        for function in self.functions.values():
            if name.lower() in (function.name.lower(), function.name.lower()[: -len("Function")]):
                return function
        known = ", ".join(self.functions)
        raise StartupError(f"There is no function {name}: template.yaml has {known}.")


def read_template(path: Path = TEMPLATE, parameters: dict[str, str] | None = None) -> Template:
    """Read the template as a deployment with these parameters would have it."""
    stacks, functions, routes = _parse(path, parameters or {})
    authorizers, queues = _authorizers(stacks), _resources(stacks, "AWS::SQS::Queue")
    return Template(
        functions={found.name: _function(found, path.parent, queues) for found in functions},
        routes=tuple(route for found in routes for route in _routes(found, authorizers)),
        cors=_cors(stacks, (parameters or {}).get("CorsOrigins", "")),
        notices=tuple(_notices(stacks)),
    )


def _parse(path: Path, parameters: dict[str, str]) -> tuple[Any, Any, Any]:
    """What SAM finds: stacks, functions and routes, which have no types worth the name."""
    # SAM takes two seconds to import, which a command that needs no template should not wait for.
    from samcli.commands.exceptions import UserException
    from samcli.lib.providers.api_provider import ApiProvider
    from samcli.lib.providers.sam_function_provider import SamFunctionProvider
    from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

    logging.getLogger("samcli").setLevel(logging.ERROR)
    provider: Any = SamLocalStackProvider
    with warnings.catch_warnings(action="ignore"):  # SAM warns of parts of its own
        try:
            stacks, _ = provider.get_stacks(str(path), parameter_overrides=parameters)
            return stacks, SamFunctionProvider(stacks).get_all(), ApiProvider(stacks).api.routes
        except UserException as error:
            raise StartupError(f"{path} cannot be read: {error}") from error


def _function(found: Any, root: Path, queues: dict[str, Any]) -> Function:
    variables: dict[str, Any] = found.environment["Variables"] if found.environment else {}
    events: dict[str, Any] = found.events or {}
    return Function(
        name=found.name,
        folder=root / found.codeuri,
        handler=found.handler,
        layers=tuple(root / layer.codeuri for layer in found.layers),
        environment={name: str(value) for name, value in variables.items()},
        timeout=found.timeout or 3,
        memory=found.memory or 128,
        schedules=tuple(_schedules(events)),
        queues=tuple(_queues(events, queues)),
    )


def _schedules(events: dict[str, Any]) -> Iterator[str]:
    for event in events.values():
        if event["Type"] == "ScheduleV2":
            yield event["Properties"]["ScheduleExpression"]


def _queues(events: dict[str, Any], queues: dict[str, Any]) -> Iterator[Queue]:
    for event in events.values():
        if event["Type"] == "SQS":
            name = _named(event["Properties"]["Queue"])
            yield _queue(name, queues.get(name, {}), event["Properties"])


def _queue(name: str, described: dict[str, Any], source: dict[str, Any]) -> Queue:
    """Where the template says nothing, as AWS has it."""
    redrive = described.get("RedrivePolicy")
    return Queue(
        name=name,
        batch_size=source.get("BatchSize", 10),
        reports_failures="ReportBatchItemFailures" in source.get("FunctionResponseTypes", ()),
        visibility_timeout=described.get("VisibilityTimeout", 30),
        dead_letters=redrive and DeadLetters(_named(redrive["deadLetterTargetArn"]), redrive["maxReceiveCount"]),
    )


def _routes(found: Any, authorizers: dict[str, Authorizer]) -> Iterator[Route]:
    """One for each method. SAM groups them by path, and adds OPTIONS for CORS, which no function has."""
    authorizer = authorizers[found.authorizer_name] if found.authorizer_name else None
    methods = frozenset(found.methods)
    each = [methods] if methods >= ANY else [frozenset({method}) for method in sorted(methods - {"OPTIONS"})]
    for named in each:
        yield Route(path=found.path, methods=named, function=found.function_name, authorizer=authorizer)


def _authorizers(stacks: Any) -> dict[str, Authorizer]:
    return {
        name: _authorizer(described)
        for api in _resources(stacks, "AWS::Serverless::HttpApi").values()
        for name, described in api.get("Auth", {}).get("Authorizers", {}).items()
    }


def _cors(stacks: Any, origins: str) -> Cors | None:
    """SAM leaves conditions as they are, so the origins are taken from the parameter and not from where it is used."""
    for api in _resources(stacks, "AWS::Serverless::HttpApi").values():
        if origins and (described := api.get("CorsConfiguration")):
            return Cors(
                origins=tuple(origins.split(",")),
                methods=tuple(described["AllowMethods"]),
                headers=tuple(described["AllowHeaders"]),
                exposed=tuple(described["ExposeHeaders"]),
                seconds=described["MaxAge"],
            )
    return None


def _notices(stacks: Any) -> Iterator[Notice]:
    for bucket, described in _resources(stacks, "AWS::S3::Bucket").items():
        for told in described.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            yield Notice(bucket, told["Event"], _named(told["Queue"]))


def _resources(stacks: Any, kind: str) -> dict[str, Any]:
    """The properties of each resource of this kind."""
    return {
        name: resource.get("Properties", {})
        for stack in stacks
        for name, resource in stack.resources.items()
        if resource["Type"] == kind
    }


def _named(arn: str) -> str:
    """The name in the template: to SAM, the last part of an ARN, whatever the rest of it says."""
    return arn.rpartition(":")[2]


def _authorizer(described: Any) -> Authorizer:
    identity = described["Identity"]
    return Authorizer(
        function=_named(described["FunctionArn"].removesuffix(":live")),  # which names its alias
        headers=tuple(header.lower() for header in identity["Headers"]),
        seconds=identity.get("ReauthorizeEvery", 0),
    )
