"""Timing calls in turn, so that what else the machine does falls on all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

type Call = Callable[[], object]


@dataclass
class Times:
    """Milliseconds of each call: of the clock, and of this process's CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(self.wall)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.wall, n=100)[98]

    @property
    def cpu_p50(self) -> float:
        return statistics.median(self.cpu)

    def measure(self, call: Call) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        self.wall.append((time.perf_counter() - wall) * 1000)
        self.cpu.append((time.process_time() - cpu) * 1000)


def in_turn(calls: Mapping[str, Call], rounds: int, unmeasured: int = 10) -> dict[str, Times]:
    """Every call once a round. The first rounds warm up what there is to warm and do not count."""
    for call in list(calls.values()) * unmeasured:
        call()
    times = {name: Times() for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].measure(call)
    return times
