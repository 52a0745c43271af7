"""Which backups are kept: the newest of 7 days, of 5 weeks and of 12 months, and all of the last two days.

An object goes with the last backup that refers to it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from flomastr.jobs import Job
from flomastr.recovery import backup_manifest, backup_storage
from flomastr.recovery.backup_manifest import DamagedError

KEPT = ((7, "%Y%m%d"), (5, "%G%V"), (12, "%Y%m"))  # so many of the newest days, weeks and months
RECENT = timedelta(days=2)  # whoever takes a backup after an accident still has the one before it
LOCK = timedelta(days=7)
UNFINISHED = timedelta(days=1)  # an object of no backup may belong to one that is being taken


def moment(id: str) -> datetime:
    return datetime.strptime(id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def kept(ids: Iterable[str]) -> set[str]:
    """Of each of the newest days, weeks and months that have any, the newest; and what is not much older than any."""
    newest_first = sorted(ids, reverse=True)
    found = {id for id in newest_first if moment(id) > moment(newest_first[0]) - RECENT}
    for most, period in KEPT:
        newest = dict[str, str]()
        for id in newest_first:
            newest.setdefault(moment(id).strftime(period), id)
        found |= set(list(newest.values())[:most])
    return found


def locked_until(taken_at: datetime) -> datetime:
    """How long a backup withstands deletion where its bucket has Object Lock."""
    return taken_at + LOCK


def run(job: Job) -> None:
    """Deletes backups that are past their time, then objects of no backup.

    A manifest that cannot be read is reported, and nothing is deleted then. Raises StorageUnavailableError.
    """
    by_id = {backup_manifest.id_of(key): key for key in backup_manifest.all_keys()}
    keep = kept(by_id)
    try:
        needed = {part.key for id in keep for part in backup_manifest.read(by_id[id]).parts}
    except DamagedError as error:
        job.failed(f"Nothing is deleted: {error}", "BackupDamaged")
        return
    past = [key for id, key in by_id.items() if id not in keep]
    backup_storage.remove(past)
    young = datetime.now(UTC) - UNFINISHED
    garbage = [
        key for key in backup_storage.keys("objects/") if key not in needed and moment(key.split("/")[2]) < young
    ]
    backup_storage.remove(garbage)
    job.counts["backups_deleted"] += len(past)
    job.counts["objects_deleted"] += len(garbage)
