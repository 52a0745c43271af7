"""The rows of a relation: from Postgres into an object, and from an object back, a piece at a time."""

import time
from collections.abc import Generator, Iterator
from hashlib import sha256
from typing import Any, cast
from zlib import crc32

import psycopg
from psycopg import generators, sql
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from flomastr.database.connection import Connection
from flomastr.object_storage import ObjectMissingError
from flomastr.recovery import backup_compression, backup_storage
from flomastr.recovery.backup_manifest import DamagedError, Manifest, Part, Relation
from flomastr.recovery.backup_storage import Upload

BATCH_BYTES = 1 << 20


class OutOfTimeError(Exception):
    """The rest of the backup does not fit into this invocation."""


class ShortCopyError(Exception):
    """Postgres says that it sent more rows than arrived."""


class Tally:
    """Counts lines, and sums their CRC-32: two sets of rows have the same sum in whatever order they come."""

    def __init__(self) -> None:
        self.rows = 0
        self.checksum = 0
        self.text_bytes = 0

    def add(self, lines: list[bytes]) -> None:
        self.rows += len(lines)
        self.checksum += sum(map(crc32, lines))
        self.text_bytes += sum(map(len, lines))

    def of(self) -> tuple[int, int]:
        return self.rows, self.checksum

    def figures(self) -> dict[str, int]:
        return {"rows": self.rows, "checksum": self.checksum, "text_bytes": self.text_bytes}


def selection(relation: Relation, table: sql.Composable | None = None) -> sql.Composed:
    """COPY ... TO STDOUT of a relation's rows: through its root, for which alone there are rights, or of a table."""
    columns = sql.SQL(", ").join(map(sql.Identifier, relation.columns))
    if table is None:
        table = sql.Identifier("app", relation.root)
        where = sql.SQL(cast(Any, relation.rows_where or "true"))  # Postgres wrote it
        return sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(columns, table, where)
    return sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, table)


def copied(conn: Connection, statement: sql.Composed) -> Generator[list[bytes]]:
    """The lines that a COPY gives, about BATCH_BYTES at a time.

    psycopg's own iterator waits anew for each line, which costs as much as all the rest. Raises psycopg.Error,
    ShortCopyError.
    """
    conn.pgconn.send_query(statement.as_bytes(conn))
    (result,) = conn.wait(generators.execute(conn.pgconn))
    if result.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    count, rows = 0, 0
    while True:
        lines, is_over = conn.wait(next_lines(conn))
        rows += len(lines)
        if lines:
            yield lines
        if is_over:
            (result,) = conn.wait(generators.fetch_many(conn.pgconn))
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result, encoding="utf-8")
            count = result.command_tuples or 0
            break
    if count != rows:
        raise ShortCopyError(f"{rows} of {count} rows arrived.")


def next_lines(conn: Connection) -> PQGen[tuple[list[bytes], bool]]:
    """Lines that have arrived, at least BATCH_BYTES of them or the last, and whether they are the last."""
    lines: list[bytes] = []
    size = 0
    while size < BATCH_BYTES:
        length, line = conn.pgconn.get_copy_data(1)
        if length > 0:
            lines.append(bytes(line))
            size += length
        elif length == 0:
            yield Wait.R
            conn.pgconn.consume_input()
        else:
            return lines, True
    return lines, False


def write(conn: Connection, relation: Relation, upload: Upload, deadline: float) -> Part:
    """Copies a relation into an object.

    Raises OutOfTimeError, ShortCopyError, StorageUnavailableError, psycopg.Error.
    """
    tally, digest = Tally(), sha256()
    try:
        for data in compressed(copied(conn, selection(relation)), tally):
            digest.update(data)
            upload.write(data)
            if time.monotonic() > deadline:
                raise OutOfTimeError(f"No time was left in {relation.name}.")
        if tally.rows:
            upload.finish()
    except BaseException:
        upload.abandon()
        raise
    key, size = (upload.key, upload.size) if tally.rows else ("", 0)
    return Part(relation=relation, key=key, bytes=size, sha256=digest.hexdigest(), **tally.figures())


def compressed(batches: Iterator[list[bytes]], tally: Tally) -> Generator[bytes]:
    """What becomes ready with each batch; some of it may be empty."""
    compressor = backup_compression.compressor()
    for lines in batches:
        tally.add(lines)
        yield compressor.compress(b"".join(lines))
    yield compressor.flush()


def read(part: Part, manifest: Manifest) -> Generator[bytes]:
    """The text of an object, a piece at a time, compared with the manifest when it is over.

    Raises DamagedError, StorageUnavailableError.
    """
    if not part.key:
        return
    digest, size = sha256(), 0
    decompressor = backup_compression.decompressor()
    try:
        for chunk in backup_storage.chunks(part.key):
            digest.update(chunk)
            size += len(chunk)
            yield decompressor.decompress(chunk)
    except ObjectMissingError as error:
        raise DamagedError(f"{part.key} is missing.") from error
    except backup_compression.NotCompressedError as error:
        raise DamagedError(f"{part.key} is not what was written: it cannot be decompressed.") from error
    if digest.hexdigest() == part.sha256:
        return
    if other := manifest.key_of_digest(digest.hexdigest()):
        raise DamagedError(f"{part.key} is what {other} should be.")
    if size != part.bytes:
        raise DamagedError(f"{part.key} has {size} bytes and should have {part.bytes}.")
    raise DamagedError(f"{part.key} is not what was written.")


def lines_of(text: Iterator[bytes]) -> Generator[list[bytes]]:
    """COPY's lines, each with its end. Raises DamagedError."""
    rest = b""
    for piece in text:
        lines = (rest + piece).splitlines(keepends=True)  # COPY escapes every other end of a line
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if lines:
            yield lines
    if rest:
        raise DamagedError("The last line has no end.")
