"""`python -m dev docs`: the pages of docs/reference that are generated from the code."""

from pathlib import Path

from dev.docs import configuration, connections, errors, routes
from dev.paths import ROOT

REFERENCE = ROOT / "docs/reference"


def pages() -> dict[Path, str]:
    """The text of each generated page."""
    return {
        REFERENCE / "endpoints.md": routes.page(),
        REFERENCE / "configuration.md": configuration.page(),
        REFERENCE / "connections.md": connections.page(),
        REFERENCE / "errors.md": errors.page(),
    }


def write() -> None:
    for path, text in pages().items():
        path.write_text(text)
