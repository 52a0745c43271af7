import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dev.aws.sandbox import FunctionFailedError
from dev.aws.scheduler import calendar, run_schedules
from dev.aws.template import Function, read_template
from dev.errors import StartupError

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("rate(1 minute)", "2026-11-18T12:01"),
        ("rate(5 minutes)", "2026-11-18T12:05"),
        ("rate(2 hours)", "2026-11-18T14:00"),
        ("rate(1 day)", "2026-11-19T12:00"),
        ("cron(0 13 * * ? *)", "2026-11-18T13:00"),
        ("cron(0 12 * * ? *)", "2026-11-19T12:00"),
        ("cron(0 1 * * ? *)", "2026-11-19T01:00"),
        ("cron(0 4 ? * SUN *)", "2026-11-22T04:00"),
        ("cron(0 4 ? * 1 *)", "2026-11-22T04:00"),
    ],
)
def test_a_schedule_is_due_when_eventbridge_has_it_due(schedule: str, due: str) -> None:
    assert calendar(schedule)(NOON) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "schedule", ["at(2026-11-18T12:00:00)", "rate(1 week)", "cron(0 1 * * *)", "cron(61 1 * * ? *)"]
)
def test_a_schedule_that_is_none_is_reported(schedule: str) -> None:
    with pytest.raises(StartupError, match="schedule"):
        calendar(schedule)


def test_every_schedule_of_the_template_is_understood() -> None:
    schedules = [schedule for function in read_template().functions.values() for schedule in function.schedules]
    assert len([calendar(schedule)(NOON) for schedule in schedules]) == 12


def scheduled(name: str, *schedules: str) -> Function:
    return Function(name, Path(), "", (), {}, 1, 128, schedules, ())


async def times_kept(functions: list[Function], ended: asyncio.Event, failing: str = "") -> list[str]:
    """What began and ended until the last of them had its turn."""
    seen: list[str] = []

    async def invoke(function: str, event: bytes) -> bytes:
        seen.append(f"{function} begins")
        await asyncio.sleep(0.01)
        seen.append(f"{function} ends")
        if function == functions[-1].name:
            ended.set()
        if function == failing:
            raise FunctionFailedError(f"{function} failed")
        return b""

    keeping = asyncio.create_task(run_schedules(functions, invoke))
    await asyncio.wait_for(ended.wait(), 5)
    keeping.cancel()
    return seen


FUNCTIONS = [scheduled("Second", "rate(1 day)"), scheduled("Never"), scheduled("First", "cron(0 1 * * ? *)")]
IN_TURN = ["Second begins", "Second ends", "First begins", "First ends"]


def run(failing: str = "") -> list[str]:
    with asyncio.Runner() as runner:
        return runner.run(times_kept(FUNCTIONS, asyncio.Event(), failing))


def test_at_the_start_what_is_scheduled_runs_in_the_templates_order_one_after_the_other() -> None:
    assert run() == IN_TURN


def test_a_run_that_fails_keeps_nobody_else_from_running(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(failing="Second") == IN_TURN
    assert "Second failed" in capsys.readouterr().out


def test_what_is_due_runs_again() -> None:
    seen: list[str] = []

    async def invoke(function: str, event: bytes) -> bytes:
        seen.append(function)
        return b""

    async def keep(seconds: float) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_schedules([scheduled("Often", "rate(0 minutes)")], invoke), seconds)

    with asyncio.Runner() as runner:
        runner.run(keep(0.1))
    assert len(seen) > 2
