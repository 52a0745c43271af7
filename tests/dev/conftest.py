import fcntl
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from dev.aws.packages import installed
from dev.paths import ROOT
from tests.support.local_platform import FED, FILES, Running, running_platform


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """The folder with the collection's template and code."""
    return written(FILES, tmp_path / "collection")


@pytest.fixture
def fed(tmp_path: Path) -> Path:
    """The folder of another collection, whose functions are fed from queues."""
    return written(FED, tmp_path / "fed")


def written(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What functions import, installed by whichever test process comes first, for it takes seconds."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        layers = ("dependencies", "lake")
        return [
            *(installed(ROOT / "layers" / layer / "requirements.txt", shared, layer) for layer in layers),
            installed(ROOT / "dev" / "runtime.txt", shared, "runtime"),
        ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, packages: list[Path]) -> Path:
    """Where a platform keeps all, with its packages there already."""
    return with_packages(tmp_path_factory.mktemp("data"), packages)


@pytest.fixture
def own_data(tmp_path: Path, packages: list[Path]) -> Path:
    """The same for one test, which leaves it as nobody else could use it."""
    return with_packages(tmp_path, packages)


def with_packages(folder: Path, packages: list[Path]) -> Path:
    for package in packages:
        (folder / package.name).symlink_to(package)
    return folder


@pytest.fixture
def running(collection: Path, data: Path) -> Generator[Running]:
    with running_platform(collection, data) as running:
        yield running
