"""Time in tests: a clock that only sleeping moves, and a bound that only what hangs goes beyond."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

HANGS = 60.0  # seconds; what takes longer on however busy a machine does not end


@dataclass
class Clock:
    """Stands in for the module `time`, an hour ahead of it, so that what is measured by the real one is not late."""

    now: float = field(default_factory=lambda: time.monotonic() + 3600)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def until(true: Callable[[], object]) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < HANGS
        time.sleep(0.01)
