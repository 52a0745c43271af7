"""A network and a database that fail at a test's word."""

from collections.abc import Generator
from typing import Any

import pytest

from flomastr.database import pipeline
from tests.support.connected import connected, port_of, through
from tests.support.factories import Factory, Tenant
from tests.support.failing_queries import FAILING_QUERIES, Superuser
from tests.support.network_stack import Stack, standing
from tests.support.proxy import Proxy, proxy


@pytest.fixture
def network(database_url: str) -> Generator[Proxy]:
    """What is between the function and its database."""
    with proxy(port_of(database_url)) as network, connected(DATABASE_URL=through(network.port, database_url)):
        yield network


@pytest.fixture(scope="session")
def fragile() -> Generator[Stack]:
    with standing() as stack:
        yield stack


@pytest.fixture
def stack(fragile: Stack) -> Generator[Stack]:
    """A sandbox on a stack of its own, which the other tests do not use."""
    with connected(DATABASE_URL=fragile.url):
        yield fragile
        fragile.network.blackhole = False


@pytest.fixture(scope="session")
def failing_queries(superuser: Superuser) -> None:
    superuser.execute(FAILING_QUERIES)


@pytest.fixture
def attempts(failing_queries: None, superuser: Superuser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts what is sent."""
    send = pipeline.send

    def counted(*executed: Any) -> Any:
        superuser.execute("UPDATE public.attempts SET number = number + 1")
        return send(*executed)

    superuser.execute("UPDATE public.attempts SET number = 0; TRUNCATE public.written")
    monkeypatch.setattr(pipeline, "send", counted)


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    return make.tenant()
