"""The comparison of `make n8n` sees each difference, and without n8n it says what to do."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dev.n8n.comparison import Run
from tests.support.dev_process import run

STARTED, STOPPED = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
RUN = Run(1, "Refunds", "success", "webhook", STARTED, STOPPED)
FLATTED = [{"resultData": "1"}, {"runData": "2"}, {"Code": "3"}, ["4"], {"json": "5"}, {"text": "6"}, "a\x00b"]
WITH_DATA = replace(RUN, data=json.dumps(FLATTED))
RECORDED = {
    "status": "success",
    "mode": "webhook",
    "started_at": "2026-01-02T03:04:05.678000Z",
    "finished_at": "2026-01-02T03:04:06Z",
    "execution_data": None,
}


def test_a_run_that_is_recorded_as_it_was_does_not_differ() -> None:
    assert RUN.differs([RECORDED]) == ""


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"status": "error"}, "status"),
        ({"mode": "retry"}, "mode"),
        ({"started_at": "2026-01-02T03:04:05.677000Z"}, "started"),
        ({"finished_at": None}, "finished"),
    ],
)
def test_a_difference_has_a_name(changed: dict[str, Any], difference: str) -> None:
    assert RUN.differs([RECORDED | changed]) == difference


def recorded_data(text: str) -> dict[str, Any]:
    return {"execution_data": {"mode": "webhook", "resultData": {"runData": {"Code": [{"json": {"text": text}}]}}}}


def test_the_data_of_nodes_are_those_of_n8ns_database_as_they_can_be_stored() -> None:
    assert WITH_DATA.differs([RECORDED | recorded_data("a\ufffdb")]) == ""
    assert WITH_DATA.differs([RECORDED | recorded_data("ab")]) == "data"
    assert WITH_DATA.differs([RECORDED]) == "data"
    assert WITH_DATA.differs([RECORDED | {"execution_data": {"resultData": {"lastNodeExecuted": "Code"}}}]) == "data"


@pytest.mark.parametrize(
    "data", ["", "[{}]", "broken", json.dumps([{"resultData": "1"}, {"runData": "2"}, {"Code": "3"}, "x" * 4_000_001])]
)
def test_what_n8n_has_not_or_reporters_leave_out_is_not_compared(data: str) -> None:
    assert replace(RUN, data=data).differs([RECORDED]) == ""


def test_a_run_is_recorded_once() -> None:
    assert RUN.differs([]) == "missing"
    assert RUN.differs([RECORDED, RECORDED]) == "doubled"


def test_without_n8n_it_says_how_to_install_it(tmp_path: Path) -> None:
    ended = run("n8n", "--installed", tmp_path / "n8n", "--data", tmp_path)
    assert ended.returncode == 0
    assert f"npm install --prefix {tmp_path / 'n8n'} --ignore-scripts" in ended.stdout
    assert list(tmp_path.iterdir()) == []
