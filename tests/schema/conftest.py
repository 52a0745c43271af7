"""Databases of a test's own, to break or to fill from nothing."""

import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dev.services.postgres import Cluster, create_database
from tests.support.small_schema import FILES, FUNCTIONS, write


@contextmanager
def dropped_after(server: Cluster, name: str) -> Generator[str]:
    try:
        yield name
    finally:
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def scratch(server: Cluster) -> Iterator[str]:
    """The name of a migrated database."""
    name = f"scratch_{secrets.token_hex(4)}"
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as conn:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE template OWNER flomastr_admin")
        conn.execute(made.format(sql.Identifier(name)))
    with dropped_after(server, name):
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
