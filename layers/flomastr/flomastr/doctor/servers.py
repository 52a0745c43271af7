"""Versions: of Postgres, and of pgvector, whose objects may be older than the library that the server has."""

from flomastr.database.connection import Connection
from flomastr.doctor.verdicts import Verdict, fail, ok, warn
from flomastr.health import NEEDED_PGVECTOR, version_of

OLDEST, NEWEST = 16, 18  # major versions that were tested
PATCHED = {16: 10, 17: 6}  # minor versions before which statistics of hidden rows leak (CVE-2025-8713)
UPDATE = "Run ALTER EXTENSION vector UPDATE as the extension's owner (DigitalOcean: doadmin), in this database."

# What newer versions of pgvector have mended, and which indexes may need REINDEX.
MENDED = (
    ((0, 8, 0), "a search of a large base by meaning falls back to comparing all, since graphs are not scanned on"),
    ((0, 8, 2), "building an HNSW index in parallel may overflow a buffer"),
    ((0, 8, 3), "vacuum may corrupt an HNSW index"),
    ((0, 8, 4), "more faults of HNSW indexes"),
)


def postgres_version(conn: Connection) -> Verdict:
    """Whether this major version was tested, and has the fixes that isolation rests on."""
    major, minor = divmod(conn.info.server_version, 10_000)
    seen = f"Postgres {major}.{minor}"
    if major < OLDEST:
        return fail(seen, f"Move to Postgres {OLDEST} to {NEWEST}.")
    if major > NEWEST:
        return warn(f"{seen}, which was not tested", f"Postgres {OLDEST} to {NEWEST} were.")
    if minor < PATCHED.get(major, 0):
        return warn(f"{seen}, which has known leaks", f"Update it to {major}.{PATCHED[major]} or later.")
    return ok(seen)


def pgvector_version(conn: Connection) -> Verdict:
    """Whether the extension is there, as new as the code needs and the server offers, and without known faults."""
    ((installed, offered),) = conn.execute(
        """
        SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
          (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')
        """
    ).fetchall()
    return of_pgvector(installed, offered)


def of_pgvector(installed: str | None, offered: str | None) -> Verdict:
    """What follows from the version that the database has, and the one that its server has. None: none."""
    needed = ".".join(map(str, NEEDED_PGVECTOR))
    if offered is None and installed is None:
        return fail("The server has no pgvector", f"Choose a server that offers pgvector {needed} or later.")
    newest = version_of(offered or installed or "0")
    if installed is None:
        return fail(
            f"pgvector {offered} is offered and not installed",
            "Run the migrations as a role that may CREATE EXTENSION vector (DigitalOcean: doadmin).",
        )
    if version_of(installed) < NEEDED_PGVECTOR:
        cure = UPDATE if newest >= NEEDED_PGVECTOR else f"Ask for a server with pgvector {needed} or later."
        return fail(f"pgvector {installed}, and {needed} is needed", cure)
    if version_of(installed) < newest:
        return warn(f"pgvector {installed}, and the server offers {offered}", UPDATE)
    faults = [fault for mended, fault in MENDED if version_of(installed) < mended]
    if faults:
        return warn(
            f"pgvector {installed}: {'; '.join(faults)}",
            "Ask for the provider's update, then ALTER EXTENSION vector UPDATE and REINDEX the index"
            " app.embeddings_nearest.",
        )
    return ok(f"pgvector {installed}")


VERSIONS = (postgres_version, pgvector_version)
