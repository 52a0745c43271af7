"""What a request takes in round trips where the pooler is 20 ms away: what it computes included."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pytest

from flomastr.database import pipeline
from tests.benchmarks.report import Goal, Report
from tests.support.connected import connected, port_of, through
from tests.support.events import Answer
from tests.support.factories import Factory
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import proxy
from tests.support.simple_requests import simple_requests

ROUND_TRIP = 0.020
LIMIT = 1.5  # round trips
WARM, SAMPLES = 7, 15  # a backend plans a function anew for its first five calls
GROUP = "Round trips of 20 ms, in the database layer"

pytestmark = needs_pgbouncer


@pytest.fixture
def far(database_url: str) -> Iterator[None]:
    """The pooler is a round trip of 20 ms away."""
    with proxy(port_of(database_url)) as network, connected(DATABASE_URL=through(network.port, database_url)):
        network.latency(ROUND_TRIP)
        yield


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each pipeline took."""
    taken, execute = list[float](), pipeline.execute

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args, **kwargs)
        finally:
            taken.append(time.perf_counter() - began)

    monkeypatch.setattr(pipeline, "execute", timed)
    return taken


def test_simple_requests_take_one_round_trip(make: Factory, far: None, seconds: list[float], report: Report) -> None:
    for name, ask in simple_requests(make).items():
        report.add(GROUP, name, {"round trips": trips(ask, seconds)}, Goal("round trips", at_most=LIMIT))
    assert report.missed(GROUP) == []


def trips(ask: Callable[[], Answer], seconds: list[float]) -> float:
    assert all(ask().status < 300 for _ in range(WARM))
    seconds.clear()
    assert all(ask().status < 300 for _ in range(SAMPLES))
    return median(seconds) / ROUND_TRIP
