"""What lies between us and Postgres: nothing, or a pooler, in which mode, and what passes through it."""

from contextlib import closing

import psycopg
from psycopg.errors import QueryCanceled

from flomastr.database.connection import Connection
from flomastr.doctor.reach import opened
from flomastr.doctor.verdicts import Verdict, fail, ok, warn

ATTEMPTS = 3
LIMIT_MS, SLEEP_SECONDS = 50, 2


def backend(conn: Connection) -> int:
    return conn.execute("SELECT pg_backend_pid()").fetchall()[0][0]


def is_pooled(conn: Connection) -> bool:
    """A pooler gives its clients a process id that is not the backend's, so that it hears who cancels."""
    return conn.pgconn.backend_pid != backend(conn)


def takes_transactions(conn: Connection) -> bool:
    try:
        with conn.transaction():
            conn.execute("SELECT")
    except psycopg.DatabaseError as error:
        if error.sqlstate == "08P01":  # "transaction blocks not allowed in statement pooling mode"
            return False
        raise
    return True


def shares_backends(conn: Connection) -> bool:
    """Whether another client is given the backend that has just answered us, or another one has answered."""
    before = backend(conn)
    try:
        with closing(opened()) as other, other.transaction():
            return backend(other) == before or backend(conn) != before
    except psycopg.OperationalError:  # it waits for a backend that clients keep
        return False


def mode_of(conn: Connection) -> str:
    if not is_pooled(conn):
        return "direct"
    if not takes_transactions(conn):
        return "statement"
    return "transaction" if any(shares_backends(conn) for _ in range(ATTEMPTS)) else "session"


def pool_mode(conn: Connection) -> Verdict:
    """Whether the mode is the one that the role needs: flo_app transactions, jobs and migrations a session."""
    return of_mode(mode_of(conn), conn.info.user)


def of_mode(mode: str, role: str) -> Verdict:
    """What follows from the mode for this role."""
    match mode, role:
        case "direct", "flo_app":
            return warn(
                "No pool, directly to Postgres", "Name the transaction pool: sandboxes outnumber the connections."
            )
        case "direct", _:
            return ok("no pool, directly to Postgres")
        case "statement", _:
            return fail("A pool in statement mode", "Set the pool's mode to transaction: each request is one.")
        case "session", "flo_app":
            return warn("A pool in session mode", "Set it to transaction: each sandbox keeps a connection so.")
        case "transaction", role if role != "flo_app":
            return fail("A pool in transaction mode", f"Connect directly as {role}, which keeps locks in its session.")
        case _:
            return ok(f"a pool in {mode} mode")


def prepared_statements(conn: Connection) -> Verdict:
    """Whether the pooler keeps track of them. None of ours are prepared by name, so either is right."""
    if not is_pooled(conn):
        return ok("no pool, so they hold; none are used")
    try:
        names = prepared_names()
    except psycopg.DatabaseError as error:
        return ok(f"refused by the pool ({error.sqlstate}); none are used")
    kept = "not tracked" if "_pg3_0" in names else "tracked"
    return ok(f"{kept} by the pool; none are used")


def prepared_names() -> set[str]:
    """What a backend calls a statement that we call _pg3_0. By a connection of its own, which forgets it at its end."""
    with closing(opened()) as conn, conn.transaction():
        conn.prepare_threshold = 5
        conn.execute("SELECT", prepare=True)
        names = {name for (name,) in conn.execute("SELECT name FROM pg_prepared_statements").fetchall()}
        if "_pg3_0" in names:  # under our own name, which the next client of this backend would meet
            conn.execute("DEALLOCATE _pg3_0")
        return names


def statement_timeout(conn: Connection) -> Verdict:
    """Whether a limit that a transaction sets ends its statement, and ends with the transaction."""
    before = conn.execute("SHOW statement_timeout").fetchall()[0][0]
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('statement_timeout', %s, true)", (str(LIMIT_MS),))
            conn.execute("SELECT pg_sleep(%s)", (SLEEP_SECONDS,))
    except QueryCanceled:
        after = conn.execute("SHOW statement_timeout").fetchall()[0][0]
        if after != before and not is_pooled(conn):
            return fail(f"The limit of a transaction stayed: {after}", "Look for what changes settings on the way.")
        return ok(f"ends a statement after {LIMIT_MS} ms; without one it is {after}")
    return fail(
        f"A statement with a limit of {LIMIT_MS} ms took {SLEEP_SECONDS} s",
        "Look for a pooler that drops set_config, or takes each statement as a transaction.",
    )


POOLS = (pool_mode, prepared_statements, statement_timeout)
