import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dev.child_process import die_with_parent
from dev.services.postgres import UNPRIVILEGED, Cluster, cluster, create_database, reach


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        return connection.execute("SELECT * FROM kept").rowcount


def test_a_database_is_handed_over_as_by_a_managed_postgres(files: Path) -> None:
    with cluster(files) as server, psycopg.connect(create_database(server, "handed")) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert role == (False, False, True)
        assert connection.execute("SELECT FROM pg_extension WHERE extname = 'vector'").rowcount == 1


def test_the_superuser_needs_a_password(files: Path) -> None:
    with cluster(files) as server:
        stranger = Cluster(server.port, server.pid, "guessed").url("postgres", "postgres")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(stranger)


def test_what_was_written_outlives_a_stop_and_a_kill(files: Path) -> None:
    with cluster(files) as server:
        assert count(create_database(server, "kept")) == 1
        os.kill(server.pid, signal.SIGKILL)
    with cluster(files) as server:
        assert count(create_database(server, "kept")) == 2


def test_a_running_server_is_reached_and_left_running(files: Path) -> None:
    with cluster(files) as server:
        with reach(files) as reached:
            assert reached == server
        assert count(create_database(server, "reached")) == 1


def test_the_server_finds_its_programs_in_a_folder_that_is_private_to_root(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    program = tmp_path / "private" / "program"
    program.touch(mode=0o755)
    privileges = UNPRIVILEGED if os.geteuid() == 0 else ()
    code = f"import os, sys; sys.exit(not os.access({str(program)!r}, os.X_OK))"
    subprocess.run([*die_with_parent("KILL", *privileges), sys.executable, "-c", code], check=True)
