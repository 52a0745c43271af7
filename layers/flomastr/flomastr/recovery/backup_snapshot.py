"""One moment of all tables, seen by several connections."""

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from queue import SimpleQueue
from typing import NamedTuple

from psycopg import sql

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.jobs import Job
from flomastr.recovery import backup_catalogue
from flomastr.recovery.backup_manifest import Relation
from flomastr.settings import database_url

WORKERS = 2  # connections on the snapshot, each of which sends one table at a time
ATTEMPTS = 3


class CatalogueChangedError(Exception):
    """A table was made or dropped between looking and locking."""


class Taken(NamedTuple):
    """When a snapshot was taken, and what it sees."""

    at: datetime
    snapshot: str
    server_version: str


@dataclass(frozen=True)
class Snapshot:
    """Connections that see the same moment, and tables that stay as they are until all of them end."""

    taken: Taken
    relations: list[Relation]
    idle: SimpleQueue[Connection]

    @contextmanager
    def connection(self) -> Generator[Connection]:
        conn = self.idle.get()
        try:
            yield conn
        finally:
            self.idle.put(conn)


@contextmanager
def snapshot(job: Job) -> Generator[Snapshot]:
    """Begins again when a table comes or goes meanwhile. Raises CatalogueChangedError."""
    for attempt in range(1, ATTEMPTS + 1):
        with ExitStack() as stack:
            try:
                seen = begin(job, stack)
            except CatalogueChangedError:
                if attempt == ATTEMPTS:
                    raise
                continue
            yield seen
            return


def begin(job: Job, stack: ExitStack) -> Snapshot:
    """Locks the tables before the snapshot is taken, so that none is dropped or altered while it is copied."""
    relations = backup_catalogue.relations(job.conn)
    first = connect(job, stack)
    roots = sorted({relation.root for relation in relations})
    tables = sql.SQL(", ").join(sql.Identifier("app", root) for root in roots)
    first.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))
    ((at, seen, exported, version),) = first.execute(
        "SELECT clock_timestamp(), pg_current_snapshot()::text, pg_export_snapshot(), current_setting('server_version')"
    ).fetchall()
    if backup_catalogue.relations(first) != relations:
        raise CatalogueChangedError
    idle = SimpleQueue[Connection]()
    idle.put(first)
    for _ in range(WORKERS - 1):
        other = connect(job, stack)
        other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(exported))
        idle.put(other)
    return Snapshot(Taken(at, seen, version), relations, idle)


def connect(job: Job, stack: ExitStack) -> Connection:
    conn = connection.connect(job.deadline, database_url)
    stack.callback(conn.close)
    milliseconds = max(1, int((job.deadline - time.monotonic()) * 1000))
    conn.execute("SELECT set_config('statement_timeout', %s, false)", (str(milliseconds),))
    conn.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, false)", (str(milliseconds),))
    conn.execute("SET lock_timeout = '10s'")
    conn.execute("SET client_connection_check_interval = '1s'")  # else a killed run's statement keeps its locks
    conn.execute("SET search_path = ''")
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return conn
