"""What functions import, for platforms of tests: installed once, and linked to where each platform keeps all."""

from pathlib import Path


def with_packages(folder: Path, packages: list[Path]) -> Path:
    for package in packages:
        (folder / package.name).symlink_to(package)
    return folder
