"""How long the first request of a new process takes, beside the bare imports of the packages under it."""

import asyncio
import json
import os
import time
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from dev.services.object_storage import Storage
from dev.services.oidc_issuer import Identity
from tests.benchmarks.measure import Times
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.conftest import Cluster
from tests.support.events import http_event
from tests.support.factories import Factory

pytestmark = pytest.mark.timeout(600)

FOLDER = Path(__file__).parent
BARE, BARE_AUTHORIZER = "bare imports", "bare imports and PyJWT"
GOAL = Goal("x bare imports", at_most=1.25)
ROUNDS = 10


@dataclass(frozen=True)
class First:
    """A function and the first event that it gets."""

    function: str
    event: dict[str, Any]
    floor: str = BARE


def test_cold_start(
    make: Factory, sample: SampleTenant, server: Cluster, database: str, data: Path, report: Report
) -> None:
    for code in (ROOT / "functions", ROOT / "layers", ROOT / "schema", FOLDER):
        compile_dir(code, quiet=1)  # functions write no bytecode, and that of the packages came with them
    found = Database(
        server.url("flomastr_admin", database), os.environ["DATABASE_URL"], server.url("flo_job", database)
    )
    firsts = [First(BARE, {}), First(BARE_AUTHORIZER, {}), *first_requests(make, sample, data)]
    # In a thread, since asyncio.run leaves the thread without the event loop that handlers in this process use.
    with create_server((HOST, 0)) as listener, ThreadPoolExecutor(1) as thread:
        times = thread.submit(asyncio.run, measure(firsts, listener, data, found)).result()
    for first in firsts:
        is_floor = first.function in (BARE, BARE_AUTHORIZER)
        figures = compared(times[first.function], times[first.floor])
        report.add("Cold start: a new process under awslambdaric", first.function, figures, None if is_floor else GOAL)


def compared(times: Times, floor: Times) -> dict[str, float]:
    """The CPU's time beside the clock's: on a machine with other work to do, it is the steadier one."""
    return {
        "ms": times.p50,
        "x bare imports": times.p50 / floor.p50,
        "CPU ms": times.cpu_p50,
        "x bare CPU": times.cpu_p50 / floor.cpu_p50,
    }


def first_requests(make: Factory, sample: SampleTenant, data: Path) -> list[First]:
    caller, tenant = sample.tenant.owner, f"/routes/tenants/{sample.tenant.slug}"
    status = f"/routes/status/{sample.tenant.slug}"
    key = {"authorization": f"Bearer {make.api_key(sample.tenant).token()}"}
    started: dict[str, Any] = {"eventName": "n8n.workflow.node", "ts": "2026-01-01T00:00:00Z", "payload": {}}
    token = Identity(data).token(caller.user_id or "", caller.email or "")
    return [
        First("AuthorizerFunction", {"identitySource": [f"Bearer {token}"]}, BARE_AUTHORIZER),
        First("WorkflowsFunction", http_event("GET", f"/routes/workflows/{sample.workflow}", caller=caller)),
        First(
            "ExecutionsFunction", http_event("GET", f"/routes/workflow-executions/{sample.execution}", caller=caller)
        ),
        First("TenantsFunction", http_event("GET", tenant, caller=caller)),
        First("MembersFunction", http_event("GET", f"{tenant}/members", caller=caller)),
        First("BrandingFunction", http_event("GET", "/routes/branding", caller=caller)),
        First("ApiKeysFunction", http_event("GET", "/routes/api-keys", caller=caller)),
        First("LifecycleFunction", http_event("GET", status, caller=make.super_admin())),
        First("UsersFunction", http_event("GET", "/routes/me/role", caller=caller)),
        First("PreferencesFunction", http_event("GET", f"/routes/user-preferences/{caller.user_id}", caller=caller)),
        First("WebchatFunction", http_event("GET", "/routes/webchat/sessions", caller=caller)),
        First("EventsFunction", http_event("POST", "/routes/n8n/events", body=started, headers=key)),
        First("HealthFunction", http_event("GET", "/routes/health")),
        First("OpenApiFunction", http_event("GET", "/routes/openapi.json")),
        First("PartitionsFunction", {}),
        First("MigrateFunction", {}),
    ]


async def measure(firsts: list[First], listener: socket, data: Path, database: Database) -> dict[str, Times]:
    """In turn, there and back, after a round that does not count."""
    times = {first.function: Times() for first in firsts}
    async with platform(listener, with_bare(address(listener)), data, database, Storage(0, 0)) as running:
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
    like = template.functions["WorkflowsFunction"]
    bare = {
        BARE: replace(like, name=BARE, folder=FOLDER / "bare"),
        BARE_AUTHORIZER: replace(like, name=BARE_AUTHORIZER, folder=FOLDER / "bare_authorizer"),
    }
    return Template(template.functions | bare, template.routes)
