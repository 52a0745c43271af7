"""Keys and passwords of the local platform: files in --data that only their owner may read."""

import secrets
from collections.abc import Callable
from pathlib import Path


def private_file(path: Path, make: Callable[[], str] = secrets.token_hex) -> str:
    """The text of the file at `path`, which is made on first use and readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        fresh.rename(path)
    return path.read_text()
