"""What n8n's database says of each run, beside what the platform has recorded."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import class_row
from rich.box import SIMPLE
from rich.table import Table

from dev.console import console
from dev.errors import StartupError
from dev.n8n.target import Target
from flomastr.http.fields import MAX_JSON
from flomastr.workflows.cleaning import cleaned, length
from flomastr.workflows.flatted import Room, unpacked

RUNS = """
SELECT e.id, w.name, e.status, e.mode, e."startedAt" AS started_at, e."stoppedAt" AS stopped_at, d.data
FROM execution_entity AS e JOIN workflow_entity AS w ON w.id = e."workflowId"
LEFT JOIN execution_data AS d ON d."executionId" = e.id
WHERE e.id < %s
ORDER BY e.id
"""

SENT_WHOLE = 4_000_000  # characters: of larger runs reporters leave out the data of nodes

type Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    id: int
    name: str
    status: str
    mode: str
    started_at: datetime | None
    stopped_at: datetime | None
    data: str | None = None  # as n8n writes it

    @cached_property
    def nodes(self) -> Json | None:
        """What each node did, as it can be stored. None: there is nothing, or more than reporters send."""
        data, cut = unpacked(self.data, Room(MAX_JSON)) if self.data else (None, 0)
        if data is None or cut or length(data) > SENT_WHOLE:
            return None
        result: Json = cleaned(data)[0].get("resultData") or {}
        return result.get("runData") or None

    def differs(self, recorded: list[Json]) -> str:
        """In what, in one word; empty: in nothing."""
        if len(recorded) != 1:
            return "doubled" if recorded else "missing"
        (row,) = recorded
        if row["status"] != self.status:
            return "status"
        if row["mode"] != self.mode:
            return "mode"
        if self.started_at and moment(row["started_at"]) != self.started_at.astimezone(UTC):
            return "started"
        stopped = self.stopped_at and self.stopped_at.astimezone(UTC)
        if moment(row["finished_at"]) != stopped:
            return "finished"
        recorded_data: Json = row["execution_data"] or {}
        result: Json = recorded_data.get("resultData") or {}
        return "" if self.nodes in (None, result.get("runData")) else "data"


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def compare(n8n: psycopg.Connection[Any], target: Target, before: int) -> None:
    """Prints the table of all runs with lower ids. Raises StartupError if one differs."""
    with n8n.cursor(row_factory=class_row(Run)) as cursor:
        runs = cursor.execute(RUNS, (before,)).fetchall()
    recorded: dict[str, list[Json]] = {}
    for row in target.executions():
        recorded.setdefault(row["n8n_execution_id"], []).append(row)
    found = {run: run.differs(recorded.get(str(run.id), [])) for run in runs}
    console.print(_table(found))
    kept = {str(run.id) for run in runs}
    gone = Counter(row["status"] for id, rows in recorded.items() if id not in kept for row in rows)
    console.print(f"Recorded beside these, of runs that n8n has not kept or of later ones: {dict(gone)}", markup=False)
    wrong = {run: what for run, what in found.items() if what}
    for run, what in wrong.items():
        told = [row | {"execution_data": "..."} for row in recorded.get(str(run.id), [])]
        console.print(f"{what}: {replace(run, data='...')} is recorded as {told}", markup=False)
    if wrong:
        raise StartupError(f"{len(wrong)} of {len(runs)} runs differ.")
    with_data = sum(run.nodes is not None for run in runs)
    console.print(
        f"All {len(runs)} runs of n8n are recorded once, with status, mode, start and end as in its database,"
        f" and {with_data} with the data of their nodes; of the others it has none, or more than a request takes."
    )


def _table(found: dict[Run, str]) -> Table:
    table = Table("workflow", "status", "mode", "n8n", "recorded", "different", box=SIMPLE)
    groups: dict[tuple[str, str, str], list[str]] = {}
    for run, what in found.items():
        groups.setdefault((run.name, run.status, run.mode), []).append(what)
    for (name, status, mode), each in sorted(groups.items()):
        table.add_row(name, status, mode, *_counts(each))
    table.add_row("all", "", "", *_counts(list(found.values())))
    return table


def _counts(differences: list[str]) -> tuple[str, str, str]:
    """How many runs there are, how many are recorded, and in what they differ."""
    counted = Counter(what for what in differences if what)
    told = ", ".join(f"{count} {what}" for what, count in counted.items())
    return str(len(differences)), str(len(differences) - counted["missing"]), told or "0"
