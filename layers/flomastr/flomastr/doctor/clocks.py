"""Time: whether the database's clock is ours, and how far its replica lags."""

import time
from contextlib import closing

import psycopg

from flomastr.auth.oidc import LEEWAY_SECONDS
from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.database.replica import LogPosition, lag
from flomastr.doctor.reach import SECONDS, refusal
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn
from flomastr.settings import replica_url, settings

NOTICEABLE = 2.0  # seconds

WRITTEN = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::bigint END, clock_timestamp()
"""
REPLAYED = """
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END,
  pg_last_xact_replay_timestamp()
"""


def clock(conn: Connection) -> Verdict:
    """How far the database's clock is from ours, at least."""
    before = time.time()
    ((theirs,),) = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
    after = time.time()
    return of_clock(max(before - theirs, theirs - after, 0.0))


def of_clock(skew: float) -> Verdict:
    """What follows from so many seconds between the two clocks."""
    seen = f"{skew:.1f} s from the database's"
    cure = "Set this machine's clock by NTP; the provider keeps the database's."
    if skew > LEEWAY_SECONDS:
        return fail(seen, cure)
    return warn(seen, cure) if skew > NOTICEABLE else ok(seen)


def replica(conn: Connection) -> Verdict:
    """Whether the replica answers, is one, and lags less than reads allow. Raises SkippedError."""
    if not (url := replica_url()):
        raise SkippedError("no replica is named")
    ((written, now),) = conn.execute(WRITTEN).fetchall()
    try:
        with closing(connection.open_connection(url, time.monotonic() + SECONDS)) as other:
            ((replayed, at),) = other.execute(REPLAYED).fetchall()
    except psycopg.Error as error:
        seen, cure = refusal(error)[1:]
        return warn(f"Reads go to the primary: {seen}", cure)
    if replayed is None:
        return fail("replica_url leads to a primary", "Name a read-only node, or leave replica_url out.")
    return of_lag(lag(LogPosition(written, now, ""), LogPosition(replayed, at, "")))


def of_lag(seconds: float) -> Verdict:
    """What follows from so many seconds behind the primary."""
    seen = f"it lags by {seconds:.1f} s"
    if seconds > settings().replica_max_lag_seconds:
        return warn(seen, "Reads go to the primary meanwhile: look at the replica's load and size.")
    return ok(seen)


CLOCKS = (clock, replica)
