"""A primary and its streaming replica, each behind a network that a test may break."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from dev.child_process import die_with_parent
from dev.services.postgres import SUPERUSER, UNPRIVILEGED, Cluster, cluster, create_database, free_port, program
from schema.migrate import migrate
from tests.support.clock import until
from tests.support.connected import through
from tests.support.proxy import Proxy, proxy

DATABASE = "replicated"
MAY_REPLICATE = f"host replication {SUPERUSER} 127.0.0.1/32 trust\n"
PRIMARY = ["fsync=off", "autovacuum=off"]  # so that nothing writes but the test
REPLICA = ["fsync=off", "max_standby_streaming_delay=0"]  # what is in the way of the log is cancelled at once


@dataclass
class Replica:
    """A copy of the primary that follows it, which may be killed, promoted and made anew."""

    data: Path
    primary: Cluster
    port: int = field(default_factory=free_port)
    life: ExitStack = field(default_factory=ExitStack)

    def make(self) -> None:
        copy_files(self.primary, self.data)
        self.start()

    def start(self) -> None:
        self.cluster = self.life.enter_context(cluster(self.data, self.port, REPLICA))

    def kill(self) -> None:
        os.kill(self.cluster.pid, 9)
        self.life.close()

    def replace(self) -> None:
        self.life.close()
        shutil.rmtree(self.data)
        self.make()


@dataclass
class Replicated:
    primary: Cluster
    replica: Replica
    primary_network: Proxy
    replica_network: Proxy

    @property
    def environment(self) -> dict[str, str]:
        """Of functions."""
        return {
            "DATABASE_URL": through(self.primary_network.port, self.primary.url("flo_app", DATABASE)),
            "DATABASE_REPLICA_URL": through(self.replica_network.port, self.primary.url("flo_app", DATABASE)),
        }

    def ask_primary(self, statement: Any, *params: Any) -> list[Any]:
        return ask(self.primary, statement, *params)

    def ask_replica(self, statement: Any) -> list[Any]:
        return ask(self.replica.cluster, statement)

    @contextmanager
    def paused(self) -> Generator[None]:
        """What is written during the block does not come to the replica."""
        self.follow()
        self.ask_replica("SELECT pg_wal_replay_pause()")
        until(lambda: self.ask_replica("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])
        try:
            yield
        finally:
            self.ask_replica("SELECT pg_wal_replay_resume()")

    def follow(self) -> None:
        """Until the replica has all that is written."""
        [(position,)] = self.ask_primary("SELECT pg_current_wal_flush_lsn()::text")
        until(lambda: self.has_replayed(position))

    def has_replayed(self, position: str) -> bool:
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s"
        return ask(self.replica.cluster, replayed, position) == [(True,)]


def ask(server: Cluster, statement: Any, *params: Any) -> list[Any]:
    with psycopg.connect(server.url(SUPERUSER, DATABASE), autocommit=True) as conn:
        cursor = conn.execute(statement, params or None)
        return cursor.fetchall() if cursor.description else []


def copy_files(primary: Cluster, data: Path) -> None:
    """As pg_basebackup makes a replica."""
    data.mkdir(mode=0o755)
    (data / "postgres.password").write_text(primary.password)
    source = f"host=127.0.0.1 port={primary.port} user={SUPERUSER}"
    privileges = UNPRIVILEGED if os.geteuid() == 0 else ()
    made = [program("pg_basebackup"), "--pgdata", str(data / "postgres"), "--dbname", source]
    options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    subprocess.run([*die_with_parent("INT", *privileges), *made, *options], check=True, capture_output=True)


@contextmanager
def replicated() -> Generator[Replicated]:
    with ExitStack() as life:
        folder = Path(life.enter_context(TemporaryDirectory(prefix="flomastr-replicated-")))
        folder.chmod(0o755)
        primary = life.enter_context(cluster(folder / "primary", settings=PRIMARY))
        migrate(create_database(primary, DATABASE))
        with (folder / "primary/postgres/pg_hba.conf").open("a") as access:
            access.write(MAY_REPLICATE)
        ask(primary, "SELECT pg_reload_conf()")
        replica = Replica(folder / "replica", primary)
        life.callback(lambda: replica.life.close())
        replica.make()
        networks = [life.enter_context(proxy(port)) for port in (primary.port, replica.port)]
        yield Replicated(primary, replica, *networks)
