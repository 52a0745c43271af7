"""The manifest of the archive: one row of app.archive_files for each file."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from flomastr import object_storage
from flomastr.database.query import Count, Query
from flomastr.http.etags import Resource
from flomastr.http.paging import KEYSET, PageRequest

type Source = Literal["workflow_executions", "webchat_sessions", "row_history"]


@dataclass(frozen=True)
class Tally:
    """What a file contains, to compare with what was planned."""

    rows: int
    checksum: int
    first_id: str
    last_id: str


class File(BaseModel):
    """A row of app.archive_files: where the file is, how far it has come, and which ids are in it."""

    id: UUID
    tenant_id: UUID
    source: Source
    month: date
    state: str
    origin: str
    rows: int
    checksum: int
    first_id: UUID
    last_id: UUID
    file_bytes: int | None
    sha256: str | None
    etag: str | None = None  # of the object that was read back
    verified_at: datetime | None = None
    row_group_min_ids: list[UUID]

    @property
    def key(self) -> str:
        return object_storage.key_of(self.source, self.month, self.tenant_id, self.id)

    @property
    def path(self) -> str:
        """As DuckDB reads it."""
        return f"cold://{self.file_bytes}/{self.key}"

    @property
    def name(self) -> str:
        """For operators: records of jobs name no tenants."""
        return f"The file {self.id} of {self.source} {self.month:%Y-%m}"

    @property
    def tally(self) -> Tally:
        return Tally(self.rows, self.checksum, str(self.first_id), str(self.last_id))


class ArchiveFile(Resource):
    """Its rows began, or changed others, from `first_at` to before `last_at`; `bytes` is what these took while hot."""

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


class MomentRange(BaseModel):
    """From its first moment to before its last."""

    first_at: datetime
    last_at: datetime


class Download(BaseModel):
    """Where the file, which is Parquet, can be had without a token, and until when."""

    url: str
    expires_at: datetime


# of a file, as a range that includes its first moment and not its last: ids have whole milliseconds
FIRST_AT = "coalesce(f.first_at, app.uuid7_moment(f.first_id))"
LAST_AT = "coalesce(f.last_at, app.uuid7_moment(f.last_id)) + interval '1 millisecond'"
STORED = "app.archive_files AS f WHERE f.state = 'stored'"
EXECUTIONS = f"{STORED} AND f.source = 'workflow_executions'"
CHANGES = f"{STORED} AND f.source = 'row_history'"
LAST_STORED_FIRST = "ORDER BY f.stored_at DESC, f.id DESC"  # of a row in two files the first has the newer version
IS_NO_COPY = """
  NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
"""
COLUMNS = """
  f.id, f.tenant_id, f.source, f.month, f.state, f.origin, f.rows, f.checksum, f.first_id, f.last_id, f.file_bytes,
  f.sha256, f.etag, f.verified_at, f.row_group_min_ids
"""


def newest(page: PageRequest) -> Query[ArchiveFile]:
    """A page of stored files, whatever they hold, and one row beyond it."""
    return Query(
        f"""
        SELECT
          f.id, f.source, f.month, f.rows, f.bytes, f.file_bytes, f.sha256, f.created_at,
          {FIRST_AT} AS first_at, {LAST_AT} AS last_at
        FROM {STORED} AND {KEYSET}
        """,
        page.params(),
        ArchiveFile,
    )


def count() -> Query[Count]:
    """How many files `newest` lists, on all pages."""
    return Query(f"SELECT count(*) FROM {STORED}", {}, Count)


def statistics() -> Query[Statistics]:
    """One row for each source that has stored files."""
    return Query(
        f"""
        SELECT
          f.source, count(*) AS files, sum(f.rows) AS rows, sum(f.bytes) AS bytes, sum(f.file_bytes) AS file_bytes,
          min({FIRST_AT}) AS first_at, max({LAST_AT}) AS last_at
        FROM {STORED}
        GROUP BY f.source ORDER BY f.source
        """,
        {},
        Statistics,
    )


def get(id: UUID) -> Query[File]:
    """A stored file, as jobs know it. No row: it does not exist, or has been replaced."""
    return Query(f"SELECT {COLUMNS} FROM {STORED} AND f.id = %(id)s", {"id": id}, File)


def range_of(id: UUID | None) -> Query[MomentRange]:
    """Of a file of executions."""
    return Query(
        f"SELECT {FIRST_AT} AS first_at, {LAST_AT} AS last_at FROM {EXECUTIONS} AND f.id = %(id)s",
        {"id": id},
        MomentRange,
    )


def download(file: File) -> Download:
    """A link to the whole file, which holds the rows of one tenant and no others."""
    expires_at = datetime.now(UTC) + timedelta(seconds=object_storage.LINK_SECONDS)
    return Download(
        url=object_storage.link(file.key, f"{file.source}-{file.month:%Y-%m}-{file.id}.parquet"), expires_at=expires_at
    )


def execution_files(after: UUID | None) -> Query[File]:
    """The files with executions before an id, the last stored first."""
    return Query(
        f"""
        SELECT {COLUMNS} FROM {EXECUTIONS} AND (%(after)s::uuid IS NULL OR f.first_id < %(after)s)
        {LAST_STORED_FIRST}
        """,
        {"after": after},
        File,
    )


def files_around(id: UUID) -> Query[File]:
    """The files that may contain an execution, since their ids lie on both sides of its id."""
    return Query(
        f"""
        SELECT {COLUMNS} FROM {EXECUTIONS} AND %(id)s BETWEEN f.first_id AND f.last_id
        {LAST_STORED_FIRST}
        """,
        {"id": id},
        File,
    )


def change_files() -> Query[File]:
    """The files with the history of rows, the last stored first."""
    return Query(f"SELECT {COLUMNS} FROM {CHANGES} {LAST_STORED_FIRST}", {}, File)
