"""`make deploy` and `make rollback`: the schema first, then code, and what old code needed last.

Each step may be killed; the next run begins anew and finds what is done. A step that fails ends the run, so a failed
migration changes no other code, and code never meets a schema that is older than it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from dev.console import paste, step
from dev.deploy import doctor, package, preflight, render, schema, smoke
from dev.deploy.clients import Clients
from dev.deploy.releases import Release, Releases, bucket_of_sam
from dev.deploy.stack import Stack
from dev.deploy.stage import Stage, read_stage
from dev.errors import StartupError


@dataclass(frozen=True)
class Target:
    """A stage, and the parts of AWS where it is."""

    stage: Stage
    aws: Clients

    @cached_property
    def main(self) -> Stack:
        return Stack(self.aws.cloudformation, self.stage.stack)

    @cached_property
    def schema(self) -> Stack:
        return Stack(self.aws.cloudformation, self.stage.schema_stack)

    @cached_property
    def releases(self) -> Releases:
        bucket = bucket_of_sam(self.aws.cloudformation)
        return Releases(self.aws.s3, bucket, self.stage.stack)

    def migrate(self, contract: bool) -> list[str]:
        """Say what was applied, and return it."""
        function = self.schema.outputs()["MigrateFunctionName"]
        applied = schema.migrate(self.aws.functions, function, contract)
        paste(f"  Schema: {', '.join(applied) or 'nothing pending'}")
        return applied


def deploy(name: str, anyway: bool = False) -> None:
    """`anyway` goes on whatever the doctor says."""
    target = reach(name)
    stage = target.stage
    commit = preflight.commit()
    with step("Credentials, parameters, secrets, stacks"):
        preflight.preflight(stage, target.aws)
    with step("Doctor"):
        doctor.preflight(stage, target.aws.functions, target.main.outputs().get("DoctorFunctionName", ""), anyway)
    with step("Build"):
        built = package.build(stage.parameters["Architecture"])
    with step("Upload"):
        packaged = package.package(built, stage.region)
    release = render.release_name(packaged, commit)
    of_schema, of_code = render.render(packaged, release, in_vpc=bool(stage.parameters["SubnetIds"]))
    change_schema(target, release, of_schema)
    url = target.releases.upload(release, of_code)
    target.main.change(url, stage.parameters, confirm=stage.confirm)
    finish(target, Release(release, url, stage.parameters))


def change_schema(target: Target, release: str, template: render.Template) -> None:
    """What code of before cannot run without waits, unless there is none."""
    new = target.main.found() is None
    try:
        target.schema.change(target.releases.upload(f"{release}-schema", template), target.stage.parameters)
        target.migrate(contract=new)
    except StartupError as problem:
        raise StartupError(f"{problem}\nNo code was changed.") from problem


def finish(target: Target, release: Release) -> None:
    """Asked before the schema loses what the code before needed: until then it is one command back."""
    api = target.main.outputs()["ApiUrl"]
    try:
        with step("Smoke test"):
            smoke.smoke(api)
    except StartupError as problem:
        way = f" Go back: make rollback STAGE={target.stage.name}" if target.releases.names() else ""
        raise StartupError(f"{problem}\n{release.name} is deployed.{way}") from problem
    taking = schema.contracting()
    target.releases.record(replace(release, contracted=taking))  # before: a run that is killed may have applied them
    if taking:
        target.releases.record(replace(release, contracted=target.migrate(contract=True)))
    with step("Doctor in AWS"):
        doctor.examine_deployed(target.aws.functions, target.main.outputs()["DoctorFunctionName"])
    paste(f"{release.name} is deployed: {api}")


def rollback(name: str) -> None:
    """Code, layers, variables, routes and schedules of the release before. The schema stays: older code runs on it."""
    target = reach(name, "rollback")
    preflight.preflight(target.stage, target.aws)
    if not (running := target.main.outputs().get("Release")):
        raise StartupError(f"{target.stage.stack} was not deployed by make deploy: there is nothing to go back to.")
    previous = target.releases.before(running)
    paste(f"From {running} to {previous.name}. The schema stays as it is.")
    parameters = previous.parameters | ({"Traffic": "AllAtOnce"} if "Traffic" in previous.parameters else {})
    target.main.change(previous.template_url, parameters, confirm=target.stage.confirm)
    target.releases.forget(running)
    with step("Smoke test"):
        smoke.smoke(target.main.outputs()["ApiUrl"])
    paste(f"{previous.name} runs again.")


def reach(name: str, command: str = "deploy") -> Target:
    stage = read_stage(name, command)
    return Target(stage, Clients(stage.region))
