"""What is sent again after an error, what is not, and what the caller is told."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from pydantic import BaseModel

from dev.postgres import Cluster
from flomastr import connection, flight
from flomastr.database import Database, ask, deadline_in
from flomastr.errors import Conflict, NotFound, ServiceError, Unavailable, Unprocessable
from flomastr.flight import Entry, Query, fly
from tests.factories import Factory, Tenant
from tests.flomastr.connected import connected, port_of, through
from tests.pooler import needs_pgbouncer
from tests.proxy import Proxy, proxy

# Fails in the first `times` attempts.
TROUBLE = """
CREATE TABLE public.attempts (number integer);
INSERT INTO public.attempts VALUES (0);
CREATE TABLE public.written (what text UNIQUE);
CREATE FUNCTION public.trouble(state text, times integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE attempt integer := (SELECT number FROM public.attempts);
BEGIN
  IF attempt > times THEN RETURN attempt; END IF;
  IF state = 'killed' THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5); END IF;
  RAISE EXCEPTION USING errcode = state, constraint = 'some_constraint', message = 'Some message.';
END $$;
GRANT ALL ON public.attempts, public.written TO flo_app;
"""

type Superuser = psycopg.Connection[tuple[Any, ...]]


class Answered(BaseModel):
    attempt: int


class Written(BaseModel):
    what: str


@pytest.fixture(scope="session")
def troubled(superuser: Superuser) -> None:
    superuser.execute(TROUBLE)


@pytest.fixture(autouse=True)
def attempts(troubled: None, superuser: Superuser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts what is sent."""
    send = flight.send

    def counted(*flown: Any) -> Any:
        superuser.execute("UPDATE public.attempts SET number = number + 1")
        return send(*flown)

    superuser.execute("UPDATE public.attempts SET number = 0; TRUNCATE public.written")
    monkeypatch.setattr(flight, "send", counted)


@pytest.fixture
def tenant(make: Factory) -> Tenant:
    return make.tenant()


def trouble(state: str, times: int = 1) -> Query[Answered]:
    return Query(
        "SELECT public.trouble(%(state)s, %(times)s) AS attempt",
        {"state": state, "times": times},
        Answered,
        conflict="Taken.",
    )


def write(what: str) -> Query[Written]:
    return Query("INSERT INTO public.written VALUES (%(what)s) RETURNING what", {"what": what}, Written)


def simple(statement: LiteralString) -> Query[Answered]:
    return Query(statement, {}, Answered)


def entry(tenant: Tenant, scope: str = "workflows:write") -> Entry:
    return Entry(tenant.owner, str(tenant.id), scope)


def flown(tenant: Tenant, *queries: Query[Any], scope: str = "workflows:write", **how: Any) -> list[list[Any]]:
    return fly(queries, deadline_in(4), entry(tenant, scope), **how)


def written(superuser: Superuser) -> list[str]:
    return [row[0] for row in superuser.execute("SELECT what FROM public.written ORDER BY what").fetchall()]


def sent(superuser: Superuser) -> int:
    return superuser.execute("SELECT number FROM public.attempts").fetchall()[0][0]


SURELY_UNDONE = ["40001", "40P01", "53300", "57P03"]
LOST = ["57P01", "57P02", "57P05", "08000", "08003", "08006", "08P01", "killed"]
BUSY = ["55P03", "57014", "57P04", "25006", "25P03", "53100", "53200"]


@pytest.mark.parametrize("state", SURELY_UNDONE)
@pytest.mark.parametrize("scope", ["workflows:read", "workflows:write"])
def test_what_is_surely_undone_is_sent_again(tenant: Tenant, state: str, scope: str) -> None:
    assert flown(tenant, trouble(state), scope=scope) == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", LOST)
def test_after_a_loss_a_read_is_sent_again(tenant: Tenant, state: str) -> None:
    assert flown(tenant, trouble(state), scope="workflows:read") == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", LOST)
def test_after_a_loss_a_write_that_may_be_repeated_is_sent_again(tenant: Tenant, state: str) -> None:
    assert flown(tenant, trouble(state), repeatable=True) == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", LOST)
def test_after_a_loss_a_write_that_may_have_arrived_is_not_sent_again(
    tenant: Tenant, state: str, superuser: Superuser
) -> None:
    with pytest.raises(Unavailable):
        flown(tenant, write("once"), trouble(state))
    assert (sent(superuser), written(superuser)) == (1, [])
    assert flown(tenant, write("next")) == [[Written(what="next")]]


@pytest.mark.parametrize("state", BUSY)
@pytest.mark.parametrize("scope", ["workflows:read", "workflows:write"])
def test_a_busy_database_is_left_alone(tenant: Tenant, state: str, scope: str, superuser: Superuser) -> None:
    with pytest.raises(Unavailable):
        flown(tenant, trouble(state), scope=scope, repeatable=True)
    assert sent(superuser) == 1


@pytest.mark.parametrize(
    "state, error",
    [
        ("FL404", NotFound("Some message.", "some_constraint")),
        ("23505", Conflict("Taken.")),
        ("22P02", Unprocessable()),
    ],
)
def test_a_refusal_is_told_at_once(tenant: Tenant, state: str, error: ServiceError, superuser: Superuser) -> None:
    with pytest.raises(type(error)) as told:
        flown(tenant, trouble(state), repeatable=True)
    assert (told.value.detail, told.value.code) == (error.detail, error.code)
    assert sent(superuser) == 1


def test_an_unknown_error_is_not_disguised(tenant: Tenant) -> None:
    with pytest.raises(psycopg.errors.InternalError_):
        flown(tenant, trouble("XX000"))


def test_sending_again_ends(tenant: Tenant, superuser: Superuser) -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable):
        fly([trouble("40001", times=99)], deadline_in(1), entry(tenant))
    assert time.monotonic() - start < 1.2
    assert 2 <= sent(superuser) <= flight.ATTEMPTS


def test_a_deadlocks_victim_is_sent_again(tenant: Tenant, server: Cluster, database: str, superuser: Superuser) -> None:
    lock = "SELECT pg_advisory_xact_lock(%s)"
    with psycopg.connect(server.url("flo_app", database)) as other:
        other.execute(lock, (2,))

        def cross() -> None:
            until(lambda: waits_for_lock(superuser))
            other.execute(lock, (1,))
            other.commit()

        with beside(cross):
            rows = flown(
                tenant,
                write("one"),
                simple("SELECT 1 AS attempt FROM pg_advisory_xact_lock(1)"),
                simple("SELECT 2 AS attempt FROM pg_advisory_xact_lock(2)"),
            )
    assert rows == [[Written(what="one")], [Answered(attempt=1)], [Answered(attempt=2)]]
    assert written(superuser) == ["one"]


def waits_for_lock(superuser: Superuser) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return superuser.execute(waiting).rowcount > 0


def test_a_lock_that_is_not_given_is_a_503_within_the_deadline(tenant: Tenant, server: Cluster, database: str) -> None:
    wanted = simple("SELECT 1 AS attempt FROM pg_advisory_xact_lock(3)")
    with psycopg.connect(server.url("flo_app", database)) as other:
        other.execute("SELECT pg_advisory_xact_lock(3)")
        start = time.monotonic()
        with pytest.raises(Unavailable):
            fly([wanted], deadline_in(0.6), entry(tenant))
        assert 0.5 < time.monotonic() - start < 1
    assert flown(tenant, wanted) == [[Answered(attempt=1)]]


def test_whatever_fails_no_transaction_stays_open(tenant: Tenant, superuser: Superuser) -> None:
    half_a_pair = Query("SELECT length(%(text)s) AS attempt", {"text": "\ud800"}, Answered)
    with pytest.raises(UnicodeEncodeError):
        flown(tenant, half_a_pair)
    assert connection.current
    assert connection.current.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    until(lambda: not superuser.execute("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in%'").rowcount)
    assert flown(tenant, simple("SELECT 3 AS attempt")) == [[Answered(attempt=3)]]


@pytest.fixture
def network(database_url: str) -> Generator[Proxy]:
    with proxy(port_of(database_url)) as network, connected(DATABASE_URL=through(network.port, database_url)):
        yield network


def test_a_write_whose_commit_may_have_arrived_is_not_sent_again(
    tenant: Tenant, network: Proxy, superuser: Superuser
) -> None:
    for byte in (0, 40):
        flown(tenant, simple("SELECT 1 AS attempt"))
        network.answers.left = byte
        with pytest.raises(Unavailable):
            flown(tenant, write(f"lost at {byte}"))
    assert written(superuser) == ["lost at 0", "lost at 40"]


def test_a_write_that_did_not_leave_whole_leaves_nothing(tenant: Tenant, network: Proxy, superuser: Superuser) -> None:
    flown(tenant, write("first"))
    network.requests.left = 250
    with pytest.raises(Unavailable):
        flown(tenant, write("second"))
    assert written(superuser) == ["first"]
    assert flown(tenant, write("third")) == [[Written(what="third")]]


@needs_pgbouncer
def test_outside_any_tenant_a_question_is_answered_and_asked_again(tenant: Tenant) -> None:
    assert ask(trouble("killed")) == [Answered(attempt=2)]


def test_a_transaction_sees_what_it_wrote_and_commits_it_whole(tenant: Tenant, superuser: Superuser) -> None:
    with Database(entry(tenant)).transaction() as transaction:
        transaction.all(write("one"))
        assert transaction.all(Query("SELECT what FROM public.written", {}, Written)) == [Written(what="one")]
        assert written(superuser) == []
        transaction.all(write("two"))
    assert written(superuser) == ["one", "two"]


def test_a_transaction_that_fails_leaves_nothing(tenant: Tenant, superuser: Superuser) -> None:
    failures: list[tuple[type[Exception], Callable[[flight.Transaction], object]]] = [
        (Conflict, lambda transaction: transaction.all(write("one"))),
        (Unavailable, lambda transaction: transaction.all(trouble("killed", times=9))),
        (ZeroDivisionError, lambda transaction: 1 / 0),
    ]
    for error, fail in failures:
        with pytest.raises(error), Database(entry(tenant)).transaction() as transaction:
            transaction.all(write("one"))
            fail(transaction)
        assert written(superuser) == []
        assert flown(tenant, simple("SELECT 1 AS attempt")) == [[Answered(attempt=1)]]


def test_a_transaction_asks_at_the_gate_first(tenant: Tenant) -> None:
    stranger = Entry(tenant.owner, str(uuid4()), "workflows:write")
    with pytest.raises(NotFound), Database(stranger).transaction():
        pytest.fail("it was let in")


def test_a_transaction_ends_at_its_deadline(tenant: Tenant) -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable), Database(entry(tenant), deadline_in(0.5)).transaction() as transaction:
        transaction.all(simple("SELECT 1 AS attempt FROM pg_sleep(3)"))
    assert time.monotonic() - start < 1
    assert flown(tenant, simple("SELECT 2 AS attempt")) == [[Answered(attempt=2)]]


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def beside(work: Callable[[], None]) -> Generator[None]:
    """Does the work in another thread while the block runs."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
