"""One request, one round trip: authorization and commit included, PgBouncer 1.18 in transaction mode between."""

from typing import Any

import pytest

from flomastr.database import pipeline
from tests.support.factories import Factory, Tenant
from tests.support.failing_queries import executed, simple
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import Proxy
from tests.support.simple_requests import simple_requests

ADMITTED_FIRST = {"PUT document", "POST search"}  # since what follows costs more than a round trip
WARM, SAMPLES = 7, 15  # a backend plans a function anew for its first five calls

pytestmark = needs_pgbouncer


@pytest.fixture
def pipelines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was sent."""
    executed, execute = list[Any](), pipeline.execute

    def noted(queries: Any, *args: Any, **kwargs: Any) -> Any:
        executed.append(queries)
        return execute(queries, *args, **kwargs)

    monkeypatch.setattr(pipeline, "execute", noted)
    return executed


def test_every_simple_request_takes_one_round_trip(make: Factory, network: Proxy, pipelines: list[Any]) -> None:
    turns = dict[str, list[int]]()
    for name, ask in simple_requests(make).items():
        assert all(ask().status < 300 for _ in range(WARM))
        pipelines.clear()
        turns[name] = []
        for _ in range(SAMPLES):
            with network.counting_turns():
                assert ask().status < 300
            turns[name].append(network.turns)
        assert len(pipelines) == SAMPLES * (2 if name in ADMITTED_FIRST else 1)
    assert turns == {name: [2 if name in ADMITTED_FIRST else 1] * SAMPLES for name in turns}
    assert len(turns) == 13


def test_what_is_sent_after_an_answer_is_a_round_trip_more(tenant: Tenant, network: Proxy) -> None:
    one = simple("SELECT 1 AS attempt")
    executed(tenant, one)
    for times in (1, 2, 5):
        with network.counting_turns():
            for _ in range(times):
                executed(tenant, one, one)
        assert network.turns == times
