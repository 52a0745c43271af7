"""The URLs by which the local platform reaches its database."""

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest

from dev.services.database import Database, database
from dev.services.postgres import cluster
from schema.migrate import migrate

PASSWORDS = "host all flo_app,flo_job 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """In a server that asks functions for their passwords, as a managed one does."""
    monkeypatch.delenv("DATABASE_URL")
    with cluster(tmp_path) as server, database(tmp_path, lambda _: nullcontext(server)) as found:
        migrate(found.admin_url)
        found.open_for_functions()
        (tmp_path / "postgres" / "pg_hba.conf").write_text(PASSWORDS)
        os.kill(server.pid, signal.SIGHUP)  # reads it
        yield found


def role_behind(url: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute("SELECT current_user").fetchall()[0][0])


def refused(url: str) -> bool:
    try:
        return not role_behind(url)
    except psycopg.OperationalError as error:
        return "password authentication failed" in str(error)


def test_requests_and_jobs_come_in_as_roles_of_their_own_with_passwords_of_their_own(opened: Database) -> None:
    while not refused(opened.app_url.replace("flo_app:", "flo_app:x")):  # until the server has read it
        pass
    assert role_behind(opened.app_url) == "flo_app"
    assert role_behind(opened.job_url) == "flo_job"
    assert refused(opened.job_url.replace("flo_job:", "flo_app:"))
