"""`make deploy` and `make rollback` against moto: sam package, change sets, functions, layers, versions and aliases."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3
import pytest

from dev.deploy import deploy, doctor, package, preflight, schema, smoke, stage
from dev.deploy.stack import Stack
from dev.errors import StartupError
from dev.paths import ROOT
from tests.support import aws

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # of what moto does not have
REQUIRED = ("DatabaseSecretArn", "JobSecretArn", "MigrationSecretArn", "SigningSecretArn")
STACK = "flomastr-data-test"


@dataclass
class World:
    """An account, a checkout that is deployed from, and what the function that migrates is asked."""

    checkout: Path
    stages: Path
    asked: list[tuple[bool, str]] = field(default_factory=list[tuple[bool, str]])  # contract, and the running release
    fails: bool = False
    waiting: list[str] = field(default_factory=list[str])
    not_ready: str = ""
    findings: list[dict[str, str]] = field(default_factory=list[dict[str, str]])  # of the doctor in AWS
    examined: int = 0  # times, there

    def client(self, name: str) -> Any:
        return cast(Any, boto3).client(name, region_name=aws.REGION)

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        if "DoctorFunction" in function:
            self.examined += 1
            return {"status": "any", "findings": self.findings, "skipped": {}}
        assert "MigrateFunction" in function
        self.asked.append((event["contract"], self.running()))
        if self.fails:
            raise RuntimeError("0099_later is not SQL.")
        return {"applied": self.waiting if event["contract"] else []}

    def ask(self, _: str) -> str:
        return self.not_ready

    def running(self) -> str:
        """The release of the main stack, or nothing before there is one."""
        return Stack(self.client("cloudformation"), STACK).outputs().get("Release", "")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    here = World(tmp_path / "checkout", tmp_path / "stages")
    for name in ("functions", "layers", "schema"):
        shutil.copytree(ROOT / name, here.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", here.checkout)
    with aws.running(here.invoke), pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "FOLDER", here.stages)
        patch.setattr(preflight, "commit", aws.always("abc1234"))
        patch.setattr(package, "build", aws.always(here.checkout / "template.yaml"))
        patch.setattr(smoke, "ask", here.ask)
        patch.setattr(smoke, "PAUSE", 0)
        patch.setattr(doctor, "from_here", aws.always([]))
        patch.setattr(schema, "contracting", lambda: here.waiting)
        write_stage(here)
        yield here


def write_stage(world: World) -> None:
    secrets = world.client("secretsmanager")
    arns = {name: secrets.create_secret(Name=name, SecretString="{}")["ARN"] for name in REQUIRED}
    given = arns | {"OidcIssuer": "https://issuer", "OidcJwksUrl": "https://issuer/jwks", "OidcAnyApplication": "yes"}
    lines = [f'region = "{aws.REGION}"', "[parameters]", *(f'{name} = "{value}"' for name, value in given.items())]
    world.stages.mkdir()
    (world.stages / "test.toml").write_text("\n".join(lines))


def uploaded(world: World, layer: str) -> str:
    """Another layer, as `sam package` names what it uploaded."""
    bucket = deploy.reach("test").releases.bucket
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("python/flomastr/__init__.py", f"LAYER = {layer!r}")
    world.client("s3").put_object(Bucket=bucket, Key=layer, Body=archive.getvalue())
    return f"s3://{bucket}/{layer}"


def layers() -> set[str]:
    """Those that all functions have, by the name and version that their live versions have."""
    each = [{layer["Arn"].rpartition("layer:")[2] for layer in found["Layers"]} for found in aws.live(STACK).values()]
    return set[str].intersection(*each)


def releases() -> set[str]:
    return {found["Environment"]["Variables"]["RELEASE"] for found in aws.live(STACK).values()}


def test_a_stage_is_created_updated_rolled_back_and_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # created: the schema while nothing else is there, whole, as no code needs what was taken away
    deploy.deploy("test")
    first = world.running()
    assert world.asked == [(True, "")]
    assert world.examined == 1  # at the end: there was none before
    assert releases() == {first}
    hooks = 1  # whose name begins as CodeDeploy wants it, so it is none of these
    assert len(aws.live(STACK)) == len(list((ROOT / "functions").glob("*/handler.py"))) - hooks
    of_first = layers()

    # updated: a changed layer reaches every function, and what was live keeps its own
    packaged = json.loads((world.checkout / "packaged.json").read_text())
    packaged["Resources"]["FloMastrLayer"]["Properties"]["ContentUri"] = uploaded(world, "changed")
    monkeypatch.setattr(package, "package", aws.always(packaged))
    world.asked.clear()
    deploy.deploy("test")
    second = world.running()
    assert world.asked == [(False, first)]
    assert releases() == {second} != {first}
    assert len(layers() - of_first) == len(of_first - layers()) == 1
    assert {found["Version"] for found in aws.live(STACK).values()} == {"2"}

    # where something fails that a deployment does not mend, the doctor stops it before it is built
    assert world.examined == 3
    world.findings = [
        {"name": "migrations", "status": "fail", "seen": "0099 is needed", "to_do": "Run the migrations."},
        {"name": "row_level_security", "status": "fail", "seen": "Open: workflows", "to_do": "CALL app.isolate."},
    ]
    with pytest.raises(
        StartupError, match=r"(?s)row_level_security: Open: workflows.*STAGE=test ANYWAY=yes"
    ) as stopped:
        deploy.deploy("test")
    assert "0099" not in str(stopped.value)
    assert world.running() == second
    world.findings = world.findings[:1]

    # a migration that fails changes no code
    world.fails = True
    with pytest.raises(StartupError, match=r"(?s)0099_later is not SQL.*No code was changed"):
        deploy.deploy("test")
    assert (world.running(), releases()) == (second, {second})
    world.fails = False

    # what is not ready keeps what the code before needs, and is one command back
    world.asked.clear()
    world.not_ready, world.waiting = "503 schema_behind", ["0099_fewer"]
    with pytest.raises(StartupError, match=r"(?s)not ready: 503 schema_behind.*make rollback STAGE=test"):
        deploy.deploy("test")
    assert [contract for contract, _ in world.asked] == [False]
    world.not_ready = ""
    deploy.rollback("test")
    assert (world.running(), releases()) == (second, {second})

    # rolled back: code and layers of before, a schema that nobody touches
    world.asked.clear()
    deploy.rollback("test")
    assert (world.running(), releases(), layers()) == (first, {first}, of_first)
    assert world.asked == []
    with pytest.raises(StartupError, match=f"No good release of {STACK} came before {first}"):
        deploy.rollback("test")

    # what old code needed is taken away at the end, and then there is no way back
    deploy.deploy("test")
    last = world.running()
    assert world.asked == [(False, first), (True, last)]
    with pytest.raises(StartupError, match=rf"{last} took away what older code needs \(0099_fewer\)"):
        deploy.rollback("test")

    # deleted: what is in the archive outlives the stacks
    for name in (STACK, f"{STACK}-schema"):
        world.client("cloudformation").delete_stack(StackName=name)
    assert world.running() == ""
    assert world.client("lambda").list_functions()["Functions"] == []
    buckets = [bucket["Name"] for bucket in world.client("s3").list_buckets()["Buckets"]]
    assert [name for name in buckets if name.startswith(f"{STACK}-archivebucket")]
