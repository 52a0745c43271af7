"""Connections of the cluster, beside what functions may open: docs/reference/connections.md."""

from flomastr.database.connection import Connection
from flomastr.doctor.verdicts import Verdict, fail, ok, warn

PER_GIGABYTE, RESERVED = 25, 3  # of DigitalOcean's clusters
DIRECT = {1: 18, 2: 20, 4: 20, 8: 20}  # connections beside the pool, at most, by gigabytes
CROWDED = 0.8

LIMITS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
  (SELECT sum(numbackends)::int FROM pg_stat_database)
"""


def connections(conn: Connection) -> Verdict:
    """Whether there are as many as functions may open, and some are left."""
    ((limit, in_use),) = conn.execute(LIMITS).fetchall()
    return of_connections(limit, in_use)


def of_connections(limit: int, in_use: int) -> Verdict:
    """What follows from how many clients there may be and are."""
    size = max((size for size in DIRECT if PER_GIGABYTE * size - RESERVED <= limit), default=0)
    if not size:
        return fail(
            f"{limit} connections", f"Functions need {PER_GIGABYTE - RESERVED} at least: take a larger cluster."
        )
    seen = f"{in_use} of {limit} in use; functions open {DIRECT[size]} directly at most (ClusterMemory={size})"
    if in_use > limit * CROWDED:
        return warn(seen, "Look in pg_stat_activity who keeps them, make the pool smaller or the cluster larger.")
    return ok(f"{seen}, which leaves {limit - DIRECT[size]} for the pool")


CAPACITY = (connections,)
