from collections.abc import Generator
from pathlib import Path

import pytest

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


@pytest.fixture
def running(collection: Path, data: Path) -> Generator[Running]:
    with running_platform(collection, data) as running:
        yield running
