"""Packages in a folder of their own, installed once for each content of a pinned list."""

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from dev.errors import StartupError


def installed(requirements: Path, data: Path, name: str) -> Path:
    """The folder with exactly what `requirements` lists."""
    folder = data / f"{name}-{sha256(requirements.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        fresh = folder.with_suffix(".new")  # renamed when complete
        shutil.rmtree(fresh, ignore_errors=True)
        _install(requirements, fresh, data / "packages.log")
        fresh.rename(folder)
    return folder


def _install(requirements: Path, folder: Path, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    what = ["--require-hashes", "--no-deps", "--target", folder, "--requirement", requirements]
    with log.open("a") as output:
        if subprocess.run([*pip, *what], stdout=output, stderr=output).returncode != 0:
            raise StartupError(f"{requirements} could not be installed: {log} ends with the reason.")
