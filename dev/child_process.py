"""Child processes that cannot outlive us, however we end."""

import shutil
from typing import Literal


def die_with_parent(signal: Literal["INT", "KILL"], *privileges: str) -> list[str]:
    """The command prefix under which a process gets `signal` when its parent dies.

    Where there is no setpriv (macOS) the prefix is empty: an ordinary end still stops children,
    only a `kill -9` of ours may leave them behind.
    """
    if not shutil.which("setpriv"):
        return []
    return ["setpriv", "--pdeathsig", signal, *privileges, "--"]
