"""The code that may run while the schema of this checkout is applied: the release before, out of git's history."""

import os
import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from dev.paths import ROOT

MIGRATIONS = "schema/migrations"
PASSED = re.compile(r"(\d+) passed")


def git(*arguments: str, checkout: Path = ROOT) -> bytes | None:
    """What git says, or nothing where it has no answer: no repository, or a history that does not reach so far."""
    try:
        asked = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return asked.stdout if asked.returncode == 0 else None


def commit_before(checkout: Path = ROOT) -> str | None:
    """The newest tag of a version before this one, else the commit before the newest migration. None: no history."""
    if git("status", "--porcelain", MIGRATIONS, checkout=checkout):
        return "HEAD"  # the newest migration is not committed yet
    if tag := git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^", checkout=checkout):
        return tag.decode().strip()
    newest = git("log", "-1", "--format=%H", "--", MIGRATIONS, checkout=checkout)
    before = f"{newest.decode().strip()}^" if newest else ""
    return before if before and git("rev-parse", "--verify", "--quiet", before, checkout=checkout) else None


def unpacked(commit: str, folder: Path) -> Path:
    """All files of the commit."""
    archive = git("archive", "--format=tar", commit)
    assert archive is not None
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def run_tests(checkout: Path, files: tuple[str, ...], cluster: str, template: str) -> int:
    """How many passed of those tests of the checkout. `cluster` and its template are what they copy databases from."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "POSTGRES_PROGRAMS") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *files],
        cwd=checkout,
        env=kept | {"FLOMASTR_TEST_CLUSTER": cluster, "FLOMASTR_TEST_TEMPLATE": template},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    passed = PASSED.search(ended.stdout)
    return int(passed[1]) if passed else 0
