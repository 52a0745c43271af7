"""The schema as a whole: schema/current.sql, printed by pg_dump, so that a review sees what a migration does."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.paths import ROOT
from dev.services.postgres import SUPERUSER, Cluster, cluster, create_database, program

CURRENT = ROOT / "schema/current.sql"
PARTITIONS = "app.workflow_executions_c*_[0-9]*"  # named by dates: each day has others
HEADING = "-- Written by `python -m dev schema`. What is edited is in schema/migrations and schema/functions.\n\n"
NOT_OF_THE_SCHEMA = re.compile(r"^(--\n-- .*\n--\n+|-- Dumped .*\n|\\(un)?restrict .*\n+)", re.MULTILINE)


def printed(server: Cluster, database: str) -> str:
    """Without pg_dump's headings, its version, and a key that is random; with a heading of our own."""
    command = [program("pg_dump"), "--schema-only", f"--exclude-table={PARTITIONS}", server.url(SUPERUSER, database)]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return HEADING + re.sub(r"\n{3,}", "\n\n", NOT_OF_THE_SCHEMA.sub("", dump)).strip() + "\n"


def write() -> None:
    from schema.migrate import migrate

    with TemporaryDirectory() as folder, cluster(Path(folder)) as server:
        migrate(create_database(server, "current"))
        CURRENT.write_text(printed(server, "current"))
