"""When a scheduled job is due."""

from datetime import UTC, datetime

import pytest

from flomastr.jobs import due_moment


@pytest.mark.parametrize("time", ["2026-11-01T03:00:00Z", "2026-11-01T04:00:00+01:00", "2026-11-01T03:00:00"])
def test_a_job_is_due_when_its_event_says_in_utc_if_that_names_no_offset(time: str) -> None:
    assert due_moment({"time": time}) == datetime(2026, 11, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize("event", [{}, {"time": None}, {"time": "9999-01-01T00:00:00Z"}])
def test_a_job_is_never_due_later_than_now(event: dict[str, str]) -> None:
    before = datetime.now(UTC)
    assert before <= due_moment(event) <= datetime.now(UTC)
