"""Requests that the OpenAPI document allows or forbids, alone and in sequences: the functions keep to it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.conftest import Cluster
from tests.support.openapi_strategies import QUIETLY, SCHEMA, Platform, in_sequence, platform

CASES_OF_AN_OPERATION = 24  # some 1,500 in all
SEQUENCES, STEPS = 7, 20  # some 500 more


@pytest.fixture(scope="module")
def tested(server: Cluster) -> Iterator[Platform]:
    with platform(server) as found:
        yield found


@SCHEMA.parametrize()
@settings(QUIETLY, max_examples=CASES_OF_AN_OPERATION)
def test_every_answer_is_as_described(case: Any, tested: Platform) -> None:
    tested.ask(case)


def test_what_one_answer_names_the_next_request_may_use(tested: Platform) -> None:
    before = len(tested.cases)
    for seed in range(SEQUENCES):
        in_sequence(tested, seed, STEPS)
    assert tested.failures == []
    assert len(tested.cases) - before >= SEQUENCES * STEPS
