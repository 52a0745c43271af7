"""What was measured, on which machine, and whether it met its goal: shown as tables and kept as JSON."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

PACKAGES = ("fastapi", "mangum", "pydantic", "psycopg", "aws-lambda-powertools")


@dataclass(frozen=True)
class Goal:
    figure: str
    at_most: float | None = None
    at_least: float | None = None

    def __str__(self) -> str:
        at_most = self.at_most is not None
        return f"{self.figure} <= {self.at_most:g}" if at_most else f"{self.figure} >= {self.at_least:,g}"

    def is_met(self, figures: dict[str, float]) -> bool:
        value = figures[self.figure]
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True)
class Row:
    group: str
    name: str
    figures: dict[str, float]
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        return "" if self.goal is None else "met" if self.goal.is_met(self.figures) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        goal = self.goal and {"goal": asdict(self.goal), "met": self.goal.is_met(self.figures)}
        return {"group": self.group, "name": self.name, "figures": self.figures} | (goal or {})


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)

    def add(self, group: str, name: str, figures: dict[str, float], goal: Goal | None = None) -> None:
        self.rows.append(Row(group, name, {figure: round(value, 3) for figure, value in figures.items()}, goal))

    def missed(self, group: str) -> list[str]:
        """For a test that is to fail where a goal of its group is missed."""
        return [f"{row.name}: {row.goal}" for row in self.rows if row.group == group and row.verdict == "MISSED"]

    def show(self) -> None:
        console = Console(width=120)
        console.print()
        for group, rows in groupby(self.rows, lambda row: row.group):
            console.print(table(group, list(rows)))
        if missed := [row for row in self.rows if row.verdict == "MISSED"]:
            console.print(table_of_missed(missed))
        else:
            console.print("Every goal is met.")

    def store(self, path: Path) -> None:
        stored = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "rows": [row.as_json() for row in self.rows],
        }
        path.write_text(json.dumps(stored, indent=2) + "\n")


def table(group: str, rows: list[Row]) -> Table:
    shown = Table(title=group, title_justify="left", title_style="bold")
    shown.add_column("", no_wrap=True)
    columns = list(dict.fromkeys(figure for row in rows for figure in row.figures))
    for column in [*columns, "goal", ""]:
        shown.add_column(column, justify="right" if column in columns else "left")
    for row in rows:
        shown.add_row(row.name, *cells(row, columns), str(row.goal or ""), row.verdict)
    return shown


def table_of_missed(rows: Iterable[Row]) -> Table:
    shown = Table(title="What missed its goal", title_justify="left", title_style="bold")
    for column in ("group", "", "measured", "goal"):
        shown.add_column(column)
    for row in rows:
        if row.goal:
            shown.add_row(row.group, row.name, readable(row.figures[row.goal.figure]), str(row.goal))
    return shown


def readable(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.4g}"


def cells(row: Row, columns: Iterable[str]) -> list[str]:
    return [readable(row.figures[column]) if column in row.figures else "" for column in columns]


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "load_at_the_end": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    own = {"python": platform.python_version(), "libpq": str(psycopg.pq.version())}
    return own | {package: version(package) for package in PACKAGES}
