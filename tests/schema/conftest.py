"""Databases of a test's own, to break or to fill from nothing."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services.postgres import Cluster, create_database
from tests.support.databases import copy, dropped_after
from tests.support.small_schema import FILES, FUNCTIONS, write


@pytest.fixture
def scratch(server: Cluster) -> Iterator[str]:
    """The name of a migrated database."""
    with copy(server) as name:
        yield name


@pytest.fixture
def nothing(server: Cluster) -> Iterator[str]:
    """The migrating role's URL of a database that no migration has met."""
    name = f"nothing_{secrets.token_hex(4)}"
    url = create_database(server, name)
    with dropped_after(server, name):
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (FILES | FUNCTIONS).items():
        write(tmp_path, name, text)
    return tmp_path
