"""What must stay the same between starts and be known to nobody else: private files in DIR."""

import secrets
from collections.abc import Callable
from pathlib import Path


def secret(path: Path, make: Callable[[], str] = secrets.token_hex) -> str:
    """The text in the file at `path`, made on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        fresh.rename(path)
    return path.read_text()
