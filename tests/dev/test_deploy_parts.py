"""What a deployment refuses before it changes anything, and the templates that it makes of the one that was built."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws
from samcli import yamlhelper

from dev.aws.template import TEMPLATE
from dev.deploy import deploy, preflight, schema, smoke, stage
from dev.deploy.clients import Clients
from dev.deploy.releases import Release, Releases
from dev.deploy.render import release_name, render
from dev.deploy.stage import Stage, read_stage
from dev.errors import StartupError
from dev.paths import ROOT
from tests.support.aws import REGION, always, transformed
from tests.support.small_schema import write

CONTRACT = "-- migrate: contract\nSELECT 1"
VPC_RIGHTS = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
EXAMPLE = (ROOT / "deploy/example.toml").read_text()


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stage, "FOLDER", tmp_path)
    return tmp_path


def refusal(stages: Path, text: str) -> str:
    (stages / "staging.toml").write_text(text)
    with pytest.raises(StartupError) as problem:
        read_stage("staging")
    return str(problem.value)


def test_the_example_names_what_is_required_and_waits_for_values(stages: Path) -> None:
    refused = refusal(stages, EXAMPLE)
    required = [name for name, found in stage.declared_parameters().items() if "Default" not in found]
    assert len(required) == 6
    assert [name for name in required if not re.search(f"{name} = .<", refused)] == []
    filled = re.sub(r"<.*?>", "value", EXAMPLE)
    (stages / "staging.toml").write_text(filled)
    found = read_stage("staging")
    assert (found.stack, found.schema_stack) == ("flomastr-data-staging", "flomastr-data-staging-schema")
    assert found.parameters["Architecture"] == "arm64"
    assert set(found.secrets) == {"DatabaseSecretArn", "JobSecretArn", "MigrationSecretArn", "SigningSecretArn"}


def test_everything_that_is_missing_or_wrong_is_said_at_once(stages: Path) -> None:
    refused = refusal(
        stages,
        '[parameters]\nDatabaseSecretArn = "a"\nClusterMemory = 3\nMemorySize = "big"\nTypo = "x"\n'
        'OidcAudiences = ","\n'
        'S3Endpoint = "https://fra1.digitaloceanspaces.com"\n',
    )
    for words in (
        'region is missing, such as region = "eu-central-1".',
        "JobSecretArn is missing: The same for jobs; the URL is the direct one, as flo_job.",
        "ClusterMemory = '3': write one of 1, 2, 4, 8, unknown.",
        "MemorySize = 'big': write a number.",
        "OidcAudiences = ',': names an audience, or is empty.",
        "Typo is no parameter of template.yaml.",
        "OidcAuthorizedParties names no application",
        "UploadsBucketName is missing, which S3Endpoint needs.",
        "StorageSecretArn is missing, which S3Endpoint needs.",
    ):
        assert words in refused
    assert "DatabaseSecretArn" not in refused


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "Say which stage"), ("../x", "Say which stage"), ("staging", "copy deploy/example.toml there")],
)
def test_a_stage_without_a_file_is_told_how_to_make_one(stages: Path, name: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        read_stage(name)


@pytest.mark.parametrize("command", [deploy.deploy, deploy.rollback])
def test_without_a_stage_the_command_that_was_meant_is_told(command: Callable[[str], None]) -> None:
    with pytest.raises(StartupError, match=f"make {command.__name__} STAGE=staging"):
        command("")


def test_no_credentials_no_secret_and_a_key_without_a_right_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StartupError, match="AWS takes no credentials"):
        preflight.preflight(Stage("staging", REGION), Clients(REGION))
    with mock_aws():
        secrets = cast(Any, boto3).client("secretsmanager", region_name=REGION)
        keyed = secrets.create_secret(Name="keyed", SecretString="{}", KmsKeyId="arn:aws:kms:::key/own")["ARN"]
        gone = secrets.create_secret(Name="gone", SecretString="{}")["ARN"]
        secrets.delete_secret(SecretId=gone)
        named = {
            "DatabaseSecretArn": keyed,
            "JobSecretArn": gone,
            "SigningSecretArn": "nothing",
            "StorageSecretArn": "",
        }
        with pytest.raises(StartupError) as problem:
            preflight.preflight(Stage("staging", REGION, parameters=named), Clients(REGION))
        assert "DatabaseSecretArn is encrypted with arn:aws:kms:::key/own: name that key" in str(problem.value)
        assert f"JobSecretArn: {gone} is being deleted." in str(problem.value)
        assert "SigningSecretArn: Secrets Manager can't find the specified secret. (nothing)" in str(problem.value)
        with pytest.raises(StartupError, match=r"of account 123456789012, and deploy/staging\.toml names 1"):
            preflight.preflight(Stage("staging", REGION, account="1"), Clients(REGION))


def test_what_is_not_committed_is_not_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "git", always(" M template.yaml\n"))
    with pytest.raises(StartupError, match=r"(?s)Commit or remove.*M template\.yaml"):
        preflight.commit()


def built() -> Any:
    template = cast(Any, yamlhelper).parse_yaml_file(str(TEMPLATE))
    for name, found in template["Resources"].items():
        for place in {"CodeUri", "ContentUri"} & found.get("Properties", {}).keys():
            found["Properties"][place] = f"s3://bucket/{name}"
    return template


def deployed(release: str, in_vpc: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The resources of both stacks, as CloudFormation gets them from SAM's transform."""
    parts = render(built(), release, in_vpc)
    of_schema, of_code = (transformed(json.dumps(part), (("SubnetIds", ""),))["Resources"] for part in parts)
    return of_schema, of_code


def bare(described: Any, path: str = "") -> list[str]:
    """Where a function is named, and not its alias."""
    match described:
        case {"Ref": str(name)} if name.endswith("Function"):
            return [path]
        case {"Fn::GetAtt": [str(name), *_]} if name.endswith("Function"):
            return [path]
        case dict():
            return [place for key, value in cast(Any, described).items() for place in bare(value, f"{path}/{key}")]
        case list():
            return [place for value in cast(Any, described) for place in bare(value, path)]
        case str(text) if re.search(r"\$\{\w+Function(?:\.Arn)?\}(?!:live)", text):
            return [path]
        case _:
            return []


def test_all_that_calls_a_function_calls_its_alias_and_each_release_publishes_all() -> None:
    _, first = deployed("first", in_vpc=False)
    _, second = deployed("second", in_vpc=False)
    calling = [found for found in first.values() if "CloudWatch" not in found["Type"]]
    named = {f"{found['Type']}{place}" for found in calling for place in bare(found.get("Properties", {}))}
    of_alias = {f"AWS::Lambda::{kind}/FunctionName" for kind in ("Version", "Alias", "EventInvokeConfig")}
    assert named == of_alias  # the last has its Qualifier
    configured = [found for found in first.values() if found["Type"] == "AWS::Lambda::EventInvokeConfig"]
    assert {found["Properties"]["Qualifier"] for found in configured} == {"live"}
    versions = [{n for n, found in each.items() if found["Type"] == "AWS::Lambda::Version"} for each in (first, second)]
    assert len(versions[0]) == len(versions[1]) == len(list((ROOT / "functions").glob("*/handler.py")))
    assert versions[0] & versions[1] == set()
    assert len(second) < 450  # CloudFormation takes 500 in one stack


def test_only_functions_in_a_vpc_may_touch_its_network() -> None:
    for in_vpc in (False, True):
        of_schema, of_code = deployed("first", in_vpc)
        roles = [each["Properties"] for each in (of_schema | of_code).values() if each["Type"] == "AWS::IAM::Role"]
        having = [VPC_RIGHTS in role.get("ManagedPolicyArns", []) for role in roles]
        assert any(having) == in_vpc
        assert not in_vpc or having.count(False) == 1  # the schedules' own


def test_the_schema_is_a_stack_of_its_own() -> None:
    of_schema, of_code = render(built(), "first", in_vpc=False)
    assert set(of_schema["Resources"]) == {"MigrateFunction", "DependenciesLayer", "FloMastrLayer", "FunctionLogs"}
    assert "MigrateFunction" not in of_code["Resources"]
    assert set(of_schema["Outputs"]) == {"MigrateFunctionName", "Release"}
    assert set(of_code["Outputs"]) == built()["Outputs"].keys() - {"MigrateFunctionName"} | {"Release"}


def test_a_release_is_named_by_its_moment_its_version_and_its_commit() -> None:
    moment = datetime(2026, 11, 27, 2, 15, 30, tzinfo=UTC)
    name = release_name(built(), "d829b04", moment)
    version = re.search(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert name == f"20261127T021530Z-{version[1]}-d829b04"


def test_a_release_that_took_away_what_older_code_needs_is_not_rolled_back() -> None:
    with mock_aws():
        s3: Any = cast(Any, boto3).client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="sam")
        releases = Releases(s3, "sam", "stack")
        releases.record(Release("1", "url", {}))
        releases.record(Release("2", "url", {}, ["0071_drop"]))
        assert releases.before("2.5").name == "2"
        with pytest.raises(StartupError, match=r"2 took away what older code needs \(0071_drop\). Go forward"):
            releases.before("2")
        releases.forget("2")
        assert releases.before("2").name == "1"
        with pytest.raises(StartupError, match="No good release of stack came before 1"):
            releases.before("1")


def test_the_last_migrations_may_take_away_what_older_code_needs(tmp_path: Path) -> None:
    for name, text in (("0001_more", "SELECT 1"), ("0002_fewer", CONTRACT), ("0003_fewer", CONTRACT)):
        write(tmp_path, name, text)
    assert schema.contracting(tmp_path) == ["0003_fewer", "0002_fewer"]
    write(tmp_path, "0004_more", "SELECT 1")
    assert schema.contracting(tmp_path) == []


def test_a_smoke_test_asks_again_and_says_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["404 {}", "503 schema_behind", ""])
    asked = list[str]()
    monkeypatch.setattr(smoke, "PAUSE", 0)

    def ask(url: str) -> str:
        asked.append(url)
        return next(answers)

    monkeypatch.setattr(smoke, "ask", ask)
    smoke.smoke("https://api")
    assert asked == ["https://api/routes/health/ready"] * 3


def test_a_stack_that_make_deploy_did_not_make_is_not_rolled_back(
    stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stages / "staging.toml").write_text(re.sub(r"<.*?>", "value", EXAMPLE))
    monkeypatch.setattr(preflight, "preflight", always(None))
    with mock_aws(), pytest.raises(StartupError, match="was not deployed by make deploy"):
        deploy.rollback("staging")
