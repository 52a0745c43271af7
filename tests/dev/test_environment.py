"""What the template's functions find around them on this machine."""

from pathlib import Path

import pytest

from dev.aws import environment
from dev.aws.template import Template, read_template
from dev.services.database import Database
from dev.services.object_storage import Storage

DATABASE = Database("as the owner", "as flo_app", "as flo_job")


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(parameters=environment.parameters("http://127.0.0.1:3000"))


def test_the_template_has_the_names_of_the_models_and_their_address() -> None:
    given = environment.parameters("http://127.0.0.1:3000", "http://127.0.0.1:4001/v1")
    assert given["EmbeddingsUrl"] == "http://127.0.0.1:4001/v1"
    assert given["EmbeddingModels"] == "wordllama-256,wordllama-64"


def test_a_function_finds_the_queue_that_its_template_names(
    fed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "installed", not_installed)
    parameters = environment.parameters("http://127.0.0.1:3000", "http://127.0.0.1:4001/v1")
    functions = read_template(fed / "template.yaml", parameters).functions
    found = {
        name: environment.variables(function, "", tmp_path, DATABASE, Storage(4000, 1))
        for name, function in functions.items()
    }
    assert found["SendFunction"]["EMBED_QUEUE_URL"] == "http://127.0.0.1:4000/123456789012/WorkQueue"
    assert found["SendFunction"]["SQS_ENDPOINT"] == "http://127.0.0.1:4000"
    assert found["SendFunction"]["EMBEDDINGS_URL"] == "http://127.0.0.1:4001/v1"
    assert not {"EMBED_QUEUE_URL", "SQS_ENDPOINT", "EMBEDDINGS_URL"} & found["WorkFunction"].keys()


def not_installed(_requirements: Path, data: Path, name: str) -> Path:
    return data / name


@pytest.fixture
def found(template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """The variables of each function."""
    monkeypatch.setattr(environment, "installed", not_installed)
    return {
        name: environment.variables(function, "", tmp_path, DATABASE, Storage(4000, 1))
        for name, function in template.functions.items()
    }


def test_requests_jobs_and_migrations_each_have_their_url(found: dict[str, dict[str, str]], template: Template) -> None:
    urls = {name: variables["DATABASE_URL"] for name, variables in found.items()}
    jobs = {name for name, function in template.functions.items() if function.schedules or function.queues}
    jobs -= {"IngestFunction"}  # which stores documents as requests do
    assert {name for name, url in urls.items() if url == "as flo_job"} == jobs
    assert {name for name, url in urls.items() if url == "as the owner"} == {"MigrateFunction"}
    assert set(urls.values()) == {"as the owner", "as flo_app", "as flo_job"}


def test_only_functions_over_the_archive_have_its_address(found: dict[str, dict[str, str]]) -> None:
    with_bucket = {name: variables for name, variables in found.items() if "ARCHIVE_BUCKET" in variables}
    assert {(v["ARCHIVE_BUCKET"], v["S3_ENDPOINT"]) for v in with_bucket.values()} == {
        ("archive", "http://127.0.0.1:4000")
    }
    assert (
        "HistoryFunction" in with_bucket and "ArchiveFunction" in with_bucket and "WorkflowsFunction" not in with_bucket
    )


def test_a_job_has_the_time_and_the_memory_of_its_template(
    template: Template, found: dict[str, dict[str, str]]
) -> None:
    assert template.function("archive").timeout == 900
    assert found["ArchiveFunction"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "1769"
    assert found["ArchiveFunction"]["AWS_ACCESS_KEY_ID"] == "local"
