"""One embedded Postgres a run, a migrated template, and a database a worker copied from it."""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.aws.packages import installed
from dev.paths import ROOT
from dev.services.postgres import Cluster, cluster, create_database
from flomastr.database import connection
from flomastr.object_storage import client
from flomastr.settings import settings
from schema.migrate import migrate
from tests.support import embeddings_endpoint, pgbouncer, s3
from tests.support.connected import connected
from tests.support.databases import make_copy
from tests.support.embeddings_endpoint import Endpoint
from tests.support.factories import Factory
from tests.support.packages import with_packages

RUN = ExitStack()
LONGEST = ["test_schemathesis.py", "test_kills.py", "test_serve.py", "test_sam_local.py", "test_erase.py"]
CLUSTER = "FLOMASTR_TEST_CLUSTER"  # "port pid password": what the workers need to know


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmarks", action="store_true", help="measure, and write benchmarks.json")
    parser.addoption("--no-skips", action="store_true", help="fail where a test would be skipped")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped: {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or CLUSTER in os.environ:
        return
    data = Path(RUN.enter_context(tempfile.TemporaryDirectory(prefix="flomastr-tests-")))
    data.chmod(0o755)  # PgBouncer runs as nobody and reads its configuration here
    ends_with_the_run = [] if config.getoption("--benchmarks") else ["fsync=off"]
    server = RUN.enter_context(cluster(data, settings=ends_with_the_run))
    migrate(create_database(server, "template"))
    os.environ[CLUSTER] = f"{server.port} {server.pid} {server.password}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, so that no worker begins one when the others have ended."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ.pop(CLUSTER, None)
        RUN.close()


@pytest.fixture(scope="session")
def server() -> Cluster:
    port, pid, password = os.environ[CLUSTER].split()
    return Cluster(int(port), int(pid), password)


@pytest.fixture(scope="session")
def database(server: Cluster) -> str:
    """The name of this worker's database."""
    name = f"test_{secrets.token_hex(4)}"
    make_copy(server, name)
    return name


@pytest.fixture(scope="session")
def direct_url(server: Cluster, database: str) -> str:
    return server.url("flo_app", database)


@pytest.fixture(scope="session")
def embeddings() -> Iterator[Endpoint]:
    """What the functions ask for vectors."""
    with embeddings_endpoint.running() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def database_url(direct_url: str, embeddings: Endpoint) -> Iterator[str]:
    """What the functions connect to: PgBouncer 1.18 in transaction mode where it is installed, else Postgres itself."""
    with ExitStack() as stack:
        url = direct_url
        if pgbouncer.BINARY:
            url = stack.enter_context(pgbouncer.pgbouncer(url))
        os.environ |= {"DATABASE_URL": url, "EMBEDDINGS_URL": embeddings.url, **s3.NOWHERE}
        settings.cache_clear()  # a handler may have read them while the tests were collected
        yield url
        connection.discard()


@pytest.fixture(scope="session")
def job_url(server: Cluster, database: str) -> str:
    """What jobs connect to: Postgres itself, as flo_job."""
    return server.url("flo_job", database)


@pytest.fixture
def as_job(job_url: str) -> Iterator[None]:
    """For one test the environment is a job's, so that its handler may be called."""
    with connected(DATABASE_URL=job_url):
        yield


@pytest.fixture(scope="session")
def bucket(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    """This worker's bucket, which the environment names from now on."""
    with s3.running(tmp_path_factory.mktemp("storage")) as bucket:
        os.environ |= s3.environment(bucket)
        settings.cache_clear()
        client.cache_clear()
        yield bucket


@pytest.fixture(scope="session")
def make(direct_url: str) -> Iterator[Factory]:
    """Makes rows as flo_app, each tenant new, so that tests share a database and nothing else."""
    with psycopg.connect(direct_url, autocommit=True) as conn:
        yield Factory(conn)


@pytest.fixture(scope="session")
def superuser(server: Cluster, database: str) -> Iterator[psycopg.Connection[Any]]:
    """Sees every tenant's rows, and may do what the platform never does."""
    with psycopg.connect(server.url("postgres", database), autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def packages() -> list[Path]:
    """What functions import, where `make run` keeps it: installed by the process that comes first, since it is slow."""
    kept = ROOT / ".local"
    kept.mkdir(exist_ok=True)
    with (kept / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        layers = ("dependencies", "lake")
        return [
            *(installed(ROOT / "layers" / layer / "requirements.txt", kept, layer) for layer in layers),
            installed(ROOT / "dev" / "runtime.txt", kept, "runtime"),
        ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, packages: list[Path]) -> Path:
    """Where a platform keeps all, with its packages there already."""
    return with_packages(tmp_path_factory.mktemp("data"), packages)


@pytest.fixture
def own_data(tmp_path: Path, packages: list[Path]) -> Path:
    """The same for one test, which leaves it as nobody else could use it."""
    return with_packages(tmp_path, packages)
