"""All checks, each in bounded time, whatever is dead or wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from queue import Empty, Queue
from threading import Thread

import psycopg

from flomastr.database.connection import Connection
from flomastr.doctor import reach
from flomastr.doctor.buckets import archive_bucket, backup_bucket, uploads_bucket
from flomastr.doctor.capacity import CAPACITY
from flomastr.doctor.clocks import CLOCKS
from flomastr.doctor.embedding_endpoint import embeddings
from flomastr.doctor.isolation import ISOLATION
from flomastr.doctor.issuers import issuer_keys, issuer_metadata, token_of_a_person
from flomastr.doctor.pools import POOLS
from flomastr.doctor.schema import SCHEMA
from flomastr.doctor.servers import VERSIONS
from flomastr.doctor.verdicts import Finding, Report, SkippedError, Verdict, fail, ok
from flomastr.errors import ServiceError

SECONDS = 10.0  # until a check counts as hanging

OF_THE_DATABASE: Sequence[Callable[[Connection], Verdict]] = (
    *(reach.encryption, *VERSIONS, *ISOLATION, *SCHEMA, *POOLS),
    *(*CAPACITY, *CLOCKS),
)

type Check = Callable[[], Verdict]
type Answer = Verdict | SkippedError


def examine(token: str = "") -> Report:
    """Looks at all that the environment names. `token` is one of a person, to look at its claims."""
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for name, check in checks(token):
        match bounded(check):
            case Verdict() as verdict:
                findings.append(Finding(name=name, **verdict._asdict()))
            case SkippedError() as reason:
                skipped[name] = str(reason)
    statuses = {finding.status for finding in findings}
    worst = "fail" if "fail" in statuses else "warn" if "warn" in statuses else "ok"
    return Report(status=worst, findings=findings, skipped=skipped)


def checks(token: str) -> Iterator[tuple[str, Check]]:
    """In order, with their names. The connection is opened when the first is taken, and closed after its last."""
    yield "ca_certificate", reach.ca_certificate
    connections: list[Connection] = []
    yield "connection", partial(connect, connections)
    if connections:
        with closing(connections[0]) as conn:
            for check in OF_THE_DATABASE:
                yield check.__name__, partial(of_database, check, conn)
    else:
        for check in OF_THE_DATABASE:
            yield check.__name__, without_connection
    for check in (archive_bucket, uploads_bucket, backup_bucket, issuer_keys, issuer_metadata, embeddings):
        yield check.__name__, check
    yield "token", partial(token_of_a_person, token)


def connect(connections: list[Connection]) -> Verdict:
    """Opens the connection that the others use."""
    try:
        connections.append(reach.opened())
    except (psycopg.Error, ServiceError) as error:
        return reach.refusal(error)
    info = connections[0].info
    return ok(f"{info.user} at {info.host}:{info.port}/{info.dbname}")


def of_database(check: Callable[[Connection], Verdict], conn: Connection) -> Verdict:
    if conn.closed:
        raise SkippedError("the connection was lost")
    conn.deadline = reach.until()
    return check(conn)


def without_connection() -> Verdict:
    raise SkippedError("there is no connection")


def bounded(check: Check) -> Answer:
    """Its answer, or that there was none in time. A thread that hangs is left behind."""
    answers: Queue[Answer] = Queue()
    Thread(target=lambda: answers.put(answer_of(check)), daemon=True).start()
    try:
        return answers.get(timeout=SECONDS)
    except Empty:
        return fail(f"No answer within {SECONDS:g} s", "Look whether what it asks lives, and lets this network in.")


def answer_of(check: Check) -> Answer:
    """No check may end the examination."""
    try:
        return check()
    except SkippedError as reason:
        return reason
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        return fail(f"{type(error).__name__}: {said}"[:300], "Read what it says; the other findings may explain it.")
