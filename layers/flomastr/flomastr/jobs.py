"""What every scheduled job shares: one run at a time, a deadline, and a record of what it did."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.typing import LambdaContext
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.types.json import Jsonb

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.observability import logger, metrics
from flomastr.settings import database_url

THREADS = 4  # of a run that does several things at once
RESERVE_SECONDS = 30  # of Lambda's time, to end the current step and to record the run


@dataclass
class Job:
    """One run of a job: its direct connection, which has a session of its own, and what the run has done so far."""

    conn: Connection
    moment: datetime  # at which things are due, however long the run takes
    run_id: UUID
    deadline: float  # of time.monotonic()
    counts: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    unfinished: bool = False
    turn: RLock = field(default_factory=RLock)  # of threads, for the connection and the counts that they share

    def several_at_once[Item, Done](self, step: Callable[[Item], Done], items: Iterable[Item]) -> list[Done]:
        """What a step has made of each item, in their order. Raises what one raised; no other is begun after it."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(step, items))

    def count(self, name: str, number: int) -> None:
        with self.turn:
            self.counts[name] += number

    def has_time(self, seconds: float = 5) -> bool:
        """Whether so many seconds are left. If not, the run counts as unfinished, and the next one continues."""
        if time.monotonic() + seconds < self.deadline:
            return True
        self.unfinished = True
        return False

    @contextmanager
    def unless_busy(self) -> Generator[None]:
        """A step of one tenant. While others hold its locks it is left to the next run, and keeps no tenant waiting."""
        try:
            yield
        except (LockNotAvailable, DeadlockDetected):
            self.counts["steps_left"] += 1
            self.unfinished = True

    def failed(self, message: str, metric: str) -> None:
        """Reports one thing that could not be done. The run continues with the others, and fails at its end."""
        logger.error(message)
        metrics.add_metric(name=metric, unit="Count", value=1)
        self.failures.append(message)


class JobFailedError(Exception):
    """Raised at the end of a run, so that Lambda counts it as failed and an alarm reports it."""


def run(name: str, work: Callable[[Job], None], event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs a job unless another run of it is under way. Returns its state and counts.

    Raises JobFailedError, and what the work raises.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    conn = connection.connect(deadline, database_url)
    try:
        set_timeouts(conn, deadline)
        if not lock(conn, name):
            logger.warning("Another run is under way", job=name)
            metrics.add_metric(name="JobSkipped", unit="Count", value=1)
            return {"state": "skipped"}
        job = Job(conn, due_moment(event), start_record(conn, name), deadline)
        return carry_out(job, work)
    finally:
        conn.close()


def carry_out(job: Job, work: Callable[[Job], None]) -> dict[str, Any]:
    """Does the work and records how it ended. Returns `done` or `unfinished`, and the counts.

    Raises what the work raised, or JobFailedError for what was reported by `failed`.
    """
    try:
        work(job)
    except BaseException as error:
        finish(job, "failed", f"{type(error).__name__}: {str(error).partition('\n')[0]}"[:1000])
        raise
    if job.failures:
        finish(job, "failed", "; ".join(job.failures)[:1000])
        raise JobFailedError("; ".join(job.failures)[:1000])
    state = "unfinished" if job.unfinished else "done"
    finish(job, state, None)
    return {"state": state, **job.counts}


def lock(conn: Connection, name: str) -> bool:
    """Whether no run of the job is under way; if so, none begins before this connection ends or unlocks."""
    statement = "SELECT pg_try_advisory_lock(hashtextextended('flomastr.job.' || %s, 0))"
    return bool(conn.execute(statement, (name,)).fetchall()[0][0])


def set_timeouts(conn: Connection, deadline: float) -> None:
    """Limits statements and locks of a direct connection, so that those of a killed function end as well."""
    milliseconds = max(1, int((deadline - time.monotonic()) * 1000))
    conn.execute(
        """
        SELECT
          set_config('statement_timeout', %s, false), set_config('lock_timeout', '2s', false),
          set_config('client_connection_check_interval', '1s', false),  -- else a killed run's statement keeps its locks
          set_config('idle_in_transaction_session_timeout', '2s', false)  -- and a stalled one's transaction
        """,
        (str(milliseconds),),
    )


def start_record(conn: Connection, name: str) -> UUID:
    """Adds a record of this run. One that is still recorded as running was killed, since this run has the lock."""
    with conn.transaction():
        conn.execute(
            "UPDATE app.job_runs SET state = 'killed', finished_at = now() WHERE job = %s AND state = 'running'",
            (name,),
        )
        return conn.execute("INSERT INTO app.job_runs (job) VALUES (%s) RETURNING id", (name,)).fetchall()[0][0]


def due_moment(event: dict[str, Any]) -> datetime:
    """When the schedule was due, so that a repeated event has the same effect; never later than now. UTC if unsaid."""
    now = datetime.now(UTC)
    if not event.get("time"):
        return now
    due = datetime.fromisoformat(event["time"])
    return min(now, due if due.tzinfo else due.replace(tzinfo=UTC))


def finish(job: Job, state: str, error: str | None) -> None:
    """Records the run's end in app.job_runs and metrics, and lets the next run begin. `error` is one line."""
    for name, count in job.counts.items():
        metrics.add_metric(name=name.title().replace("_", ""), unit="Count", value=count)
    metrics.add_metric(name="JobFailed", unit="Count", value=int(state == "failed"))
    metrics.add_metric(name="JobUnfinished", unit="Count", value=int(state == "unfinished"))
    if job.conn.closed:
        return  # the next run records that this one was killed
    job.conn.execute(
        "UPDATE app.job_runs SET state = %s, counts = %s, error = %s, finished_at = now() WHERE id = %s",
        (state, Jsonb(job.counts), error, job.run_id),
    )
    job.conn.execute("SELECT pg_advisory_unlock_all()")  # the end of the connection would unlock some moments later
