"""Writes rows to Parquet files and reads them, with DuckDB, which only the functions of the archive have."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from threading import Lock, local
from typing import Any, LiteralString

import duckdb
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flomastr.archive.duckdb_filesystem import StorageFileSystem
from flomastr.archive.manifest import Tally
from flomastr.settings import database_url

FILES: LiteralString = "read_parquet($files, hive_partitioning = false)"  # not the columns that their keys spell
ROW_GROUP = 8192  # rows: a page reads one or two groups; app.archive_files.row_group_min_ids has the lowest id of each
MEMORY_LIMIT = "700MB"
OF_THREAD = local()
ATTACHING = Lock()


@dataclass(frozen=True)
class Source:
    """A table whose old rows are archived: the columns of its files, and what the checksum of a row is made of."""

    name: str
    counted: str  # as what a job counts them
    columns: LiteralString  # as Postgres writes them; ids as text, JSON as text
    line: LiteralString  # what app.execution_checksum and its like take, as DuckDB expressions
    leaving: LiteralString = "e.id = r.id"  # of a row and of app.leaving_rows
    others: LiteralString = "true"  # the rows of a file that are not of the person $user_id, as a DuckDB expression


EXECUTIONS = Source(
    "workflow_executions",
    "rows_archived",
    """
    e.id::text AS id, e.tenant_id::text AS tenant_id, e.workflow_id::text AS workflow_id, e.n8n_execution_id, e.status,
    e.mode, e.started_at, e.finished_at, e.created_at, e.error_message, e.execution_data::text AS execution_data
    """,
    """
    id, tenant_id, workflow_id, coalesce(n8n_execution_id, ''), status, coalesce(mode, ''),
    epoch_us(started_at)::varchar, coalesce(epoch_us(finished_at)::varchar, ''), epoch_us(created_at)::varchar,
    coalesce(error_message, ''), coalesce(execution_data, '')
    """,
)
SESSIONS = Source(
    "webchat_sessions",
    "sessions_archived",
    """
    e.id::text AS id, e.tenant_id::text AS tenant_id, e.workflow_id::text AS workflow_id, e.user_id, e.session_key,
    e.created_at, e.updated_at, e.message_count, e.messages::text AS messages
    """,
    """
    id, tenant_id, workflow_id, user_id, session_key, epoch_us(created_at)::varchar, epoch_us(updated_at)::varchar,
    message_count::varchar, messages
    """,
    others="user_id <> $user_id",
)
CHANGES = Source(
    "row_history",
    "changes_archived",
    """
    app.change_id(e.seq)::text AS id, e.tenant_id::text AS tenant_id, e.recorded_at, e.xid::text AS transaction,
    (SELECT t.actor FROM app.recorded_transactions AS t WHERE t.tenant_id = e.tenant_id AND t.xid = e.xid) AS actor,
    (SELECT t.request_id FROM app.recorded_transactions AS t WHERE t.tenant_id = e.tenant_id AND t.xid = e.xid)
      AS request_id,
    e.table_name, e.action, e.row_id::text AS row_id, e.row_ids::text AS row_ids,
    e.old ->> 'user_id' AS user_id, e.old::text AS old
    """,
    """
    id, tenant_id, epoch_us(recorded_at)::varchar, transaction, coalesce(actor, ''), coalesce(request_id, ''),
    table_name, action, coalesce(row_id, ''), coalesce(row_ids, ''), coalesce(user_id, ''), coalesce(old, '')
    """,
    leaving="e.seq = app.change_seq(r.id)",
    others="""
    user_id IS DISTINCT FROM $user_id
    AND (table_name <> 'tenant_memberships' OR row_id IS NULL OR NOT list_contains($memberships, row_id))
    """,
)


@dataclass(frozen=True)
class Relation:
    """What DuckDB reads rows from: the text after FROM, and the parameters in it."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


SOURCES = {source.name: source for source in (EXECUTIONS, SESSIONS, CHANGES)}


def duck() -> duckdb.DuckDBPyConnection:
    """This thread's connection to the process's one DuckDB."""
    if not hasattr(OF_THREAD, "duck"):
        OF_THREAD.duck = instance().cursor()
    return OF_THREAD.duck


@cache
def instance() -> duckdb.DuckDBPyConnection:
    """It downloads no extensions, writes to the temporary folder alone, and keeps to its memory with all threads."""
    conn = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "memory_limit": MEMORY_LIMIT,
            "threads": 2,
            "temp_directory": tempfile.gettempdir(),
        }
    )
    conn.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true")
    conn.register_filesystem(StorageFileSystem())
    return conn


@lru_cache(maxsize=1)
def attach_postgres(url: str) -> None:
    """Attaches the database, again when the URL changes. The password stays out of DuckDB's messages."""
    parts = conninfo_to_dict(url)
    os.putenv("PGPASSWORD", str(parts.pop("password", "")))  # where libpq looks for it
    folder = files("duckdb_extension_postgres_scanner") / "extensions" / f"v{duckdb.__version__}"
    dsn = make_conninfo("", **parts, application_name="flomastr-archive", client_encoding="UTF8")
    duck().load_extension(str(folder / "postgres_scanner.duckdb_extension"))
    duck().execute("DETACH DATABASE IF EXISTS postgres")
    literal = "'" + dsn.replace("'", "''") + "'"  # ATTACH takes no parameters
    duck().execute(f"ATTACH {literal} AS postgres (TYPE postgres, READ_ONLY)")


def export(query: str, path: Path) -> None:
    """Writes the rows of a query to Postgres into a file, in the order of the query."""
    with ATTACHING:
        attach_postgres(database_url())
    write(Relation("postgres_query('postgres', $query)", {"query": query}), path)


def write(rows: Relation, path: Path) -> None:
    """Writes rows into a file, in their order. Raises duckdb.Error."""
    duck().execute(
        f"""
        COPY (SELECT * FROM {rows.sql}) TO $path
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, PARQUET_VERSION v1)
        """,
        rows.parameters | {"path": str(path)},
    )


def read(paths: list[str]) -> Relation:
    """The rows of files, by paths that DuckDB reads."""
    return Relation(FILES, {"files": paths})


def tally(source: Source, rows: Relation) -> Tally:
    """Counts the rows and sums their checksums, for which it reads every column of every row."""
    query = f"""
        SELECT
          count(*), coalesce(sum(('0x' || left(md5(concat_ws('|', {source.line})), 15))::ubigint::hugeint), 0)::varchar,
          coalesce(min(id), ''), coalesce(max(id), '')
        FROM {rows.sql}
    """
    counted = duck().execute(query, rows.parameters).fetchall()[0]
    return Tally(counted[0], int(counted[1]), counted[2], counted[3])


def joined(ids: Iterable[object]) -> str:
    """Ids as one parameter: DuckDB takes 150 microseconds for each element of a list."""
    return ",".join(map(str, ids))


def items(parameter: LiteralString) -> LiteralString:
    """What `joined` has put into a parameter, as rows."""
    return f"unnest(string_split(${parameter}, ','))"


def fetch(query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows by column name. A query casts its moments, for which DuckDB's Python client needs another package."""
    cursor = duck().execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
