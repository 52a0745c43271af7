"""Output to the terminal of the developer."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)


@contextmanager
def step(name: str) -> Generator[None]:
    """Show that a step goes on, and how long it took."""
    began = time.monotonic()
    with console.status(f"{name} ..."):
        yield
    console.print(f"  {name:<42} {time.monotonic() - began:5.1f} s")


def paste(text: str) -> None:
    """Print a line that stays one line, whatever the width of the terminal."""
    console.print(text, markup=False, soft_wrap=True)
