"""A stage: what deploy/<stage>.toml says of one deployment, compared with the parameters of the template."""

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any, cast

from samcli import yamlhelper

from dev.aws.template import TEMPLATE
from dev.errors import StartupError
from dev.paths import ROOT

FOLDER = ROOT / "deploy"
KEYS = {"region", "account", "confirm", "parameters"}

type Values = dict[str, str]


@dataclass(frozen=True)
class Stage:
    name: str
    region: str
    account: str = ""
    confirm: bool = False
    parameters: Values = field(default_factory=dict[str, str])

    @property
    def stack(self) -> str:
        return f"flomastr-data-{self.name}"

    @property
    def schema_stack(self) -> str:
        return f"{self.stack}-schema"

    @property
    def secrets(self) -> Values:
        """The secrets that it names, by parameter."""
        return {name: arn for name, arn in self.parameters.items() if name.endswith("SecretArn") and arn}


def read_stage(name: str, command: str = "deploy") -> Stage:
    """Raises StartupError, which names everything that is missing or wrong at once."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name):
        raise StartupError(f"Say which stage, in lower-case letters: make {command} STAGE=staging")
    path = FOLDER / f"{name}.toml"
    shown = f"deploy/{name}.toml"
    if not path.exists():
        raise StartupError(f"{shown} is missing: copy deploy/example.toml there and fill it in. Git leaves it alone.")
    try:
        read = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"{shown} is not TOML: {error}.") from error
    known = declared_parameters()
    if problems := [*problems_of(read), *problems_of_parameters(read.get("parameters", {}), known)]:
        raise StartupError("\n  ".join([f"{shown} needs a change:", *problems]))
    given = {key: str(value) for key, value in read["parameters"].items()}
    defaults = {key: str(found["Default"]) for key, found in known.items() if "Default" in found}
    return Stage(name, read["region"], read.get("account", ""), read.get("confirm", False), defaults | given)


def declared() -> dict[str, Any]:
    return cast(Any, yamlhelper).parse_yaml_file(str(TEMPLATE))


def declared_parameters() -> dict[str, Any]:
    return declared()["Parameters"]


def declared_variables(function: str) -> dict[str, Any]:
    """The variables of a function, its own and those that all have."""
    template = declared()
    own = template["Resources"][function]["Properties"]["Environment"]["Variables"]
    return template["Globals"]["Function"]["Environment"]["Variables"] | own


def problems_of(read: dict[str, Any]) -> list[str]:
    problems = [f"{key} is no key of this file: parameters stand under [parameters]." for key in read.keys() - KEYS]
    if not read.get("region"):
        problems.append('region is missing, such as region = "eu-central-1".')
    if not isinstance(read.get("account", ""), str):
        problems.append("account is text: write its twelve digits in quotes.")
    if not isinstance(read.get("confirm", False), bool):
        problems.append("confirm is true or false.")
    return problems


def problems_of_parameters(given: dict[str, Any], declared: dict[str, Any]) -> list[str]:
    problems = [f"{name} is no parameter of template.yaml." for name in sorted(given.keys() - declared.keys())]
    for name, parameter in declared.items():
        value = str(given.get(name, parameter.get("Default", "")))
        if "Default" not in parameter and not value:
            problems.append(f"{name} is missing: {parameter['Description']}.")
        elif problem := problem_of_value(value, parameter):
            problems.append(f"{name} = {value!r}: {problem}.")
    return problems + problems_together({name: str(value) for name, value in given.items()})


def problem_of_value(value: str, parameter: dict[str, Any]) -> str:
    allowed = [str(each) for each in parameter.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"write one of {', '.join(allowed)}"
    if parameter["Type"] == "Number" and not re.fullmatch(r"\d+", value):
        return "write a number"
    if not re.fullmatch(parameter.get("AllowedPattern", ".*"), value):
        return parameter["ConstraintDescription"]
    return "put your own value in its place" if "<" in value else ""


def problems_together(given: Values) -> list[str]:
    """What the rules of the template say, before anything is built."""
    problems = list[str]()
    if not given.get("OidcAuthorizedParties") and given.get("OidcAnyApplication") != "yes":
        problems.append('OidcAuthorizedParties names no application: name one, or write OidcAnyApplication = "yes".')
    for name in ("ArchiveBucketName", "UploadsBucketName", "StorageSecretArn"):
        if given.get("S3Endpoint") and not given.get(name):
            problems.append(f"{name} is missing, which S3Endpoint needs.")
    return problems
