"""What a backup is: a manifest, which is written last, and the objects that it names."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints, ValidationError

from flomastr.object_storage import ObjectMissingError
from flomastr.recovery import backup_storage

FOLDER = "manifests/"
CLOCKS = timedelta(hours=1)  # of who took a backup and who restores it
# A restore executes these as they stand, as an administrator: they may say nothing but what Postgres writes there
BOUND = r"^(DEFAULT|FOR VALUES (FROM \('[\w:.+ -]+'\) TO \('[\w:.+ -]+'\)|IN \('?\w+'?(, '?\w+'?)*\)))$"
INDEX = r"^CREATE INDEX \w+ ON app\.\w+ USING btree \(\w+( DESC)?(, \w+( DESC)?)*\)$"


class DamagedError(Exception):
    """An object of a backup is missing, or is not what was written."""


class Relation(BaseModel):
    """A table, or a partition of one that is divided by time. All others are copied through their parent."""

    name: str
    parent: str | None  # what it is a partition of
    bound: Annotated[str, StringConstraints(pattern=BOUND)] | None  # as in ATTACH PARTITION
    rows_where: str | None  # which rows of the root table it has
    root: str
    indexes: list[Annotated[str, StringConstraints(pattern=INDEX)]]  # those of a partition that its parent has not
    columns: list[str]  # without generated ones


class Part(BaseModel):
    """One relation as an object: COPY's text format, compressed."""

    relation: Relation
    key: str  # empty: it has no rows, and there is no object
    rows: int
    checksum: int  # of the rows in any order: flomastr/recovery/backup_copy.py
    text_bytes: int
    bytes: int
    sha256: str  # of the object


class Manifest(BaseModel):
    """A backup. Migrations are named with their SHA-256, as the ledger has them."""

    version: Literal[2] = 2  # 1: objects were gzip
    id: str
    taken_at: datetime
    snapshot: str
    server_version: str
    extensions: dict[str, str]
    migrations: dict[str, str]
    catalogue: list[str]  # roles, owners, grants, policies, triggers: flomastr/recovery/backup_catalogue.py
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def text_bytes(self) -> int:
        return sum(part.text_bytes for part in self.parts)

    def key_of_digest(self, digest: str) -> str | None:
        """Of the object that should have it."""
        return next((part.key for part in self.parts if part.sha256 == digest), None)


def new_id(taken_at: datetime) -> str:
    """In the order of ids, backups are in the order of time, also two of one second."""
    at = taken_at.astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{at:%f}{secrets.token_hex(1)}"


def key_of(id: str, data: bytes) -> str:
    """Its digest is part of the key, so a manifest that was changed is found by its own name."""
    return f"{backup_storage.PREFIX}{FOLDER}{id}.{sha256(data).hexdigest()[:32]}.json"


def id_of(key: str) -> str:
    """The backup's id in the key of its manifest."""
    return key.rpartition("/")[2].partition(".")[0]


def write(manifest: Manifest, until: datetime | None) -> str:
    """Returns its key. Raises AlreadyThereError, StorageUnavailableError."""
    data = manifest.model_dump_json().encode()
    key = key_of(manifest.id, data)
    backup_storage.put_new(key, data, until)
    return key


def read(key: str) -> Manifest:
    """Raises DamagedError, StorageUnavailableError."""
    try:
        data = backup_storage.read(key)
    except ObjectMissingError as error:
        raise DamagedError(f"{key} is missing.") from error
    if key_of(id_of(key), data) != key:
        raise DamagedError(f"{key} is not what was written.")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise DamagedError(f"{key} is of another version, or not ours.") from error


def all_keys() -> list[str]:
    """Of every backup in the bucket, oldest first. Raises StorageUnavailableError."""
    return sorted(backup_storage.keys(FOLDER), key=id_of)


def find(id: str) -> Manifest:
    """The backup of this id or this key, or the newest for `latest`, which nobody can have taken later than now.

    Raises DamagedError, StorageUnavailableError.
    """
    now = new_id(datetime.now(UTC) + CLOCKS)
    found = [key for key in all_keys() if id in (id_of(key), key) or (id == "latest" and id_of(key) < now)]
    if not found:
        raise DamagedError(f"There is no backup {id}.")
    return read(found[-1])
