"""The sandbox's one database connection: opened when it is first needed, checked, and given up when in doubt."""

import select
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, override

import psycopg
from psycopg import generators, waiting
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.rows import tuple_row
from psycopg.waiting import Ready

from flomastr.errors import ErrorCode, UnavailableError
from flomastr.observability import logger
from flomastr.settings import database_url

CONNECT_SECONDS = 2.0
IDLE_SECONDS = 30.0  # after this, the network may have dropped the connection without a word
CHECK_SECONDS = 1.0  # what finding that out may take of the request's time

UNSAFE_ROLE = """
SELECT rolsuper OR rolbypassrls OR EXISTS (
  SELECT FROM pg_class WHERE relnamespace = to_regnamespace('app') AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')
)
FROM pg_roles
WHERE rolname = current_user
"""


class DeadlineExceededError(psycopg.OperationalError):
    """The database did not answer in time."""


class Pipeline(psycopg.Pipeline):
    """Ends with Sync. psycopg sends a Flush after it: one that comes to the pooler after the transaction's end takes
    another backend there, and keeps it until the sandbox sends again."""

    @override
    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            if self.result_queue:
                yield from generators.send(self.pgconn)  # what the network has not taken yet
                yield from self._fetch_gen(flush=False)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Gives up at its deadline, whatever keeps the server or the pooler from answering."""

    deadline: float = float("inf")  # of time.monotonic()
    speaks_by: float = float("inf")  # of time.monotonic(): what says nothing at all until then is given up as well
    used_at: float = 0.0

    @override
    def wait[T](self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        left = self.deadline - time.monotonic()
        heard = gen if self.speaks_by == float("inf") else self.listening(gen)
        try:
            return super().wait(heard, interval, timeout=max(0.0, left) if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is not None or time.monotonic() < self.deadline:
                raise
            self.pgconn.finish()  # an answer may still come: nobody may take it for the next one
            raise DeadlineExceededError from error

    def listening[T](self, gen: PQGen[T]) -> PQGen[T]:
        """The same, until something is heard or it is too late for that."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready & Ready.R:
                    self.speaks_by = float("inf")
                elif time.monotonic() > self.speaks_by:
                    self.pgconn.finish()
                    raise DeadlineExceededError
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    @override
    @contextmanager
    def pipeline(self) -> Generator[psycopg.Pipeline]:
        self._pipeline = self._pipeline or Pipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    def is_idle(self) -> bool:
        """Whether it is open, in no transaction, and was not ended by the server."""
        if self.closed or self.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            return False
        return not select.select([self.fileno()], [], [], 0)[0]  # nothing was asked, so what came is the end

    def is_usable(self) -> bool:
        """Whether the next request may use it. Costs a round trip only after idling."""
        if not self.is_idle():
            return False
        if time.monotonic() - self.used_at < IDLE_SECONDS:
            return True
        self.deadline = min(self.deadline, time.monotonic() + CHECK_SECONDS)
        with suppress(psycopg.Error):
            self.execute("")
            return True
        return False


current: Connection | None = None


def connection(deadline: float) -> Connection:
    """The connection, opened anew if need be, which gives up at `deadline` of time.monotonic(). Raises as `connect`."""
    global current
    if current is not None:
        current.deadline = deadline
        if not current.is_usable():
            discard()
    if current is None:
        current = connect(deadline, database_url)
    current.deadline = deadline
    current.used_at = time.monotonic()
    return current


def discard() -> None:
    """Closes the sandbox's connection, if there is one. The next request opens another."""
    global current
    if current is not None:
        current.close()
        current = None


def connect(deadline: float, url_of: Callable[..., str]) -> Connection:
    """A new connection of a role that row-level security holds for, until `deadline` of time.monotonic().

    A refused password is read again, since it may have been rotated. Raises OperationalError, and UnavailableError for
    an unsafe role, a malformed URL or a secret that cannot be read.
    """
    url = url_of()
    try:
        conn = open_connection(url, deadline)
    except psycopg.OperationalError as error:  # a refused password has no SQLSTATE here
        rotated = url_of(fresh=True) if error.pgconn and error.pgconn.used_password else url
        if rotated == url:
            raise
        conn = open_connection(rotated, deadline)
    try:
        refuse_unsafe_role(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def open_connection(url: str, deadline: float) -> Connection:
    """Step by step, since psycopg's own connect does not give up before two seconds and would overrun the deadline.

    Raises OperationalError, and UnavailableError for a malformed URL.
    """
    try:
        conninfo = make_conninfo(
            url, keepalives_idle=30, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=10_000
        )
    except psycopg.ProgrammingError:  # its text would put the password into the log
        raise UnavailableError("The database's URL is malformed: correct it in its secret.") from None
    seconds = min(CONNECT_SECONDS, deadline - time.monotonic())
    pgconn = waiting.wait_conn(generators.connect(conninfo), 0.1, max(0.0, seconds))
    conn = Connection(pgconn, tuple_row)
    conn.autocommit = True
    conn.prepare_threshold = None  # a transaction pool gives each transaction another backend
    conn.deadline = deadline
    return conn


def refuse_unsafe_role(conn: Connection) -> None:
    """Row-level security is off for such roles, so their connection must not serve. Raises UnavailableError."""
    row = conn.execute(UNSAFE_ROLE).fetchone()
    if row is None or row[0]:
        logger.critical("The database role is a superuser, bypasses row-level security or owns tables: use flo_app")
        raise UnavailableError(
            "The service is set up unsafely and does not serve. Its operators can read why.", ErrorCode.UNSAFE_ROLE
        )
