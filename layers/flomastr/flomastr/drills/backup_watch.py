"""What there is to restore from, seen from outside of the job that takes backups: in the bucket, and at DigitalOcean.

A job that does not run tells nobody. What is wrong is said in words, and counted in a metric that an alarm watches.
"""

from datetime import datetime, timedelta

from pydantic import BaseModel

from flomastr.database.connection import Connection
from flomastr.drills.digitalocean import Client, ProviderError
from flomastr.errors import UnavailableError
from flomastr.jobs import Job
from flomastr.observability import metrics
from flomastr.recovery import backup_manifest
from flomastr.settings import digitalocean_token, settings

OLDEST = timedelta(hours=26)  # that the newest backup may be
SMALLEST = 0.7  # of the backup before it
PROMISED = timedelta(days=7)  # how far backups reach back at least
STEP = timedelta(days=1)  # between two of them
OVERDUE = timedelta(days=8)  # since a good drill


class Seen(BaseModel):
    """What was found, and what is wrong with it."""

    backups: int = 0
    newest_backup: str | None = None
    oldest_backup_at: datetime | None = None
    restorable_from: datetime | None = None
    problems: list[str] = []


def watch(job: Job) -> None:
    """Looks, records what it saw, and counts what is wrong. Raises psycopg.Error."""
    seen = Seen()
    look_at_backups(job, seen)
    if settings().digitalocean_cluster:
        look_at_cluster(job.moment, seen)
        look_at_drills(job, seen)
    record(job.conn, seen)
    metrics.add_metric(name="RecoveryProblems", unit="Count", value=len(seen.problems))


def look_at_backups(job: Job, seen: Seen) -> None:
    """Those that were recorded and whose manifests are in the bucket."""
    try:
        there = [backup_manifest.id_of(key) for key in backup_manifest.all_keys()]
    except UnavailableError as error:
        seen.problems.append(f"The bucket of backups cannot be read: {error.detail}")
        return
    all_backups = job.conn.execute("SELECT id, taken_at, bytes FROM app.backups ORDER BY id").fetchall()
    found = [backup for backup in all_backups if backup[0] in there]
    if not found:
        seen.problems.append("There is no backup.")
        return
    newest, taken_at, size = found[-1]
    seen.backups, seen.newest_backup, seen.oldest_backup_at = len(found), newest, found[0][1]
    refuse_age("newest backup", job.moment - taken_at, seen)
    before = found[-2][2] if len(found) > 1 else 0
    if size < before * SMALLEST:
        seen.problems.append(
            f"The newest backup has {size:,} bytes and the one before {before:,}: {1 - size / before:.0%} less."
        )
    refuse_reach("Backups reach", job.moment, found[0][1], all_backups[0][1], seen)


def look_at_cluster(now: datetime, seen: Seen) -> None:
    """DigitalOcean's own backups. What it refuses is a problem too."""
    try:
        client = Client(digitalocean_token(), settings().digitalocean_url)
        cluster = client.cluster(settings().digitalocean_cluster)
        backups = client.backups(cluster.id)
    except (ProviderError, UnavailableError) as error:
        seen.problems.append(f"DigitalOcean's backups are not known: {type(error).__name__}: {error}")
        return
    if not backups:
        seen.problems.append("DigitalOcean has no backup of the cluster.")
        return
    seen.restorable_from = backups[0].created_at
    refuse_age("newest backup of DigitalOcean", now - backups[-1].created_at, seen)
    refuse_reach("DigitalOcean's backups reach", now, backups[0].created_at, cluster.created_at, seen)


def refuse_age(name: str, age: timedelta, seen: Seen) -> None:
    if age > OLDEST:
        seen.problems.append(f"The {name} is {age // timedelta(hours=1)} hours old.")


def refuse_reach(name: str, now: datetime, oldest: datetime, first: datetime, seen: Seen) -> None:
    """Unless there has been nothing to back up for so long."""
    if now - first > PROMISED + STEP and now - oldest < PROMISED - STEP:
        days = (now - oldest) // STEP
        seen.problems.append(f"{name} back {days} days only, and {PROMISED.days} are promised.")


def look_at_drills(job: Job, seen: Seen) -> None:
    last = job.conn.execute(
        """
        SELECT started_at, verdict, problems FROM app.drills WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
        """
    ).fetchone()
    if last and last[1] != "good":
        seen.problems.append(f"The drill of {last[0]:%Y-%m-%d} found {last[1]}: {'; '.join(last[2])}")
    ((good, first),) = job.conn.execute(
        "SELECT max(started_at) FILTER (WHERE verdict = 'good'), min(started_at) FROM app.drills"
    ).fetchall()
    if first and job.moment - (good or first) > OVERDUE:
        seen.problems.append(f"No drill has been good since {good or first:%Y-%m-%d}.")


def record(conn: Connection, seen: Seen) -> None:
    conn.execute(
        """
        UPDATE app.recovery_check SET
          checked_at = now(), backups = %(backups)s, newest_backup = %(newest_backup)s,
          oldest_backup_at = %(oldest_backup_at)s, restorable_from = %(restorable_from)s, problems = %(problems)s
        """,
        seen.model_dump(),
    )
