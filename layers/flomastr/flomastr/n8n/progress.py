"""How far n8n's list of executions has been read: newest first, page by page, down to what is known already.

What the list leaves out between two runs may be under way, wait, or be gone: such ids are asked for one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast

from flomastr.workflows.n8n_event import Event

CLOCKS = timedelta(minutes=1)
LATEST = timedelta(hours=1)  # runs whose ids are no numbers are read again for so long
MOST_ID = 2**62


@dataclass(frozen=True)
class Run:
    """What a row of the list says. `id` is None where it is no number, as in newer engines."""

    id: int | None
    started_at: datetime | None
    has_ended: bool

    @classmethod
    def told_by(cls, event: Event) -> Self:
        id = event.n8n_execution_id or ""
        number = int(id) if id.isascii() and id.isdigit() and len(id) < 19 else None
        return cls(number, event.started_at, event.status in ("success", "error", "canceled", "crashed"))


@dataclass(frozen=True)
class Progress:
    """`known_id`: the list has been read down to it. The others are of the list that is being read."""

    known_id: int
    known_at: datetime | None
    oldest_id: int | None
    cursor: str | None
    list_id: int | None
    list_at: datetime | None
    list_low: int | None

    def began_anew(self, run: Run) -> bool:
        """Whether a run is of a later database: it has an id that was passed already, and started later."""
        return bool(run.started_at and self.known_at and run.started_at > self.known_at + CLOCKS)

    def is_known(self, run: Run) -> bool:
        if run.id is None:
            return bool(run.started_at and self.known_at and run.started_at < self.known_at - LATEST)
        return run.id <= self.known_id


@dataclass(frozen=True)
class Page:
    """What follows from a page: `first` and `end` bound the ids that it speaks of."""

    progress: Progress
    listed: list[int]
    unfinished: list[int]
    first: int
    end: int
    anew: bool  # what was noted before is of another database
    is_last: bool

    def params(self) -> dict[str, Any]:
        return vars(self.progress) | {
            name: getattr(self, name) for name in ("listed", "unfinished", "first", "end", "anew")
        }


def read(progress: Progress, runs: Sequence[Run], next_cursor: str | None) -> Page:
    """Of one page of the list, which is in no other order than n8n's."""
    known = next((run for run in runs if progress.is_known(run)), None)
    anew = known is not None and known.id is not None and progress.began_anew(known)
    if anew:
        progress, known = replace(progress, known_id=0, known_at=None, oldest_id=None), None
    fresh = [run for run in runs if run.id is not None and run.id > progress.known_id]
    ids = [cast(int, run.id) for run in fresh]
    if progress.list_id is None and ids:
        top = max(fresh, key=lambda run: run.id or 0)
        progress = replace(progress, list_id=top.id, list_at=top.started_at)
    end = progress.list_low or (max(ids) + 1 if ids else 0)
    low = min([*ids, end])
    is_end = next_cursor is None
    first = progress.known_id + 1 if known is not None and end else low
    unfinished = [cast(int, run.id) for run in fresh if not run.has_ended]
    moved = finished(progress, runs, low, is_end) if is_end or known else continued(progress, low, next_cursor)
    return Page(moved, ids, unfinished, min(first, end), end, anew, is_end or known is not None)


def continued(progress: Progress, low: int, next_cursor: str | None) -> Progress:
    return replace(progress, cursor=next_cursor, list_low=low or None)


def finished(progress: Progress, runs: Sequence[Run], low: int, is_end: bool) -> Progress:
    """The list is read; if to its end, that is the oldest run that n8n still has."""
    oldest = min([run.id for run in runs if run.id is not None] + ([low] if low else []), default=None)
    if oldest is None and progress.known_id:  # n8n has no run any more
        oldest = progress.known_id + 1
    return Progress(
        known_id=progress.list_id or progress.known_id,
        known_at=progress.list_at if progress.list_id else progress.known_at,
        oldest_id=oldest if is_end and oldest is not None else progress.oldest_id,
        cursor=None,
        list_id=None,
        list_at=None,
        list_low=None,
    )


def restarted(progress: Progress) -> Progress:
    """From the newest run again: n8n does not know the cursor any more."""
    return replace(progress, cursor=None, list_id=None, list_at=None, list_low=None)
