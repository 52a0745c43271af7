"""The doctor, asked by a deployment: in AWS where the platform runs already, else from this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.console import paste
from dev.deploy.stage import Stage, declared_variables
from dev.errors import StartupError
from dev.paths import ROOT, find_layer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

FUNCTION = "DoctorFunction"
SECONDS = 180  # more than all checks may take together
MENDED = {"migrations", "partitions"}  # by the deployment itself
WITHOUT_SCHEMA = {"rows_without_tenant"}  # what needs one, before the first deployment
EXAMINE = "from flomastr.doctor.examination import examine; print(examine().model_dump_json())"
ANYWAY = "To deploy whatever it says: make deploy STAGE={stage} ANYWAY=yes"


@dataclass(frozen=True)
class Finding:
    name: str
    status: str
    seen: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}. {self.to_do}"


def in_aws(client: "LambdaClient", function: str) -> list[Finding]:
    """What the deployed doctor finds. Raises StartupError where it gives no answer."""
    answer = client.invoke(FunctionName=function, Qualifier="live", Payload=b"{}")
    body: Any = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise StartupError(f"The doctor in AWS gave no answer: {body.get('errorMessage', body)}")
    return findings_of(body)


def from_here(stage: Stage) -> list[Finding]:
    """What the doctor of this checkout finds from this machine, with the secrets and addresses of the stage.

    In a process of its own, since it reads the environment of a function. Raises StartupError where it has no answer.
    """
    asked = subprocess.run(
        [sys.executable, "-c", EXAMINE],
        cwd=ROOT,
        env=os.environ | variables(stage) | {"PYTHONPATH": str(ROOT / "layers/flomastr")},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if asked.returncode:
        raise StartupError(f"The doctor gave no answer: {asked.stderr.strip().rpartition('\n')[2]}")
    return findings_of(json.loads(asked.stdout.splitlines()[-1]))


def variables(stage: Stage) -> dict[str, str]:
    """Those of the function, where a parameter gives their value: buckets may be still to be made.

    That of backups is looked at with its own keys alone: another account's admits roles of the stack, and nobody here.
    """
    declared = declared_variables(FUNCTION)
    given = {name: stage.parameters.get(value["Ref"], "") for name, value in declared.items() if is_parameter(value)}
    buckets = {
        "ARCHIVE_BUCKET": stage.parameters.get("ArchiveBucketName", ""),
        "UPLOADS_BUCKET": stage.parameters.get("UploadsBucketName", ""),
        "BACKUP_BUCKET": given["BACKUP_BUCKET"] if given["BACKUP_STORAGE_SECRET"] else "",
    }
    return given | buckets | {"AWS_REGION": stage.region, "AWS_DEFAULT_REGION": stage.region, "DATABASE_URL": ""}


def is_parameter(value: Any) -> bool:
    return isinstance(value, dict) and "Ref" in value


def findings_of(report: dict[str, Any]) -> list[Finding]:
    return [Finding(**found) for found in report["findings"]]


def preflight(stage: Stage, client: "LambdaClient", deployed: str, anyway: bool) -> None:
    """Says what is wrong. Raises StartupError where something fails that this deployment does not mend itself.

    `deployed` names the function in AWS, if there is one already.
    """
    found = in_aws(client, deployed) if deployed else from_here(stage)
    if not deployed and is_out_of_reach(found):
        paste(
            "  The doctor cannot reach the database from this machine, and so has not looked at it."
            " The migrations will, from AWS, before anything else; and so will the doctor there, at the end."
        )
        found = [finding for finding in found if finding.name != "connection"]
    ignored = MENDED if deployed else MENDED | WITHOUT_SCHEMA
    failed = [finding for finding in found if finding.status == "fail" and finding.name not in ignored]
    tell([finding for finding in found if finding.status == "warn"])
    if failed and not anyway:
        raise StartupError(
            "\n  ".join([f"{stage.stack} is not deployed. The doctor says:", *map(str, failed)])
            + f"\n{ANYWAY.format(stage=stage.name)}"
        )
    tell(failed)


def is_out_of_reach(found: Sequence[Finding]) -> bool:
    """Whether nothing answers at the database's address, or only addresses of AWS are let in."""
    find_layer()
    from flomastr.doctor.reach import NOT_FROM_HERE

    return any(each.name == "connection" and each.to_do in NOT_FROM_HERE for each in found)


def tell(found: Sequence[Finding]) -> None:
    for finding in found:
        paste(f"  {finding.status}  {finding}")


def examine_deployed(client: "LambdaClient", function: str) -> None:
    """After a deployment: what is to be done, and nothing is undone because of it."""
    try:
        found = in_aws(client, function)
    except StartupError as problem:
        paste(f"  {problem}")
        return
    tell([finding for finding in found if finding.status != "ok"])
