"""Where things are in the repository."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def find_layer() -> None:
    """Make `flomastr` importable, as it is in a function."""
    sys.path.append(str(ROOT / "layers/flomastr"))
