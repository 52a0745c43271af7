"""The demo: what a real n8n ran, loaded through the HTTP API as an n8n instance would report it.

It was captured within a minute. Starts are moved, in their order, over the weeks before the tenant was made.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from itertools import batched
from math import pi, sin
from pathlib import Path
from typing import Any

from rich.progress import Progress

from dev.console import console
from dev.errors import StartupError

SAMPLE = Path(__file__).parent
TENANT = "demo"
DAYS = 28  # that the captured minute is stretched over: less than the tenant's executions stay hot
BATCH = 50  # of the sample's executions are at most half a megabyte

type Json = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """The platform as a client sees it."""

    address: str
    token: str

    def get(self, path: str) -> Json:
        return _expect({200}, self._answer("GET", path))

    def post(self, path: str, body: Json) -> tuple[int, Json]:
        return self._answer("POST", path, json.dumps(body))

    def _answer(self, method: str, path: str, body: str | None = None) -> tuple[int, Json]:
        connection = HTTPConnection(self.address, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def load_demo(api: Api) -> Counter[str]:
    """Store the sample, which a second time changes nothing; how many executions went which way."""
    made_at = datetime.fromisoformat(api.get(f"/routes/tenants/{TENANT}")["created_at"])
    workflows, executions = list(_workflows()), list(_executions(made_at))
    outcomes = Counter[str]()
    with Progress(console=console) as progress:
        bar = progress.add_task("  Loading the demo", total=len(workflows) + len(executions))
        for workflow in workflows:
            _expect({201, 409}, api.post("/routes/workflows", workflow))
            progress.advance(bar)
        for batch in batched(executions, BATCH, strict=False):
            body = {"tenant_id": TENANT, "executions": batch}
            answer = _expect({200}, api.post("/routes/workflow-executions/batch", body))
            outcomes.update(result["outcome"] for result in answer["results"])
            progress.advance(bar, len(batch))
    return outcomes


def _expect(statuses: set[int], answered: tuple[int, Json]) -> Json:
    status, answer = answered
    if status not in statuses:
        raise StartupError(f"The demo could not be loaded, the API answered {status}: {answer}.")
    return answer


def _workflows() -> Iterator[Json]:
    for workflow in json.loads((SAMPLE / "workflows.json").read_text())["data"]:
        yield {
            "tenant_id": TENANT,
            "n8n_workflow_id": workflow["id"],
            "name": workflow["name"],
            "is_active": workflow["active"],
            "tags": [tag["name"] for tag in workflow["tags"]],
            "metadata": {"n8n": {"versionId": workflow["versionId"]}},
        }


def _executions(last: datetime) -> Iterator[Json]:
    """Oldest first, as they happened."""
    pages = json.loads((SAMPLE / "executions_pages.json").read_text())
    runs = sorted((run for page in pages for run in page["data"]), key=lambda run: int(run["id"]))
    for index, run in enumerate(runs):
        data: Json = run["data"]
        started, stopped = map(datetime.fromisoformat, (run["startedAt"], run["stoppedAt"]))
        moved = last - timedelta(days=DAYS) * (1 - _rhythm((index + 1) / (len(runs) + 1)))
        yield {
            "n8n_workflow_id": run["workflowId"],
            "n8n_execution_id": run["id"],
            "status": run["status"],
            "started_at": moved.isoformat(),
            "finished_at": (moved + (stopped - started)).isoformat(),
            "execution_data": {"mode": run["mode"], **data},
            "error_message": data["resultData"].get("error", {}).get("message"),
        }


def _rhythm(share: float) -> float:
    """When so much of all has happened, as a share of the time: more by day than by night, and in each other week."""
    waves = ((2, 0.35), (DAYS, 0.6))
    return share + sum(depth * sin(2 * pi * share * times) / (2 * pi * times) for times, depth in waves)
