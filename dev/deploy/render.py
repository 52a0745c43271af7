"""What is deployed, from what was built: two templates, which carry the name of their release."""

import copy
from datetime import UTC, datetime
from typing import Any

SCHEMA = {"MigrateFunction", "DependenciesLayer", "FloMastrLayer", "FunctionLogs"}  # resources of the schema's stack

type Template = dict[str, Any]


def release_name(template: Template, commit: str, now: datetime | None = None) -> str:
    """Sorts by time: 20261127T021530Z-0.1.0-d829b04."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{version(template)}-{commit}"


def version(template: Template) -> str:
    return template["Globals"]["Function"]["Environment"]["Variables"]["RELEASE"]


def render(packaged: Template, release: str, in_vpc: bool) -> tuple[Template, Template]:
    """The templates of the schema's stack and of the other one.

    A variable of every function names the release: SAM publishes a version when code or variables change, and not when
    a layer or the value of a parameter does. Outside a VPC nothing may be said of one, or SAM gives rights over it.
    """
    whole = copy.deepcopy(packaged)
    shared = whole["Globals"]["Function"]
    shared["Environment"]["Variables"]["RELEASE"] = release
    if not in_vpc:
        shared.pop("VpcConfig", None)
    whole["Outputs"]["Release"] = {"Description": "What is deployed", "Value": release}
    others = whole["Resources"].keys() - {"MigrateFunction"}
    return part(whole, SCHEMA, {"MigrateFunctionName", "Release"}), part(
        whole, others, whole["Outputs"].keys() - {"MigrateFunctionName"}
    )


def part(whole: Template, resources: set[str], outputs: set[str]) -> Template:
    return whole | {
        "Resources": {name: found for name, found in whole["Resources"].items() if name in resources},
        "Outputs": {name: found for name, found in whole["Outputs"].items() if name in outputs},
    }
