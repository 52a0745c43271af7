"""`python -m dev doctor`: what a deployment needs, looked at from this machine, for people and as JSON."""

import os
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from dev.console import console
from dev.errors import StartupError
from dev.paths import find_layer

if TYPE_CHECKING:
    from flomastr.doctor.verdicts import Report

COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(url: str, token: str, as_json: bool) -> None:
    """Prints the findings. Raises StartupError where something fails, so that the command does."""
    if not url:
        raise StartupError("Name a database: make doctor DATABASE_URL=postgresql://...")
    find_layer()
    os.environ["DATABASE_URL"] = url
    from flomastr.doctor.examination import examine

    report = examine(token)
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        console.print(table_of(report))
        for name, reason in report.skipped.items():
            console.print(f"{name} was not looked at: {escape(reason)}", style="dim")
    if failed := [finding.name for finding in report.findings if finding.status == "fail"]:
        raise StartupError(f"Failed: {', '.join(failed)}.")


def table_of(report: "Report") -> Table:
    table = Table("check", "", "seen", "to do", box=None, pad_edge=False)
    for found in report.findings:
        table.add_row(found.name, f"[{COLORS[found.status]}]{found.status}", escape(found.seen), escape(found.to_do))
    return table
