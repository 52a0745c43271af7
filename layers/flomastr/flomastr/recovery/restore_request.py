"""What an operator asks of the function `restore_backup`."""

from pydantic import BaseModel, ConfigDict, Field

from flomastr.recovery import backup_manifest, backup_verify, restore
from flomastr.settings import target_url

WORKERS = 2  # for two processors


class RestoreRequest(BaseModel):
    """Without a secret the backup is only verified. `tables` and `tenant` are as `make restore` has them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backup: str = Field("latest", alias="from")
    secret: str = ""
    tables: list[str] = []
    tenant: str = ""


class RestoreAnswer(BaseModel):
    """`migration` is the one that the database must have been migrated to, and no further, before it is restored."""

    backup: str
    migration: str
    rows: int
    problems: list[str] = []
    restored: dict[str, int] | None = None


def carry_out(asked: RestoreRequest) -> RestoreAnswer:
    """Killed after 900 s it has not lost what it did: asked again for the same backup it goes on.

    Raises DamagedError, RefusedError, DifferentError, CatalogueError, StorageUnavailableError, psycopg.Error.
    """
    manifest = backup_manifest.find(asked.backup)
    answer = RestoreAnswer(backup=manifest.id, migration=max(manifest.migrations), rows=manifest.rows)
    if not asked.secret:
        return answer.model_copy(update={"problems": backup_verify.verify(manifest)})
    url = target_url(asked.secret)
    counts = restore.restore(url, manifest, workers=WORKERS, tables=asked.tables, tenant=asked.tenant)
    return answer.model_copy(update={"restored": counts})
