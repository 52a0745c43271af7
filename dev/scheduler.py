"""EventBridge's part: what has a schedule runs at the start, then each time that it is due."""

import asyncio
import json
import re
from collections.abc import Iterable

from dev.authorizer import Invoke
from dev.events import scheduled_event
from dev.problems import Problem
from dev.sandbox import FunctionFailed
from dev.screen import console
from dev.template import Function

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


async def keep_time(functions: Iterable[Function], invoke: Invoke) -> None:
    """Run until cancelled; a run that fails is told and tried again when it is next due."""
    async with asyncio.TaskGroup() as group:
        for function in functions:
            for schedule in function.schedules:
                group.create_task(_repeat(function.name, seconds_between(schedule), invoke))


def seconds_between(schedule: str) -> int:
    """The pause that a rate asks for."""
    if found := RATE.fullmatch(schedule):
        return int(found[1]) * SECONDS[found[2]]
    raise Problem(f"The local platform knows schedules such as rate(1 day), but not {schedule}.")


async def _repeat(function: str, seconds: int, invoke: Invoke) -> None:
    while True:
        try:
            await invoke(function, json.dumps(scheduled_event()).encode())
        except FunctionFailed as failure:
            console.print(str(failure), markup=False)
        await asyncio.sleep(seconds)
