"""Takes the pictures of the documentation anew: the console over a fresh local platform, light, dark and on a phone."""

import os
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import Any

from dev.paths import ROOT
from dev.samples.people import OWNER
from dev.services.oidc_issuer import Identity
from tests.support.console import chromium, visitor
from tests.support.dev_process import LocalPlatform, start

IMAGES = ROOT / "docs/images"


def take(platform: LocalPlatform) -> None:
    history = "/routes/history/workflow-executions?limit=1&status=error"
    failed: Any = platform.get(history, Identity(platform.data).token(OWNER.id, OWNER.email))
    pictures = [
        ("console-overview", 1120, "light", "overview"),
        ("console-execution-dark", 1120, "dark", f"execution/{failed[0]['id']}"),
        ("console-phone", 390, "light", "overview"),
    ]
    with chromium() as browser:
        for name, width, scheme, place in pictures:
            with visitor(browser, platform, width, "Europe/Berlin") as guest:
                guest.page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
                guest.sign_in(OWNER.name, f"/console/t/demo/{place}")
                guest.ready()
                guest.page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    os.environ.pop("DATABASE_URL", None)
    with TemporaryDirectory() as data:
        platform, _ = start(Path(data))
        try:
            take(platform)
        finally:
            platform.end(SIGTERM)


if __name__ == "__main__":
    main()
