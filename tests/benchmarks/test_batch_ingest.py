"""How many executions a second come in by batches of 1,000 over HTTP."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest

from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sample_tenant import SampleTenant
from tests.benchmarks.serving import RunningPlatform

pytestmark = pytest.mark.timeout(600)

PATH = "/routes/workflow-executions/batch"
ROWS, BATCHES = 1000, 24
ids = count(10_000_000)


@pytest.mark.parametrize("clients", [1, 2])
def test_batch_ingest(clients: int, sample: SampleTenant, api: RunningPlatform, report: Report) -> None:
    send(api, [batch(sample) for _ in range(2)])
    shares = [[batch(sample) for _ in range(BATCHES // clients)] for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        list(pool.map(partial(send, api), shares))
        taken = time.perf_counter() - began
    figures = {"rows/s": BATCHES * ROWS / taken, "ms a batch": taken * 1000 / BATCHES}
    name = f"{BATCHES} batches of {ROWS:,}, {clients} client{'s'[: clients - 1]}"
    report.add("Batch ingest over HTTP", name, figures, Goal("rows/s", at_least=20_000))


def send(api: RunningPlatform, bodies: Sequence[bytes]) -> None:
    with api.client() as client:
        for body in bodies:
            results = json.loads(client.ask("POST", PATH, body))["results"]
            assert {result["outcome"] for result in results} == {"created"}


def batch(sample: SampleTenant) -> bytes:
    return json.dumps({"tenant_id": sample.tenant.slug, "executions": [execution() for _ in range(ROWS)]}).encode()


def execution() -> dict[str, object]:
    moment = datetime.now(UTC).isoformat()
    return {
        "n8n_workflow_id": "bench",
        "n8n_execution_id": str(next(ids)),
        "status": "success",
        "started_at": moment,
        "finished_at": moment,
        "execution_data": {"mode": "trigger", "text": "x" * 270},
    }
