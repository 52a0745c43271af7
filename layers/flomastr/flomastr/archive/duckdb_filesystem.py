"""The file system by which DuckDB reads objects. It caches what it has read, so the next page costs less."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, override

import duckdb
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from flomastr import object_storage
from flomastr.errors import ErrorCode, UnavailableError
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError
from flomastr.observability import logger, metrics

LAST_MODIFIED = datetime(2020, 1, 1, tzinfo=UTC)

failures: list[Exception] = []  # of reading, since DuckDB began


class FileUnreadableError(UnavailableError):
    """A file of the archive cannot be read. The service's operators have been informed."""

    code = ErrorCode.ARCHIVE_UNREADABLE


@contextmanager
def translating_storage_errors() -> Generator[None]:
    """Raises the exception of a failed read itself, since DuckDB passes only its text on."""
    failures.clear()
    try:
        yield
    except duckdb.Error as error:
        if failures:
            raise failures[0] from error
        if not isinstance(error, duckdb.IOException | duckdb.InvalidInputException):
            raise
        raise unreadable(error) from error


def unreadable(error: Exception) -> FileUnreadableError:
    """Reports the loss of a file to the operators, without the message, which may quote data. Returns what to raise."""
    logger.error("A file of the archive cannot be read", error=type(error).__name__)
    metrics.add_metric(name="ArchiveUnreadable", unit="Count", value=1)
    return FileUnreadableError()


class StorageFile(AbstractBufferedFile):
    path: str

    @override
    def _fetch_range(self, start: int, end: int) -> bytes:
        try:
            return object_storage.read(self.path, start, end)
        except (ObjectMissingError, StorageUnavailableError) as error:
            failures.append(error)
            raise


class StorageFileSystem(AbstractFileSystem):
    """Paths are `cold://<size>/<key>`: with the size from the manifest no request has to ask for it."""

    protocol = "cold"  # pyright: ignore[reportAssignmentType]
    cachable = False

    @classmethod
    @override
    def _strip_protocol(cls, path: str) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return path.removeprefix("cold://")

    @override
    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        size, _, key = path.removeprefix("cold://").partition("/")
        return {"name": path, "key": key, "size": int(size), "type": "file"}

    @override
    def modified(self, path: str) -> datetime:
        """Always the same moment, since objects never change: DuckDB may keep what it has read."""
        return LAST_MODIFIED

    @override
    def _open(self, path: str, mode: str = "rb", *_: Any, **__: Any) -> StorageFile:
        info = self.info(path)
        return StorageFile(self, info["key"], mode, cache_type="none", size=info["size"])
