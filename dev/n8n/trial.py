"""`python -m dev n8n`: what a real n8n runs arrives, whoever reports it. Its own database is the judge."""

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from dev.console import paste, step
from dev.errors import StartupError
from dev.n8n.client import Client
from dev.n8n.comparison import compare
from dev.n8n.kinds import KINDS, Kind, code, execute, node, workflow
from dev.n8n.server import N8n
from dev.n8n.target import Target, target
from dev.paths import ROOT
from dev.services.postgres import cluster, create_database

COLLECTOR = "FloMastrCollect1"
READY = ("FloMastrErrors01", "FloMastrReport01", COLLECTOR)
PATIENCE_SECONDS = 600
AT_ONCE = 8
INSTALL = """\
n8n is not installed, so this was skipped. It takes 2.5 GB and some minutes:
  mkdir -p {0} && cp dev/n8n/package.json {0}
  npm install --prefix {0} --ignore-scripts && npm rebuild --prefix {0} node
Then run make n8n again.
"""


def trial(installed: Path, data: Path) -> None:
    """Raises StartupError if anything is missing, doubled, or told in another way than by n8n's database."""
    if not (installed / "node_modules/node/bin/node").exists():
        paste(INSTALL.format(installed))
        return
    folder = data / "n8n-trial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as opened:
        with step("The platform, as make run starts it"):
            reported = opened.enter_context(target(folder))
        with step("n8n"):
            server = opened.enter_context(cluster(folder))
            n8n = N8n(installed, folder, create_database(server, "n8n"))
            opened.callback(n8n.kill)
            n8n.start()
        database = opened.enter_context(psycopg.connect(n8n.database_url, autocommit=True))
        _run(Trial(n8n, Client(n8n.port), reported, database))


@dataclass
class Trial:
    n8n: N8n
    client: Client
    target: Target
    database: psycopg.Connection[Any]

    def ids(self, name: str, *statuses: str) -> list[int]:
        """Of the runs of a kind that have one of these statuses, the oldest first."""
        rows = self.database.execute(
            'SELECT e.id FROM execution_entity AS e JOIN workflow_entity AS w ON w.id = e."workflowId"'
            " WHERE w.name = %s AND e.status = ANY(%s) ORDER BY e.id",
            (f"Trial: {name}", list(statuses)),
        )
        return [id for (id,) in rows]

    def ids_after(self, id: int, workflow_id: str) -> list[int]:
        """Of a workflow's runs that n8n has now."""
        asked = 'SELECT id FROM execution_entity WHERE id > %s AND "workflowId" = %s'
        return [id for (id,) in self.database.execute(asked, (id, workflow_id))]

    def one(self, sql: LiteralString, *values: Any) -> Any:
        row = self.database.execute(sql, values).fetchone()
        return row[0] if row else None


def _run(trial: Trial) -> None:
    with step("n8n's owner, its API key, credentials, and the workflows of n8n/"):
        _set_up(trial)
    with step("One workflow for each kind of run"):
        workflows = _create(trial)
    with step("Runs: webhooks at once, some stopped, retried, by hand"):
        _fire(trial, workflows)
        _wait(lambda: _unfinished(trial) == 0, "that all runs end")
    with step("Runs while n8n is killed"):
        _crash(trial)
        _wait(lambda: _unfinished(trial) == 0, "that all runs end")
    with step("The collector's last word"):
        last = _collected(trial)
    with step("The platform reads n8n by itself"):
        _pulled(trial)
    compare(trial.database, trial.target, last)


def _set_up(trial: Trial) -> None:
    n8n, client, target = trial.n8n, trial.client, trial.target
    client.sign_up()
    url = f"http://127.0.0.1:{n8n.port}"
    target.let_read(url, client.api_key)
    client.credential("FloMastr events", "httpHeaderAuth", {"name": "Authorization", "value": f"Bearer {target.key}"})
    client.credential("n8n API", "n8nApi", {"apiKey": client.api_key, "baseUrl": f"{url}/api/v1"})
    folder = n8n.folder / "workflows"
    folder.mkdir()
    for file in (ROOT / "n8n").glob("*.json"):
        text = file.read_text().replace("https://flomastr.example", target.url).replace("https://n8n.example", url)
        (folder / file.name).write_text(text.replace('"minutesInterval": 5', '"minutesInterval": 1'))
    n8n.command("import:workflow", "--separate", f"--input={folder}")
    for id in READY:
        client.public("POST", f"/workflows/{id}/activate")


def _create(trial: Trial) -> dict[str, str]:
    """The ids of the workflows by the name of their kind."""
    called = node("When called", "executeWorkflowTrigger", 1.1, inputSource="passthrough")
    part = _active(trial, workflow("part", [called, code("return $input.all();")]))
    thrower = [node("A run failed", "errorTrigger", 1), code("throw new Error('The error workflow fails too');")]
    failing = _active(trial, workflow("failing error workflow", thrower))
    kinds = [*KINDS, Kind("sub-workflow", 12, calls=part)]
    ids = {
        kind.name: _active(trial, kind.workflow(failing) if kind.name == "error-of-error" else kind.workflow())
        for kind in kinds
    }
    by_hand = [
        node("By hand", "manualTrigger", 1),
        code("return $input.all();"),
        execute("Report", READY[1], wait=False),
    ]
    ids["manual"] = trial.client.public("POST", "/workflows", workflow("manual", by_hand))["id"]
    return ids


def _active(trial: Trial, made: dict[str, Any]) -> str:
    id = trial.client.public("POST", "/workflows", made)["id"]
    trial.client.public("POST", f"/workflows/{id}/activate")
    return id


def _fire(trial: Trial, workflows: dict[str, str]) -> None:
    times = {kind.name: kind.times for kind in KINDS if kind.name != "crashed"} | {"sub-workflow": 12}
    stopped = times.pop("canceled")
    turns = (name for turn in range(max(times.values())) for name, count in times.items() if turn < count)
    with ThreadPoolExecutor(1) as beside:
        fired = beside.submit(_call, trial, turns)
        _call(trial, ["canceled"] * stopped)
        _wait(lambda: len(trial.ids("canceled", "running")) == stopped, "that runs can be stopped")
        for id in trial.ids("canceled", "running"):
            trial.client.editor("POST", f"/rest/executions/{id}/stop")
        fired.result()
    _wait(lambda: len(trial.ids("retried", "error")) == times["retried"], "that runs have failed")
    for id in trial.ids("retried", "error"):
        trial.client.public("POST", f"/executions/{id}/retry", {"loadWorkflow": False})
    _run_by_hand(trial, workflows["manual"])


def _run_by_hand(trial: Trial, workflow_id: str) -> None:
    made = trial.client.editor("GET", f"/rest/workflows/{workflow_id}")
    for _ in range(6):
        asked = {"workflowData": made, "triggerToStartFrom": {"name": "By hand"}}
        trial.client.editor("POST", f"/rest/workflows/{workflow_id}/run", asked)


def _call(trial: Trial, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(trial.client.call, names))


def _crash(trial: Trial) -> None:
    times = next(kind.times for kind in KINDS if kind.name == "crashed")
    _call(trial, ["crashed"] * times + ["success"] * 10)
    _wait(lambda: len(trial.ids("crashed", "running")) == times, "that runs are in the middle")
    trial.n8n.kill()
    trial.n8n.start()
    trial.client.sign_in()


def _unfinished(trial: Trial) -> int:
    """A run that was about to start when n8n was killed stays new for ever."""
    return trial.one(
        "SELECT count(*) FROM execution_entity"
        """ WHERE (status IN ('running', 'waiting') OR status = 'new' AND "createdAt" > now() - interval '30 s')"""
        """ AND "workflowId" <> %s""",
        COLLECTOR,
    )


def _collected(trial: Trial) -> int:
    """Above the ids of all runs that were over when a run of the collector began, which is over as well."""
    newest = trial.one("SELECT max(id) FROM execution_entity")
    seen = set[int]()

    def has_ended() -> bool:
        """n8n keeps a run of the collector for as long as that takes, or if it fails."""
        kept = set(trial.ids_after(newest, COLLECTOR))
        seen.update(kept)
        return seen != kept

    _wait(has_ended, "for the collector")
    return newest + 1


def _pulled(trial: Trial) -> None:
    """Once the platform has read all that n8n has run until now."""
    began = datetime.now(UTC)
    _wait(lambda: trial.target.read_at() > began, "that the platform reads n8n, which it does every five minutes")


def _wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise StartupError(f"Waited {PATIENCE_SECONDS} s for this in vain: {what}.")
        time.sleep(1)
