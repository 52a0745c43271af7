"""Every few minutes: what n8n instances have run is read by n8n's public API, and recorded as what they post is.

Some instances at a time are asked for one thing each, then again, so that none waits for what another has to tell.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import psycopg

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.errors import UnavailableError
from flomastr.jobs import Job
from flomastr.n8n import client, records
from flomastr.n8n.api_keys import KEY_UNREADABLE, KeyUnreadableError, decrypted
from flomastr.n8n.pulling import LEAST_WAIT, Pulling
from flomastr.n8n.records import Instance, Records, ReplacedError
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
        turns = deque(pulling for instance in due if (pulling := begun(job, conn, instance)))
        until = time.monotonic() + SECONDS
        while turns and time.monotonic() < until and job.has_time(client.SECONDS + 10):
            group = list(islice(turns, AT_ONCE))
            turns.rotate(-len(group))
            step(job, group)
            for pulling in group:
                job.counts.update(pulling.counts)
                pulling.counts.clear()
                if pulling.is_done:
                    turns.remove(pulling)
    finally:
        conn.close()


def begun(job: Job, conn: Connection, instance: Instance) -> Pulling | None:
    """None: the key cannot be decrypted, which is noted."""
    writing = Records(conn, instance)
    try:
        return Pulling.begun(instance, decrypted(instance.api_key, instance.tenant_id, instance.name), writing)
    except KeyUnreadableError:
        with suppress(ReplacedError):
            writing.failed(KEY_UNREADABLE, LEAST_WAIT, instance.progress)
    except UnavailableError as error:
        job.failed(str(error), "PullFailed")
    return None


def step(job: Job, group: list[Pulling]) -> None:
    """One request to each, all at once; the answers are recorded one after the other."""
    asking = [(pulling, request) for pulling in group if (request := guarded(job, pulling, pulling.request))]
    for (pulling, _), answer in zip(asking, client.asked([request for _, request in asking]), strict=True):
        guarded(job, pulling, lambda pulling=pulling, answer=answer: pulling.take(answer))


def guarded[T](job: Job, pulling: Pulling, work: Callable[[], T]) -> T | None:
    """What cannot be recorded of one instance keeps no other waiting. Raises psycopg.Error if the connection ends."""
    try:
        return work()
    except ReplacedError:
        pulling.is_done = True
    except psycopg.Error as error:
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
