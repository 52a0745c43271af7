"""Benchmarks run by `make bench` alone: without --benchmarks this folder is not even collected."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.paths import ROOT
from dev.services.embeddings_server import embeddings
from flomastr.observability import logger
from tests.benchmarks.report import Report
from tests.benchmarks.sample_tenant import SampleTenant, load_sample_tenant
from tests.benchmarks.searching import MODEL
from tests.benchmarks.serving import RunningPlatform, running_platform
from tests.conftest import Cluster
from tests.support.connected import connected
from tests.support.factories import Factory

DATA = ROOT / ".local" / "bench"  # kept, so that packages are installed once


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("--benchmarks") else True


@pytest.fixture(scope="session", autouse=True)
def no_metrics() -> None:
    """They would be printed between the tables."""
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    report = Report()
    yield report
    report.show()
    report.store(ROOT / "benchmarks.json")


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def sample(make: Factory, server: Cluster, database: str) -> SampleTenant:
    return load_sample_tenant(make, server.url("postgres", database))


@pytest.fixture(scope="session")
def api(server: Cluster, database: str, data: Path, sample: SampleTenant) -> Iterator[RunningPlatform]:
    """The platform as `make run` serves it, on the database with the sample tenant."""
    with running_platform(data, server.url("flomastr_admin", database), sample.tenant.owner) as api:
        yield api


@pytest.fixture(scope="session")
def quiet() -> Iterator[None]:
    """Without the warnings that there is no queue: what it would hand over is handed over here."""
    level = logger.log_level
    logger.setLevel("ERROR")
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def model(quiet: None, data: Path) -> Iterator[None]:
    with embeddings(data) as model, connected(EMBEDDINGS_URL=model.url, EMBEDDING_MODELS=MODEL):
        model.wait()
        yield
