"""A sandbox whose functions reach the database by a URL of the test's choice."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict

from flomastr.database import connection, replica
from flomastr.settings import settings


@contextmanager
def connected(**environment: str) -> Generator[None]:
    """As a cold start: no connection yet, and the environment read anew."""
    before = {name: value for name, value in os.environ.items() if name in environment}
    renew(environment)
    try:
        yield
    finally:
        for name in environment.keys() - before.keys():
            del os.environ[name]
        renew(before)


def renew(environment: dict[str, str]) -> None:
    connection.discard()
    replica.discard()
    os.environ |= environment
    settings.cache_clear()


def port_of(url: str) -> int:
    return int(str(conninfo_to_dict(url)["port"]))


def through(port: int, url: str) -> str:
    """The URL by way of another port of this machine."""
    parts = conninfo_to_dict(url)
    return f"postgresql://{parts['user']}@127.0.0.1:{port}/{parts['dbname']}"
