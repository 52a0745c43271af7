"""What would make a deployment fail, said before anything is built or changed."""

import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dev.deploy.clients import Clients
from dev.deploy.stack import Stack
from dev.deploy.stage import Stage
from dev.errors import StartupError
from dev.paths import ROOT

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MENDABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
WHAT_TO_DO = {
    "ROLLBACK_COMPLETE": (
        "its creation failed. Delete it (aws cloudformation delete-stack --stack-name {name}) and deploy again."
        " A bucket that it had made stays: delete it too, if it is empty."
    ),
    "UPDATE_ROLLBACK_FAILED": (
        "an update could not be undone. Look at its events, then"
        " aws cloudformation continue-update-rollback --stack-name {name}."
    ),
    "DELETE_FAILED": "its deletion failed. Look at its events.",
}


def preflight(stage: Stage, aws: Clients) -> None:
    """Raises StartupError with every problem that can be known by now."""
    problems = [*of_credentials(stage, aws)]  # without them nothing else can be asked
    if not problems:
        problems = [*of_secrets(stage, aws.secrets), *of_stacks(stage, aws)]
    if problems:
        raise StartupError("\n  ".join([f"{stage.stack} is not deployed:", *problems]))


def commit() -> str:
    """The short name of what is checked out. Raises StartupError unless it is exactly what is committed."""
    if changed := git("status", "--porcelain"):
        raise StartupError(
            f"Commit or remove these first, so that the release can be named and built again:\n{changed}"
        )
    return git("rev-parse", "--short", "HEAD").strip()


def git(*arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise StartupError(f"git {' '.join(arguments)} failed: {asked.stderr.strip()}")
    return asked.stdout


def of_credentials(stage: Stage, aws: Clients) -> Iterator[str]:
    try:
        account = aws.sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        yield f"AWS takes no credentials: {error}. Set AWS_PROFILE, or run aws configure."
        return
    if stage.account and account != stage.account:
        yield f"The credentials are of account {account}, and deploy/{stage.name}.toml names {stage.account}."


def of_secrets(stage: Stage, client: "SecretsManagerClient") -> Iterator[str]:
    key = stage.parameters.get("SecretsKeyArn", "")
    for parameter, arn in stage.secrets.items():
        try:
            found = client.describe_secret(SecretId=arn)
        except ClientError as error:
            yield f"{parameter}: {error.response.get('Error', {}).get('Message', error)} ({arn})"
            continue
        if "DeletedDate" in found:
            yield f"{parameter}: {arn} is being deleted."
        if (own := found.get("KmsKeyId")) and not own.endswith("/aws/secretsmanager") and not key:
            yield f"{parameter} is encrypted with {own}: name that key in SecretsKeyArn."


def of_stacks(stage: Stage, aws: Clients) -> Iterator[str]:
    client = aws.cloudformation
    for name in (stage.schema_stack, stage.stack):
        found = Stack(client, name).found()
        if found and (status := found["StackStatus"]) not in MENDABLE:
            what = WHAT_TO_DO.get(status, f"it is in {status}: wait until that has ended.")
            yield f"{name}: {what.format(name=name)}"
