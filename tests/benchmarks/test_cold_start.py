"""How long the first request of a new process takes, beside the bare imports of the packages under it."""

import asyncio
import json
import os
import time
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from socket import create_server, socket
from typing import Any

import pytest

from dev.aws.environment import parameters
from dev.aws.platform import HOST, Platform, address, platform
from dev.aws.template import Template, read_template
from dev.paths import ROOT
from dev.services.database import Database
from dev.services.object_storage import Storage, storage
from dev.services.oidc_issuer import Identity
from tests.benchmarks.first_requests import BARE, BARE_AUTHORIZER, BARE_LAKE, First, first_requests
from tests.benchmarks.measure import Times
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.conftest import Cluster
from tests.support.factories import Factory

pytestmark = pytest.mark.timeout(600)

FOLDER = Path(__file__).parent
FLOORS = {  # a function that imports packages and does nothing, and the one whose layers it has
    BARE: ("bare", "WorkflowsFunction"),
    BARE_AUTHORIZER: ("bare_authorizer", "AuthorizerFunction"),
    BARE_LAKE: ("bare_lake", "ArchiveFunction"),
}
GROUP = "Cold start: a new process under awslambdaric"
GOAL = Goal("x bare imports", at_most=1.25)
ROUNDS = 10


def test_cold_start_of_every_function(
    make: Factory, sample: SampleTenant, server: Cluster, database: str, data: Path, report: Report, tmp_path: Path
) -> None:
    for code in (ROOT / "functions", ROOT / "layers", ROOT / "schema", FOLDER):
        compile_dir(code, quiet=1)  # functions write no bytecode, and that of the packages came with them
    found = Database(
        server.url("flomastr_admin", database), os.environ["DATABASE_URL"], server.url("flo_job", database)
    )
    firsts = [First(floor, {}, floor) for floor in FLOORS]
    firsts += first_requests(read_template(parameters=parameters("")), make, sample, Identity(data))
    # In a thread, since asyncio.run leaves the thread without the event loop that handlers in this process use.
    with storage(tmp_path) as bucket, create_server((HOST, 0)) as listener, ThreadPoolExecutor(1) as thread:
        times = thread.submit(asyncio.run, measure(firsts, listener, data, found, bucket)).result()
    for first in firsts:
        goal = None if first.function in FLOORS else GOAL
        report.add(GROUP, first.function, compared(times[first.function], times[first.floor]), goal)


def compared(times: Times, floor: Times) -> dict[str, float]:
    """The CPU's time beside the clock's: on a machine with other work to do, it is the steadier one."""
    return {
        "ms": times.p50,
        "x bare imports": times.p50 / floor.p50,
        "CPU ms": times.cpu_p50,
        "x bare CPU": times.cpu_p50 / floor.cpu_p50,
    }


async def measure(
    firsts: list[First], listener: socket, data: Path, database: Database, bucket: Storage
) -> dict[str, Times]:
    """In turn, there and back, after a round that does not count."""
    times = {first.function: Times() for first in firsts}
    async with platform(listener, with_bare(address(listener)), data, database, bucket) as running:
        for number in range(ROUNDS + 1):
            for first in firsts if number % 2 else reversed(firsts):
                await start(running, first, times[first.function] if number else Times())
    return times


async def start(running: Platform, first: First, times: Times) -> None:
    event = json.dumps(first.event).encode()
    cpu, wall = cpu_of_children(), time.perf_counter()
    answer: dict[str, Any] = json.loads(await running.invoke(first.function, event))
    times.wall.append((time.perf_counter() - wall) * 1000)
    await running.sandboxes[first.function].stop()
    times.cpu.append((cpu_of_children() - cpu) * 1000)
    assert answer.get("statusCode", 200) in (200, 202), answer


def cpu_of_children() -> float:
    """Seconds, of those that have ended."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def with_bare(where: str) -> Template:
    """The collection, and beside it functions that import packages and do nothing."""
    template = read_template(parameters=parameters(f"http://{where}"))
    bare = {
        floor: replace(template.functions[like], name=floor, folder=FOLDER / folder)
        for floor, (folder, like) in FLOORS.items()
    }
    return Template(template.functions | bare, template.routes)
