"""Every night: one consistent snapshot of all tables to object storage.

All is copied within one invocation, since a snapshot ends with its connection. What has not changed since the last
backup is referred to. The manifest is written last, so a run that is killed leaves no backup.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from flomastr.database.connection import Connection
from flomastr.jobs import Job
from flomastr.recovery import (
    backup_catalogue,
    backup_compression,
    backup_copy,
    backup_manifest,
    backup_retention,
    backup_storage,
    unchanged,
)
from flomastr.recovery.backup_manifest import Manifest, Part, Relation
from flomastr.recovery.backup_snapshot import WORKERS, Snapshot, snapshot
from flomastr.recovery.backup_storage import Upload

BYTES_PER_SECOND = 20_000_000  # of a first backup, until one was measured
NEVER_EMPTY = ("tenants", "tenant_memberships", "user_roles", "workflows")


class TooLargeError(Exception):
    """The backup does not fit into one invocation."""


class EmptyError(Exception):
    """A table that had rows in the last backup has none."""


def run(job: Job) -> None:
    """Takes a backup and deletes those that are past their time.

    Raises UnreadableError, EmptyError, TooLargeError, OutOfTimeError, ShortCopyError, StorageUnavailableError.
    """
    job.conn.execute("SET search_path = ''")  # so that names in definitions are whole
    backup_catalogue.refuse_unreadable(job.conn)
    started = time.monotonic()
    with snapshot(job) as seen:
        manifest, copied = take(job, seen)
    key = backup_manifest.write(manifest, backup_retention.locked_until(manifest.taken_at))
    record(job, manifest, key, copied, time.monotonic() - started)
    job.counts |= {"rows": manifest.rows, "bytes": manifest.bytes, "text_bytes": manifest.text_bytes}
    backup_retention.run(job)


def take(job: Job, seen: Snapshot) -> tuple[Manifest, int]:
    """The manifest, whose objects are all there, and how many bytes of text were copied for it."""
    id = backup_manifest.new_id(seen.taken.at)
    until = backup_retention.locked_until(seen.taken.at)
    with seen.connection() as conn:
        last = unchanged.last_backup(conn)
        old = unchanged.parts(conn, last, seen.relations) if last else {}
        changed = by_size(conn, [relation for relation in seen.relations if relation.name not in old])
        refuse_too_large(job, conn, changed)
        manifest = begun(conn, seen, id)
    for key in {part.key for part in old.values()} - {""}:
        backup_storage.keep_until(key, until)
    new = copy_all(job, seen, changed, id, until)
    refuse_empty(new, last)
    job.counts["tables_copied"], job.counts["tables_unchanged"] = len(new), len(old)
    parts = sorted([*old.values(), *new], key=lambda part: part.relation.name)
    return manifest.model_copy(update={"parts": parts}), sum(part.text_bytes for part in new)


def begun(conn: Connection, seen: Snapshot, id: str) -> Manifest:
    """All of a manifest but its parts."""
    at, snapshot, version = seen.taken
    return Manifest(
        id=id,
        taken_at=at,
        snapshot=snapshot,
        server_version=version,
        migrations=backup_catalogue.ledger(conn),
        extensions=backup_catalogue.extensions(conn),
        catalogue=backup_catalogue.catalogue(conn, [relation.name for relation in seen.relations]),
        parts=[],
    )


def copy_all(job: Job, seen: Snapshot, changed: Sequence[Relation], id: str, until: datetime) -> list[Part]:
    """Several relations at once. The first that fails ends the others before their next one."""
    failed: list[BaseException] = []

    def copy(relation: Relation) -> Part:
        if failed:
            raise failed[0]
        try:
            with seen.connection() as conn:
                key = f"{backup_storage.PREFIX}objects/{id}/{relation.name}.{backup_compression.SUFFIX}"
                return backup_copy.write(conn, relation, Upload(key, until), job.deadline)
        except BaseException as error:
            failed.append(error)
            raise

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(copy, changed))


def by_size(conn: Connection, relations: Sequence[Relation]) -> list[Relation]:
    """The largest first, so that no worker begins it when the others have ended."""
    sizes = stored_bytes(conn, relations)
    return sorted(relations, key=lambda relation: -sizes[relation.name])


def stored_bytes(conn: Connection, relations: Sequence[Relation]) -> dict[str, int]:
    found = conn.execute(
        """
        SELECT c.relname::text, CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) ELSE (
          SELECT sum(pg_table_size(t.relid)) FROM pg_partition_tree(c.oid) AS t
        ) END::bigint
        FROM pg_class AS c WHERE c.relnamespace = 'app'::regnamespace AND c.relname = ANY (%s)
        """,
        ([relation.name for relation in relations],),
    )
    return dict(found.fetchall())


def refuse_too_large(job: Job, conn: Connection, changed: Sequence[Relation]) -> None:
    """Before it reads for a quarter of an hour in vain. Raises TooLargeError."""
    (rate,) = conn.execute(
        """
        SELECT (SELECT copied_text_bytes / seconds FROM app.backups
                WHERE copied_text_bytes > 100000000 ORDER BY id DESC LIMIT 1)
        """
    ).fetchall()[0]
    seconds = sum(stored_bytes(conn, changed).values()) / (rate or BYTES_PER_SECOND)
    left = job.deadline - time.monotonic()
    if seconds > left:
        raise TooLargeError(f"A backup takes about {seconds:.0f} s, and {left:.0f} s are left.")


def refuse_empty(new: Sequence[Part], last: Manifest | None) -> None:
    """Raises EmptyError."""
    rows = {part.relation.name: part.rows for part in new}
    before = {part.relation.name: part.rows for part in last.parts} if last else {}
    empty = [name for name in NEVER_EMPTY if rows.get(name) == 0 and before.get(name)]
    if empty:
        raise EmptyError(f"These tables had rows in the last backup and have none: {', '.join(empty)}.")


def record(job: Job, manifest: Manifest, key: str, copied: int, seconds: float) -> None:
    """That this database has been backed up: the next backup may refer to what has not changed since."""
    totals = {"rows": manifest.rows, "bytes": manifest.bytes, "text_bytes": manifest.text_bytes}
    job.conn.execute(
        """
        INSERT INTO app.backups (
          id, taken_at, snapshot, manifest_key, rows, bytes, text_bytes, copied_text_bytes, seconds
        )
        VALUES (
          %(id)s, %(taken_at)s, %(snapshot)s, %(key)s, %(rows)s, %(bytes)s, %(text_bytes)s, %(copied)s, %(seconds)s
        )
        """,
        manifest.model_dump(exclude={"parts"}) | totals | {"key": key, "copied": copied, "seconds": seconds},
    )
