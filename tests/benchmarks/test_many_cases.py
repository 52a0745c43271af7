"""Twenty thousand requests that the OpenAPI document allows or forbids: ten times what `make test` sends."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.benchmarks.report import Goal, Report
from tests.conftest import Cluster
from tests.support.openapi_strategies import COLLECTION, QUIETLY, Platform, in_sequence, platform, read

pytestmark = pytest.mark.timeout(1800)

CASES_OF_AN_OPERATION = 220  # and some 70 at boundaries
SEQUENCES, STEPS = 70, 20


@pytest.fixture(scope="module")
def tested(server: Cluster, report: Report) -> Iterator[Platform]:
    with platform(server) as found:
        yield found
    figures: dict[str, float] = {"cases": len(found.cases), "requests": COLLECTION.requests}
    report.add("Schemathesis", f"{len(set(found.cases))} operations", figures, Goal("cases", at_least=20_000))


@read(boundaries=True).parametrize()
@settings(QUIETLY, max_examples=CASES_OF_AN_OPERATION)
def test_every_answer_is_as_described(case: Any, tested: Platform) -> None:
    tested.ask(case)


def test_what_one_answer_names_the_next_request_may_use(tested: Platform) -> None:
    for seed in range(1000, 1000 + SEQUENCES):
        in_sequence(tested, seed, STEPS)
    assert tested.failures == []
