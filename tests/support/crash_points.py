"""Kills a job before any of its steps: a statement, or what it asks of the storage."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import psycopg

from flomastr import object_storage
from flomastr.database.connection import Connection

STORAGE = ("put", "fetch", "remove", "erase")


class Killed(BaseException):
    pass


class Killer:
    """Counts steps. At the one that it is for, the connection ends as if the process had."""

    def __init__(self, step: int):
        self.left = step
        self.conn: Connection | None = None

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            if self.conn:
                end(self.conn)
            raise Killed

    def wrap(self, name: str) -> Callable[..., Any]:
        """Killed before it, or just after it."""
        original = getattr(object_storage, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            answer = original(*args, **kwargs)
            self.step()
            return answer

        return wrapped

    def execute(self) -> Callable[..., Any]:
        original = psycopg.Cursor[Any].execute

        def execute(cursor: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(cursor.connection, Connection):
                self.conn = cursor.connection
                self.step()
            return original(cursor, *args, **kwargs)

        return execute


def end(conn: Connection) -> None:
    """And Postgres has noticed, so that its locks are free."""
    url, backend = conn.info.dsn, conn.info.backend_pid
    conn.close()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 60000)", (backend,))


def killed(job: Callable[[], Any], step: int) -> bool:
    """Runs it. Whether it came so far that it was killed."""
    killer = Killer(step)
    with ExitStack() as stack:
        stack.enter_context(patch.object(psycopg.Cursor, "execute", killer.execute()))
        for name in STORAGE:
            stack.enter_context(patch.object(object_storage, name, killer.wrap(name)))
        try:
            job()
        except Killed:
            return True
    return False


def interrupted(job: Callable[[], Any], act: Callable[[], Any], when: Callable[[int], bool]) -> int:
    """Runs it, and does something else before those of its statements, by their number. How many it has."""
    original, count, is_acting = psycopg.Cursor[Any].execute, 0, False

    def execute(cursor: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal count, is_acting
        if isinstance(cursor.connection, Connection) and not is_acting:
            count += 1
            is_acting = True
            if when(count):
                act()
            is_acting = False
        return original(cursor, *args, **kwargs)

    with patch.object(psycopg.Cursor, "execute", execute):
        job()
    return count


def steps(job: Callable[[], Any], every: int = 1) -> Iterator[int]:
    """Kills it before each step in turn, after the first thirty before every so many, until a run comes through."""
    step = 1
    while killed(job, step):
        yield step
        step += 1 if step < 30 else every
    assert step > 10, "a job has more steps"
