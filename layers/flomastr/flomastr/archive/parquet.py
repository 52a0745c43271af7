"""Files of the cold tier: how rows are written to Parquet and read from it, by DuckDB. Only some functions have it."""

import os
import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, LiteralString

import duckdb
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flomastr.archive.duckdb_filesystem import ColdFiles
from flomastr.archive.manifest import Tally
from flomastr.settings import database_url

ROW_GROUP = 8192  # rows: a page reads one or two groups; app.archive_files.row_group_min_ids has the lowest id of each
MEMORY_LIMIT = "700MB"


@dataclass(frozen=True)
class Source:
    """A table whose old rows go to the cold tier: its columns as files have them, and the checksum of a row."""

    name: str
    columns: LiteralString  # as Postgres writes them; ids as text, JSON as text
    line: LiteralString  # what app.execution_checksum and app.session_checksum take, in DuckDB's words


EXECUTIONS = Source(
    "workflow_executions",
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
    """
    e.id::text AS id, e.tenant_id::text AS tenant_id, e.workflow_id::text AS workflow_id, e.user_id, e.session_key,
    e.created_at, e.updated_at, e.message_count, e.messages::text AS messages
    """,
    """
    id, tenant_id, workflow_id, user_id, session_key, epoch_us(created_at)::varchar, epoch_us(updated_at)::varchar,
    message_count::varchar, messages
    """,
)
SOURCES = {source.name: source for source in (EXECUTIONS, SESSIONS)}


@cache
def duck() -> duckdb.DuckDBPyConnection:
    """The sandbox's one DuckDB, which loads nothing from anywhere and writes to the temporary folder alone."""
    conn = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "memory_limit": MEMORY_LIMIT,
            "threads": 2,
            "temp_directory": tempfile.gettempdir(),
        }
    )
    conn.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
    conn.register_filesystem(ColdFiles())
    return conn


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def listed(paths: list[str]) -> str:
    """`read_parquet` of these files and no others."""
    return f"read_parquet([{', '.join(literal(path) for path in paths)}], hive_partitioning = false)"


@lru_cache(maxsize=1)
def attach_postgres(url: str) -> None:
    """Anew when the URL changes, as it does with its password, which stays out of DuckDB's messages."""
    parts = conninfo_to_dict(url)
    os.putenv("PGPASSWORD", str(parts.pop("password", "")))  # where libpq looks for it
    folder = files("duckdb_extension_postgres_scanner") / "extensions" / f"v{duckdb.__version__}"
    dsn = make_conninfo("", **parts, application_name="flomastr-archive", client_encoding="UTF8")
    duck().load_extension(str(folder / "postgres_scanner.duckdb_extension"))
    duck().execute("DETACH DATABASE IF EXISTS postgres")
    duck().execute(f"ATTACH {literal(dsn)} AS postgres (TYPE postgres, READ_ONLY)")


def export(query: str, path: Path) -> None:
    """The rows of a query to Postgres, in its order, into a file."""
    attach_postgres(database_url())
    write(f"postgres_query('postgres', {literal(query)})", path)


def write(rows: str, path: Path) -> None:
    duck().execute(
        f"COPY (SELECT * FROM {rows}) TO {literal(str(path))}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, PARQUET_VERSION v1)"
    )


def tally(source: Source, rows: str) -> Tally:
    """Reads every column of every row."""
    counted = (
        duck()
        .execute(
            "SELECT count(*), coalesce(sum(('0x' || left(md5(concat_ws('|', "
            + source.line
            + f")), 15))::ubigint::hugeint), 0)::varchar, coalesce(min(id), ''), coalesce(max(id), '') FROM {rows}"
        )
        .fetchall()[0]
    )
    return Tally(counted[0], int(counted[1]), counted[2], counted[3])


def fetched(query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Rows by column name. Moments come as text: DuckDB's own would need another package."""
    cursor = duck().execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
