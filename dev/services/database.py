"""The database under the platform: the one of DATABASE_URL, else one in a Postgres of our own."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from dev.errors import StartupError
from dev.private_files import private_file
from dev.samples.people import Person
from dev.services.postgres import Cluster, create_database

NAME = "flomastr"
MEMBERSHIP = """
INSERT INTO app.tenant_memberships (tenant_id, user_id, role, status) VALUES (app.tenant(), %s, %s, 'active')
"""


@dataclass(frozen=True)
class Database:
    """Three URLs: the administrator's for migrations, flo_app's for requests, flo_job's for jobs."""

    admin_url: str
    app_url: str
    job_url: str

    def open_for_functions(self) -> None:
        """Give the roles, which the migrations made, the passwords that their URLs say."""
        with psycopg.connect(self.admin_url) as connection:
            for url in (urlsplit(self.app_url), urlsplit(self.job_url)):
                role, password = sql.Identifier(url.username or ""), sql.Literal(url.password)
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))

    def forget_messages(self) -> None:
        """The queues of this machine end with the platform: what waits to be embedded is sent anew."""
        with psycopg.connect(self.job_url) as connection:
            connection.execute("UPDATE app.embedding_tasks SET queued_at = NULL WHERE status = 'processing'")

    def provide_tenant(self, slug: str, name: str, people: Sequence[Person]) -> None:
        """Make the tenant with its members, and who runs the platform, unless it exists."""
        with psycopg.connect(self.app_url) as connection:
            connection.execute("SELECT set_config('app.tenant_id', app.uuid7()::text, true)")
            made = connection.execute(
                "INSERT INTO app.tenants (id, slug, name) VALUES (app.tenant(), %s, %s) ON CONFLICT DO NOTHING",
                (slug, name),
            )
            if not made.rowcount:
                return
            for person in people:
                if person.role:
                    connection.execute(MEMBERSHIP, (person.id, person.role))
        for person in people:
            if person.is_super_admin:
                self.make_super_admin(person.email)

    def make_super_admin(self, email: str) -> None:
        with psycopg.connect(self.admin_url) as connection:
            connection.execute("SET ROLE flo_owner")
            connection.execute(
                "INSERT INTO app.user_roles (email, role, assigned_by)"
                " VALUES (lower(%s), 'super_admin', 'python -m dev')"
                " ON CONFLICT (email) DO UPDATE SET role = excluded.role",
                (email,),
            )


@contextmanager
def database(data: Path, server: Callable[[Path], AbstractContextManager[Cluster]]) -> Generator[Database]:
    """The database for the length of the block; `server` gives a Postgres where one is due."""
    if url := os.environ.get("DATABASE_URL"):
        _check(url)
        yield _opened(url, data)
        return
    with server(data) as running:
        yield _opened(create_database(running, NAME), data)


def _opened(admin_url: str, data: Path) -> Database:
    app, job = private_file(data / "app.password"), private_file(data / "job.password")
    return Database(admin_url, _as("flo_app", app, admin_url), _as("flo_job", job, admin_url))


def _check(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise StartupError(f"DATABASE_URL leads nowhere, so correct or unset it: {reason}") from error


def _as(role: str, password: str, admin_url: str) -> str:
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{password}@{host}").geturl()
