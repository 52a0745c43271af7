"""Reads a backup from end to end, without a database, and names every object that is not what it should be."""

from concurrent.futures import ThreadPoolExecutor

from flomastr.recovery import backup_copy
from flomastr.recovery.backup_copy import Tally
from flomastr.recovery.backup_manifest import DamagedError, Manifest, Part

READERS = 4


def verify(manifest: Manifest) -> list[str]:
    """What is wrong, a sentence for each object. Raises StorageUnavailableError."""

    def problem_of(part: Part) -> str | None:
        try:
            check(manifest, part)
        except DamagedError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(READERS) as pool:
        return [problem for problem in pool.map(problem_of, manifest.parts) if problem]


def check(manifest: Manifest, part: Part) -> None:
    """Raises DamagedError, StorageUnavailableError."""
    tally = Tally()
    for lines in backup_copy.lines_of(backup_copy.read(part, manifest)):
        tally.add(lines)
    if tally.of() != (part.rows, part.checksum):
        raise DamagedError(f"{part.key} has rows that the manifest does not name.")
