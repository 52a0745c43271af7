"""docs/reference/configuration.md: parameters of the template, fields of the secrets, variables of the functions."""

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel
from samcli import yamlhelper

from dev.aws.template import TEMPLATE, read_template
from dev.docs.tables import table
from flomastr.settings import DatabaseSecret, EmbeddingsSecret, Settings, SigningSecret, StorageSecret

POWERTOOLS = {
    "POWERTOOLS_LOG_LEVEL": "The least level that is logged.",
    "POWERTOOLS_METRICS_NAMESPACE": "The CloudWatch namespace of all metrics.",
    "POWERTOOLS_SERVICE_NAME": "The function's name in logs, traces and metrics.",
}
SECRETS: dict[str, type[BaseModel]] = {
    "`DatabaseSecretArn`, `JobSecretArn`, `MigrationSecretArn`": DatabaseSecret,
    "`SigningSecretArn`": SigningSecret,
    "`StorageSecretArn`, `BackupStorageSecretArn`": StorageSecret,
    "`EmbeddingsSecretArn`": EmbeddingsSecret,
}
PAGE = """\
# Configuration

`python -m dev docs` generates this page from `template.yaml` and `flomastr/settings.py`.

## Parameters

Of a deployment. [Deploy](../how-to/deploy.md) says how to choose them.

{parameters}

## Secrets

Each secret of Secrets Manager is a JSON object with these fields.

{secrets}

## Environment

What the template gives to the functions.

{variables}
"""


def page() -> str:
    return PAGE.format(
        parameters=table(("parameter", "default", "meaning"), parameters()),
        secrets=table(("parameter", "field", "meaning"), fields()),
        variables=table(("variable", "functions", "meaning"), variables(Settings)),
    )


def parameters() -> Iterator[tuple[str, str, str]]:
    template: dict[str, Any] = cast(Any, yamlhelper).parse_yaml_file(str(TEMPLATE))
    for name, parameter in template["Parameters"].items():
        yield f"`{name}`", default_of(parameter), meaning_of(parameter)


def default_of(parameter: dict[str, Any]) -> str:
    match parameter.get("Default"):
        case None:
            return "required"
        case "":
            return "empty"
        case default:
            return f"`{default}`"


def meaning_of(parameter: dict[str, Any]) -> str:
    allowed = ", ".join(f"`{value}`" for value in parameter.get("AllowedValues", []))
    return parameter["Description"] + (f"; one of {allowed}" if allowed else "")


def fields() -> Iterator[tuple[str, str, str]]:
    for arns, secret in SECRETS.items():
        for name, field in secret.model_fields.items():
            yield arns, f"`{name}`", field.description or ""


def variables(settings: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    meanings = POWERTOOLS | {name.upper(): field.description or "" for name, field in settings.model_fields.items()}
    functions = read_template().functions.values()
    for variable in sorted({name for function in functions for name in function.environment}):
        having = [function.name for function in functions if variable in function.environment]
        who = "all" if len(having) == len(functions) else ", ".join(f"`{name}`" for name in having)
        yield f"`{variable}`", who, meanings[variable]
