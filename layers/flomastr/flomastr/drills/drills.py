"""Drills: what was tried, when, and how long a recovery took. Only these figures are stated anywhere."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel

from flomastr.database.connection import Connection

EVERY = timedelta(days=7)

type Kind = Literal["backup", "fork", "drill"]  # what a problem is about, the worst first
KINDS: tuple[Kind, ...] = ("backup", "fork", "drill")


class Drill(BaseModel):
    """One that has begun."""

    id: UUID
    name: str  # of the fork
    started_at: datetime
    restored_to: datetime


class Result(BaseModel):
    """What a drill found. Seconds are None where it did not come that far."""

    problems: list[tuple[Kind, str]] = []
    backup_id: str | None = None
    fork_seconds: float | None = None  # until the fork was online and compared
    fork_lost_seconds: float | None = None  # between the asked moment and the newest row that the fork has
    restore_seconds: float | None = None
    backup_lost_seconds: float | None = None  # between the newest backup and the drill

    def failed(self, kind: Kind, problem: str) -> None:
        self.problems.append((kind, problem))

    @property
    def verdict(self) -> str:
        found = {kind for kind, _ in self.problems}
        return next((f"{kind} bad" for kind in KINDS if kind in found), "good")


def is_due(conn: Connection, moment: datetime) -> bool:
    """An hour early, since the run that began the last one may have been late."""
    recent = conn.execute("SELECT FROM app.drills WHERE started_at > %s", (moment - EVERY + timedelta(hours=1),))
    return recent.rowcount == 0


def unfinished(conn: Connection) -> Drill | None:
    """The one under way, if there is one."""
    cursor = conn.cursor(row_factory=class_row(Drill))
    found = "SELECT id, name, started_at, restored_to FROM app.drills WHERE finished_at IS NULL ORDER BY id LIMIT 1"
    return cursor.execute(found).fetchone()


def begin(conn: Connection, name: str, restored_to: datetime) -> Drill:
    """Before anything is forked, so that a fork of a killed run is known."""
    cursor = conn.cursor(row_factory=class_row(Drill))
    return cursor.execute(
        """
        INSERT INTO app.drills (name, restored_to) VALUES (%s, %s)
        RETURNING id, name, started_at, restored_to
        """,
        (name, restored_to),
    ).fetchall()[0]


def finish(conn: Connection, drill: Drill, result: Result) -> None:
    """Records what it found, and that it is over."""
    conn.execute(
        """
        UPDATE app.drills SET
          finished_at = now(), verdict = %(verdict)s, problems = %(said)s, backup_id = %(backup_id)s,
          fork_seconds = %(fork_seconds)s, fork_lost_seconds = %(fork_lost_seconds)s,
          restore_seconds = %(restore_seconds)s, backup_lost_seconds = %(backup_lost_seconds)s
        WHERE id = %(id)s
        """,
        result.model_dump(exclude={"problems"})
        | {"id": drill.id, "verdict": result.verdict, "said": [f"{kind}: {text}" for kind, text in result.problems]},
    )
