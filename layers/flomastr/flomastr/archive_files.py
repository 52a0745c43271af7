"""Files of the archive: what the manifest says of them. Their rows are read in cold.py."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from flomastr import storage
from flomastr.etags import Resource
from flomastr.flight import Query
from flomastr.paging import PageRequest
from flomastr.rows import Count

type Source = Literal["workflow_executions", "webchat_sessions"]


class ArchiveFile(Resource):
    """`first_at` and `last_at` are the moments in the ids of its rows, `bytes` what these took while they were hot."""

    source: Source
    month: date
    rows: int
    bytes: int
    file_bytes: int
    sha256: str
    first_at: datetime
    last_at: datetime
    created_at: datetime


class Statistics(BaseModel):
    """What of one source is archived."""

    source: Source
    files: int
    rows: int
    bytes: int
    file_bytes: int
    first_at: datetime
    last_at: datetime


class Download(BaseModel):
    """Where the file, which is Parquet, can be had without a token, and until when."""

    url: str
    expires_at: datetime


class StoredFile(BaseModel):
    """A file to read: where it is, and which ids are in it."""

    id: UUID
    tenant_id: UUID
    source: Source
    month: date
    rows: int
    file_bytes: int
    first_id: UUID
    last_id: UUID
    fences: list[UUID]

    @property
    def key(self) -> str:
        return storage.key_of(self.source, self.month, self.tenant_id, self.id)

    @property
    def path(self) -> str:
        """As DuckDB reads it."""
        return f"cold://{self.file_bytes}/{self.key}"


STORED = " FROM app.archive_files AS f WHERE f.state = 'stored' "
EXECUTIONS = STORED + " AND f.source = 'workflow_executions' "
IS_NO_COPY = """
  NOT EXISTS (SELECT FROM app.restored_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
"""
READABLE = " f.id, f.tenant_id, f.source, f.month, f.rows, f.file_bytes, f.first_id, f.last_id, f.fences "


def newest(page: PageRequest) -> Query[ArchiveFile]:
    return Query(
        "SELECT f.id, f.source, f.month, f.rows, f.bytes, f.file_bytes, f.sha256, f.created_at,"
        " app.uuid7_moment(f.first_id) AS first_at, app.uuid7_moment(f.last_id) AS last_at"
        + STORED
        + "AND (%(after)s::uuid IS NULL OR f.id < %(after)s)"
        " ORDER BY f.id DESC LIMIT %(limit)s + 1 OFFSET %(offset)s",
        page.params(),
        ArchiveFile,
    )


def count() -> Query[Count]:
    return Query("SELECT count(*)" + STORED, {}, Count)


def statistics() -> Query[Statistics]:
    return Query(
        "SELECT f.source, count(*) AS files, sum(f.rows) AS rows, sum(f.bytes) AS bytes,"
        " sum(f.file_bytes) AS file_bytes, min(app.uuid7_moment(f.first_id)) AS first_at,"
        " max(app.uuid7_moment(f.last_id)) AS last_at" + STORED + "GROUP BY f.source ORDER BY f.source",
        {},
        Statistics,
    )


def get(id: UUID) -> Query[StoredFile]:
    return Query("SELECT" + READABLE + STORED + "AND f.id = %(id)s", {"id": id}, StoredFile)


def download(file: StoredFile) -> Download:
    """A file holds one tenant's rows and no others', so it may be handed out whole."""
    expires_at = datetime.now(UTC) + timedelta(seconds=storage.LINK_SECONDS)
    return Download(
        url=storage.link(file.key, f"{file.source}-{file.month:%Y-%m}-{file.id}.parquet"), expires_at=expires_at
    )


def of_executions(after: UUID | None) -> Query[StoredFile]:
    """Those with executions before an id, last stored first: of a row in two files the first has the newer version."""
    return Query(
        "SELECT" + READABLE + EXECUTIONS + "AND (%(after)s::uuid IS NULL OR f.first_id < %(after)s)"
        " ORDER BY f.stored_at DESC, f.id DESC",
        {"after": after},
        StoredFile,
    )


def around(id: UUID) -> Query[StoredFile]:
    """Those whose ids reach from below this one to above it, so that it may be in them."""
    return Query(
        "SELECT" + READABLE + EXECUTIONS + "AND %(id)s BETWEEN f.first_id AND f.last_id"
        " ORDER BY f.stored_at DESC, f.id DESC",
        {"id": id},
        StoredFile,
    )
