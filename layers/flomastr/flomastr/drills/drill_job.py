"""Every week: whether what is backed up can be restored, and how long that takes. In between, whether there is any.

A fork of the cluster at a moment takes longer than one invocation, so a drill goes on with each run until it is over:
a run that finds none and is due begins one, later ones wait for the fork, compare it, restore the newest backup into
it, and delete it. A fork that belongs to no drill is deleted by whichever run finds it.
"""

from datetime import datetime, timedelta

import psycopg

from flomastr.drills import backup_watch, drill_checks, drills, job_watch
from flomastr.drills.digitalocean import Client, Cluster, ProviderError
from flomastr.drills.drills import Drill, Result
from flomastr.jobs import Job
from flomastr.settings import digitalocean_token, settings

TAG = "flomastr-drill"
AGE = timedelta(hours=1)  # of the moment that is forked
LONGEST = timedelta(hours=2)  # until a fork is online


class MomentError(Exception):
    """The moment cannot be restored: it is outside of what the provider keeps."""


def run(job: Job) -> None:
    """Looks at jobs and backups, then begins a drill or goes on with one, where a cluster of DigitalOcean is named.

    Raises ProviderError, psycopg.Error.
    """
    job_watch.watch(job)
    backup_watch.watch(job)
    if not settings().digitalocean_cluster:
        return
    client = Client(digitalocean_token(), settings().digitalocean_url)
    drill = drills.unfinished(job.conn)
    reap(job, client, drill)
    if drill:
        go_on(job, client, drill)
    elif drills.is_due(job.conn, job.moment):
        begin(job, client)


def reap(job: Job, client: Client, drill: Drill | None) -> None:
    """Deletes forks of drills that are over: each costs as much as the cluster."""
    for cluster in client.clusters(TAG):
        if cluster.name.startswith(TAG) and (drill is None or cluster.name != drill.name):
            client.delete(cluster.id)
            job.counts["forks_deleted"] += 1


def begin(job: Job, client: Client) -> None:
    at = (job.moment - AGE).replace(microsecond=0)  # no finer moment is understood
    drill = drills.begin(job.conn, f"{TAG}-{job.moment:%Y%m%d-%H%M%S}", at)
    try:
        source = client.cluster(settings().digitalocean_cluster)
        refuse_moment(client, source, at, job.moment)
        client.fork(source, drill.name, at, TAG)
    except (ProviderError, MomentError) as error:
        result = Result()
        result.failed("drill", f"{type(error).__name__}: {error}")
        finish(job, drill, result)


def refuse_moment(client: Client, source: Cluster, at: datetime, now: datetime) -> None:
    """Raises MomentError, ProviderError."""
    backups = client.backups(source.id)
    if not backups or at < backups[0].created_at:
        oldest = f"{backups[0].created_at:%Y-%m-%d %H:%M}" if backups else "none at all"
        raise MomentError(f"{at:%Y-%m-%d %H:%M} is before the oldest backup of the cluster: {oldest}.")
    if at > now:
        raise MomentError(f"{at:%Y-%m-%d %H:%M} is in the future.")


def go_on(job: Job, client: Client, drill: Drill) -> None:
    fork = next((cluster for cluster in client.clusters(TAG) if cluster.name == drill.name), None)
    result = Result()
    if fork is None:
        result.failed("drill", "The fork was never made, or somebody deleted it.")
    elif fork.status == "online" and fork.connection:
        examine(job, drill, fork.connection.uri, result)
    elif job.moment - drill.started_at < LONGEST:
        job.counts["waiting"] += 1
        return
    else:
        result.failed("drill", f"The fork is still {fork.status} after {LONGEST}.")
    finish(job, drill, result)
    if fork:
        client.delete(fork.id)
        job.counts["forks_deleted"] += 1


def examine(job: Job, drill: Drill, uri: str, result: Result) -> None:
    """Compares the fork, then the backup. What cannot be told from a broken drill is called one."""
    try:
        drill_checks.compare_fork(job, drill, uri, result)
        result.fork_seconds = seconds_since(drill.started_at, job)
        drill_checks.restore_backup(job, drill, uri, result)
    except (psycopg.Error, ProviderError) as error:
        result.failed("drill", f"{type(error).__name__}: {str(error).strip().partition('\n')[0]}")


def seconds_since(moment: datetime, job: Job) -> float:
    ((seconds,),) = job.conn.execute("SELECT extract(epoch FROM clock_timestamp() - %s)", (moment,)).fetchall()
    return float(seconds)


def finish(job: Job, drill: Drill, result: Result) -> None:
    drills.finish(job.conn, drill, result)
    job.counts["drills"] += 1
    if result.problems:
        said = "; ".join(f"{kind}: {text}" for kind, text in result.problems)
        job.failed(f"{result.verdict}: {said}", "DrillFailed")
