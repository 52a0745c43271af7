"""Every few minutes: what n8n instances have run is read by n8n's public API, and recorded as what they post is.

Some instances at a time are asked for one thing each. Who has answered is recorded, and the next one is asked, so that
none waits for what another has to tell, or for how long it takes for that.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.errors import UnavailableError
from flomastr.jobs import Job
from flomastr.n8n import client, records
from flomastr.n8n.api_keys import KEY_UNREADABLE, KeyUnreadableError, decrypted
from flomastr.n8n.client import Outcome, Request
from flomastr.n8n.pulling import Pulling
from flomastr.n8n.records import LEAST_WAIT, Instance, Records, ReplacedError
from flomastr.n8n.turns import Turns
from flomastr.settings import recording_url

AT_ONCE = 8
SECONDS = 200  # of a run, which comes every five minutes


def run(job: Job) -> None:
    """Killed at any moment it has recorded whole answers, with how far it is; the next run goes on."""
    due = records.due(job.conn, job.moment)
    if not due:
        return
    conn = connection.connect(job.deadline, recording_url)
    try:
        turns = Turns([pulling for instance in due if (pulling := begun(job, conn, instance))])
        read(job, turns)
        for pulling in turns.waiting:
            if pulling.has_begun:
                guarded(job, pulling, pulling.put_off)
    finally:
        conn.close()


def begun(job: Job, conn: Connection, instance: Instance) -> Pulling | None:
    """None: the key cannot be decrypted, which is noted."""
    writing = Records(conn, instance)
    try:
        return Pulling.begun(instance, decrypted(instance.api_key, instance.tenant_id, instance.name), writing)
    except KeyUnreadableError:
        with suppress(ReplacedError):
            writing.failed(KEY_UNREADABLE, LEAST_WAIT, instance.progress, 0)
    except UnavailableError as error:
        job.failed(str(error), "PullFailed")
    return None


def read(job: Job, turns: Turns) -> None:
    """Answers come at once, and are recorded one after the other: nothing else is held as objects."""
    until = time.monotonic() + SECONDS
    answers = dict[Future[tuple[Outcome, float]], Pulling]()
    with ThreadPoolExecutor(AT_ONCE, "n8n") as asking:
        while True:
            while len(answers) < AT_ONCE and time.monotonic() < until and (pulling := next_of(job, turns)):
                request = guarded(job, pulling, pulling.request)
                if request:
                    answers[asking.submit(timed, request)] = pulling
                else:
                    turns.end(pulling, 0, 0)
            if not answers:
                return
            for answer in wait(answers, return_when=FIRST_COMPLETED).done:
                take(job, turns, answers.pop(answer), *answer.result())


def next_of(job: Job, turns: Turns) -> Pulling | None:
    return turns.next() if turns.waiting and job.has_time(client.SECONDS + 10) else None


def timed(request: Request) -> tuple[Outcome, float]:
    began = time.monotonic()
    return client.asked(request), time.monotonic() - began


def take(job: Job, turns: Turns, pulling: Pulling, outcome: Outcome, seconds: float) -> None:
    began = time.monotonic()
    guarded(job, pulling, lambda: pulling.take(client.read(outcome)))
    size = len(outcome) if isinstance(outcome, bytearray) else 0
    turns.end(pulling, seconds + time.monotonic() - began, size)
    job.counts.update(pulling.counts)
    pulling.counts.clear()


def guarded[T](job: Job, pulling: Pulling, work: Callable[[], T]) -> T | None:
    """What cannot be recorded of one instance keeps no other waiting. Raises what ends the connection."""
    try:
        return work()
    except ReplacedError:
        pulling.is_done = True
    except Exception as error:
        if pulling.records.conn.closed:
            raise
        pulling.is_done = True
        instance = pulling.instance
        job.failed(
            f"What n8n instance {instance.name} of tenant {instance.tenant_id} has run cannot be recorded: "
            f"{type(error).__name__}",
            "PullFailed",
        )
    return None
