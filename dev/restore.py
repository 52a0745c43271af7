"""`python -m dev restore` and `verify`: backups of this machine, or of the bucket that BACKUP_BUCKET names."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from dev.console import console
from dev.errors import StartupError
from dev.paths import find_layer
from dev.services import object_storage


@contextmanager
def bucket(data: Path) -> Generator[None]:
    """The environment names a bucket of backups for the length of the block."""
    find_layer()
    if os.environ.get("BACKUP_BUCKET"):
        yield
        return
    with object_storage.reach(data) as found:
        os.environ |= {"BACKUP_BUCKET": found.bucket, "BACKUP_S3_ENDPOINT": found.endpoint}
        os.environ |= {"AWS_ACCESS_KEY_ID": found.key, "AWS_SECRET_ACCESS_KEY": found.key}
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        yield


def verify(backup: str, data: Path) -> None:
    """Reads a whole backup, and names what is not as it was written."""
    with bucket(data):
        from flomastr.recovery import backup_manifest, backup_verify
        from flomastr.recovery.backup_manifest import DamagedError

        try:
            manifest = backup_manifest.find(backup)
        except DamagedError as error:
            raise StartupError(str(error)) from error
        if problems := backup_verify.verify(manifest):
            raise StartupError("\n".join(problems))
        console.print(f"{manifest.id} is whole: {manifest.rows} rows of {len(manifest.parts)} tables.")


def restore(backup: str, url: str, tables: list[str], tenant: str, workers: int, data: Path) -> None:
    """Into an empty database, which gets the schema of the backup first and what is newer afterwards."""
    if not url:
        raise StartupError("Name a database: make restore FROM=latest DATABASE_URL=postgresql://...")
    with bucket(data):
        from flomastr.recovery import backup_manifest, restore
        from flomastr.recovery.backup_manifest import DamagedError
        from flomastr.recovery.restore import CatalogueError, RefusedError
        from flomastr.recovery.restore_load import DifferentError
        from schema.migrate import MigrationRefusedError, migrate

        try:
            manifest = backup_manifest.find(backup)
            migrate(url, last=max(manifest.migrations))
            counts = restore.restore(url, manifest, workers=workers, tables=tables, tenant=tenant)
            migrate(url)
        except (DamagedError, DifferentError, CatalogueError, RefusedError, MigrationRefusedError) as error:
            raise StartupError(str(error)) from error
        except psycopg.Error as error:
            raise StartupError(f"Postgres: {str(error).strip()}") from error
        except UnicodeError as error:  # of a host that no name can be, such as `...`
            example = "postgresql://user:password@host:5432/name"
            raise StartupError(f"DATABASE_URL is no URL of a database, such as {example}.") from error
    console.print(
        f"Restored {manifest.id}: {counts['rows']} rows of {counts['tables']} tables in {counts['seconds']} s, each"
        f" compared with the backup. Erasures to carry out again: {counts['erasures']}."
    )
