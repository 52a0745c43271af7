"""Uploads of files into knowledge bases: what clients ask for, and what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field, StringConstraints, model_validator

from flomastr.database.query import BY_ID, Count, Query
from flomastr.errors import ErrorCode, ServiceError
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, DocumentName, JsonInteger, TinyMetadata, Title
from flomastr.http.paging import PageRequest, keyset
from flomastr.http.patterns import MEDIA_TYPE
from flomastr.readers.kinds import SentFile
from flomastr.uploads import raw_files

MAX_SIZE = 50_000_000  # bytes
VALID = timedelta(minutes=15)  # in which a file may begin to come

type UploadStatus = Literal["waiting", "processing", "stored", "failed"]
MediaType = Annotated[str, StringConstraints(min_length=3, max_length=255, pattern=MEDIA_TYPE)]


class NewUpload(Body):
    """What will be sent. `name` and `title` are of the document that it becomes."""

    name: DocumentName
    media_type: Annotated[MediaType, Field(description="application/octet-stream: the end of the name says it.")]
    size: Annotated[int, Field(ge=1, le=MAX_SIZE), JsonInteger] = Field(description="Bytes, exactly.")
    title: Title | None = None
    metadata: TinyMetadata = Field(default={})

    @model_validator(mode="after")
    def is_of_a_type_that_is_read(self) -> Self:
        try:
            SentFile(b"", self.media_type, self.name).reader()
        except ServiceError as error:
            raise ValueError(error.detail) from error
        return self


class Upload(Resource):
    """`waiting` for the file or for its turn, `processing`, then `stored` or `failed`, which `reason` explains."""

    tenant_id: UUID
    knowledge_base_id: UUID
    name: str
    title: str | None
    metadata: dict[str, Any]
    media_type: str
    size: int
    status: UploadStatus
    code: ErrorCode | None
    reason: str | None
    document_id: UUID | None
    chunk_count: int | None = Field(description="Of the document, when it was stored.")
    created_by: str
    created_at: datetime
    expires_at: datetime = Field(description="Until then the file may be sent.")
    finished_at: datetime | None

    @property
    def key(self) -> str:
        return raw_files.key_of(self.tenant_id, self.id)


class BegunUpload(Upload):
    """PUT the file to `url`, with these headers: it takes that one file, until `expires_at`."""

    url: str | None = Field(default=None, description="None when it is too late.")
    headers: dict[str, str] = Field(default={})

    def with_link(self) -> "BegunUpload":
        """The same, with what the client has to send."""
        seconds = int((self.expires_at - datetime.now(UTC)).total_seconds())
        if self.status != "waiting" or seconds < 1:
            return self
        url = raw_files.link(self.key, self.media_type, self.size, seconds)
        headers = {"Content-Type": self.media_type, "Content-Length": str(self.size)}
        return self.model_copy(update={"url": url, "headers": headers})


COLUMNS = """
  u.id, u.tenant_id, u.knowledge_base_id, u.name, u.title, u.metadata, u.media_type, u.size, u.status, u.code,
  u.reason, u.document_id, u.chunk_count, u.created_by, u.created_at, u.expires_at, u.finished_at, app.etag(u) AS etag
"""
PAGE = keyset("u.id")


def begin(base: UUID, new: NewUpload) -> Query[BegunUpload]:
    """An upload that waits for its file. Refused with 404, 409 `too_many_open`."""
    return Query(
        f"SELECT {COLUMNS} FROM app.begin_upload(%(base)s, %(sent)s, %(valid)s) AS u",
        {"base": base, "sent": Jsonb(new.model_dump()), "valid": VALID},
        BegunUpload,
        kept=BY_ID,
        reread=lambda row: get(base, row["id"], BegunUpload),
    )


def newest(base: UUID, page: PageRequest) -> Query[Upload]:
    """A page of a base's uploads, newest first, and one row beyond it."""
    return Query(
        f"SELECT {COLUMNS} FROM app.uploads AS u WHERE u.knowledge_base_id = %(base)s AND {PAGE}",
        {"base": base} | page.params(),
        Upload,
    )


def count(base: UUID) -> Query[Count]:
    """How many there are, on all pages."""
    return Query("SELECT count(*) FROM app.uploads AS u WHERE u.knowledge_base_id = %(base)s", {"base": base}, Count)


def get[Row: Upload](base: UUID, id: UUID, row: type[Row]) -> Query[Row]:
    """No row: the base has had no such upload. It may be gone itself."""
    return Query(
        f"SELECT {COLUMNS} FROM app.uploads AS u WHERE u.knowledge_base_id = %(base)s AND u.id = %(id)s",
        {"base": base, "id": id},
        row,
    )
