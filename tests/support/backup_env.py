"""What tests of backups do: a database and a bucket of their own, and empty databases to restore into."""

import secrets
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg import sql

from dev.services.postgres import ADMIN, Cluster, create_database
from flomastr.recovery import backup_manifest, backup_storage
from flomastr.recovery.backup_manifest import Manifest
from functions.backup.handler import lambda_handler
from schema.migrate import migrate, read_migrations
from tests.support.clock import until
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import Context
from tests.support.factories import Factory
from tests.support.s3 import Bucket

SHAPE = """
SELECT 'partition', relname::text, pg_get_expr(relpartbound, oid) FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relispartition AND relkind IN ('r', 'p')
UNION ALL
SELECT 'index', i.indrelid::regclass::text, regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX \\S+ ON ', ' ')
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = 'app'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass::text, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'app'::regnamespace AND contype <> 't'
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname || tgenabled::text
FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
WHERE c.relnamespace = 'app'::regnamespace AND NOT tgisinternal AND tgname <> 'break_seal'
"""


@dataclass(frozen=True)
class BackupEnv:
    server: Cluster
    make: Factory
    superuser: psycopg.Connection[Any]
    bucket: Bucket
    job_url: str
    app_url: str

    def backup(self, left_ms: int = 600_000) -> dict[str, Any]:
        with connected(DATABASE_URL=self.job_url):
            return lambda_handler({}, Context(left_ms=left_ms))

    def settle(self) -> None:
        """Waits for what others do on the server: while they write, no backup can tell how old a row is."""
        ((now,),) = self.superuser.execute("SELECT pg_current_xact_id()").fetchall()
        oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > %s::text::xid8"
        until(lambda: self.superuser.execute(oldest, (now,)).fetchall() == [(True,)])

    def newest(self) -> Manifest:
        return backup_manifest.find("latest")

    @contextmanager
    def empty(self) -> Generator[str]:
        """An administrator's URL of a new database with all tables and no function."""
        with copy(self.server, unfilled_template(self.server)) as name:
            yield self.server.url(ADMIN, name)

    def keys(self, folder: str = "") -> list[str]:
        return list(backup_storage.keys(folder))

    def object(self, key: str) -> bytes:
        return self.bucket.client.get_object(Bucket=backup_storage.bucket(), Key=key)["Body"].read()

    def write(self, key: str, data: bytes | None) -> None:
        """As nobody should; None deletes the object."""
        if data is None:
            self.bucket.client.delete_object(Bucket=backup_storage.bucket(), Key=key)
        else:
            self.bucket.client.put_object(Bucket=backup_storage.bucket(), Key=key, Body=data)

    @contextmanager
    def at(self, url: str) -> Generator[psycopg.Connection[Any]]:
        """A superuser's connection to the database of that URL."""
        with psycopg.connect(self.server.url("postgres", database_of(url)), autocommit=True) as conn:
            yield conn

    def shape(self, database: str = "") -> set[tuple[Any, ...]]:
        """Partitions with bounds, indexes, constraints and triggers. Functions make the weeks of history."""
        with psycopg.connect(self.server.url("postgres", database or self.superuser.info.dbname)) as conn:
            found = conn.execute(SHAPE).fetchall()
            return {row for row in found if not row[1].removeprefix("app.").startswith("row_history_2")}

    def contents(self, database: str = "") -> dict[str, list[str]]:
        """Every row of every table of this database or of another one of the server, as text."""
        with psycopg.connect(self.server.url("postgres", database or self.superuser.info.dbname)) as conn:
            tables = conn.execute(
                "SELECT relname::text FROM pg_class WHERE relnamespace = 'app'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"
            ).fetchall()
            return {name: rows_of(conn, name) for (name,) in tables}


def rows_of(conn: psycopg.Connection[Any], name: str) -> list[str]:
    statement = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier("app", name))
    return sorted(row for (row,) in conn.execute(statement))


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


@contextmanager
def backup_env(server: Cluster, bucket: Bucket, template: str = "template") -> Generator[BackupEnv]:
    """A copy of a database, and a bucket of its own that the environment names."""
    with unnamed_env(server, bucket, template) as env, named(env.bucket):
        yield env


@contextmanager
def unnamed_env(server: Cluster, bucket: Bucket, template: str) -> Generator[BackupEnv]:
    """One of several, of which the environment names one at a time."""
    with ExitStack() as stack:
        name = stack.enter_context(copy(server, template))
        app = stack.enter_context(psycopg.connect(server.url("flo_app", name), autocommit=True))
        superuser = stack.enter_context(psycopg.connect(server.url("postgres", name), autocommit=True))
        urls = server.url("flo_job", name), server.url("flo_app", name)
        yield BackupEnv(server, Factory(app), superuser, make_bucket(bucket), *urls)


@contextmanager
def bucket_of_its_own(bucket: Bucket, **options: Any) -> Generator[Bucket]:
    """Which the environment names."""
    own = make_bucket(bucket, **options)
    with named(own):
        yield own


def make_bucket(bucket: Bucket, **options: Any) -> Bucket:
    own = Bucket(bucket.client, f"backups-{secrets.token_hex(4)}", bucket.endpoint)
    own.client.create_bucket(Bucket=own.name, **options)
    return own


@cache
def unfilled_template(server: Cluster) -> str:
    """The name of a database with all tables and no function, of which a restore gets copies."""
    name = f"unfilled_{secrets.token_hex(4)}"
    migrate(create_database(server, name), last=max(file.name for file in read_migrations()))
    return name


@contextmanager
def named(bucket: Bucket) -> Generator[None]:
    """The environment names this bucket for backups."""
    with connected(BACKUP_BUCKET=bucket.name, BACKUP_S3_ENDPOINT=bucket.endpoint):
        forget_clients()
        yield
    forget_clients()


def forget_clients() -> None:
    backup_storage.client.cache_clear()
    backup_storage.has_lock.cache_clear()
