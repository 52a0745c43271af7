"""EventBridge's part: what has a schedule runs once at the start, then each time that it is due."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_croniter import AwsCroniter

from dev.aws.authorizer import Invoke
from dev.aws.events import scheduled_event
from dev.aws.sandbox import FunctionFailedError
from dev.aws.template import Function
from dev.console import console
from dev.errors import StartupError

type Calendar = Callable[[datetime], datetime]

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
CRON = re.compile(r"cron\((.+)\)")


async def run_schedules(functions: Iterable[Function], invoke: Invoke) -> None:
    """Run until cancelled; a run that fails is reported and tried again when it is next due."""
    scheduled = [(function.name, calendar(schedule)) for function in functions for schedule in function.schedules]
    for function, _ in scheduled:  # one after the other, as the template has them
        await _tick(function, invoke)
    async with asyncio.TaskGroup() as group:
        for function, next_time in scheduled:
            group.create_task(_repeat(function, next_time, invoke))


def calendar(schedule: str) -> Calendar:
    """A function from a moment to the next at which the schedule is due. Raises StartupError for an unknown form."""
    if found := RATE.fullmatch(schedule):
        pause = int(found[1]) * UNITS[found[2]]
        return lambda now: now + pause
    if found := CRON.fullmatch(schedule):
        return _cron(found[1])
    raise StartupError(
        f"The local platform knows schedules such as rate(1 day) and cron(0 1 * * ? *), but not {schedule}."
    )


def _cron(expression: str) -> Calendar:
    try:
        cron: Any = AwsCroniter(expression)  # which has no types
    except ValueError as error:
        raise StartupError(f"The schedule cron({expression}) is malformed: {error}") from error
    return lambda now: cron.get_next(now)[0]


async def _repeat(function: str, next_time: Calendar, invoke: Invoke) -> None:
    while True:
        now = datetime.now(UTC)
        await asyncio.sleep((next_time(now) - now).total_seconds())
        await _tick(function, invoke)


async def _tick(function: str, invoke: Invoke) -> None:
    try:
        await invoke(function, json.dumps(scheduled_event()).encode())
    except FunctionFailedError as failure:
        console.print(str(failure), markup=False)
