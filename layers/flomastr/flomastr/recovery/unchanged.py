"""Which relations have not changed since the last backup, so that the next one may refer to its objects."""

from collections.abc import Sequence
from typing import Any, cast

from psycopg import sql

from flomastr.database.connection import Connection
from flomastr.object_storage import ObjectMissingError
from flomastr.recovery import backup_catalogue, backup_manifest, backup_storage
from flomastr.recovery.backup_manifest import DamagedError, Manifest, Part, Relation

# A version of a row that is there now, and was written by a transaction older than any that ran during the last backup,
# was there then. So if there are as many of these as rows then, and no others, the rows are the same. age() counts
# transactions back from now; of rows that were frozen long ago it may be wrong, and then they are copied again.
COUNT = """
SELECT count(*), count(*) FILTER (WHERE age(xmin) <= age({before}::xid)) FROM {table} WHERE {where}
"""
TRANSACTIONS = 1 << 30  # since the last backup, within which age() is exact


def last_backup(conn: Connection) -> Manifest | None:
    """The newest that this database has a record of, so that both count transactions alike."""
    found = conn.execute("SELECT manifest_key FROM app.backups ORDER BY id DESC LIMIT 1").fetchall()
    try:
        return backup_manifest.read(found[0][0]) if found else None
    except DamagedError:
        return None


def parts(conn: Connection, last: Manifest, relations: Sequence[Relation]) -> dict[str, Part]:
    """Of the last backup, by relation, those that a backup from this snapshot may have as well."""
    ((before, passed),) = conn.execute(
        """
        SELECT (pg_snapshot_xmin(%(then)s::pg_snapshot)::text::bigint %% 4294967296)::text,
          pg_snapshot_xmax(pg_current_snapshot())::text::bigint - pg_snapshot_xmin(%(then)s::pg_snapshot)::text::bigint
        """,
        {"then": last.snapshot},
    ).fetchall()
    if not 0 <= passed < TRANSACTIONS or last.migrations != backup_catalogue.ledger(conn):
        return {}
    known = {part.relation.name: part for part in last.parts}
    return {
        relation.name: part
        for relation in relations
        if (part := known.get(relation.name))
        and part.relation == relation
        and is_unchanged(conn, part, before)
        and is_there(part)
    }


def is_unchanged(conn: Connection, part: Part, before: str) -> bool:
    statement = sql.SQL(COUNT).format(
        before=before,
        table=sql.Identifier("app", part.relation.root),
        where=sql.SQL(cast(Any, part.relation.rows_where or "true")),  # Postgres wrote it
    )
    return conn.execute(statement).fetchall()[0] == (part.rows, 0)


def is_there(part: Part) -> bool:
    try:
        return not part.key or backup_storage.size(part.key) == part.bytes
    except ObjectMissingError:
        return False
