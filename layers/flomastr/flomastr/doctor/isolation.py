"""Roles and row-level security: what keeps tenants apart, as this role meets it."""

from flomastr.database.connection import Connection
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn

ROLE = """
SELECT rolname, rolsuper, rolbypassrls, EXISTS (
  SELECT FROM pg_class WHERE relnamespace = to_regnamespace('app') AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')
)
FROM pg_roles
WHERE rolname = current_user
"""
UNFORCED = """
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
  SELECT FROM pg_policy WHERE polrelid = c.oid
)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace('app') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


def role(conn: Connection) -> Verdict:
    """Whether row-level security holds for whoever connects so."""
    ((name, is_super, bypasses, owns),) = conn.execute(ROLE).fetchall()
    if is_super or bypasses:
        return fail(
            f"{name} {'is a superuser' if is_super else 'bypasses row-level security'}",
            "Functions refuse to serve so: name flo_app in DatabaseSecretArn and flo_job in JobSecretArn.",
        )
    if owns:
        return warn(f"{name} owns the tables", "Right for migrations; functions refuse to serve so.")
    if name not in ("flo_app", "flo_job"):
        return warn(f"{name} is none of ours", "Connect as flo_app, as flo_job, or for migrations as the owner.")
    return ok(f"{name}, which owns and bypasses nothing")


def row_level_security(conn: Connection) -> Verdict:
    """Whether it is forced, with a policy, on every table of tenants. Raises SkippedError."""
    tables = conn.execute(UNFORCED).fetchall()
    if not tables:
        raise SkippedError("there are no tables of tenants")
    if open_ones := sorted(name for name, is_forced in tables if not is_forced):
        return fail(f"Open: {', '.join(open_ones)}", "Run the migrations, then CALL app.isolate for each as the owner.")
    return ok(f"forced on {len(tables)} tables")


def rows_without_tenant(conn: Connection) -> Verdict:
    """Whether flo_app sees nothing before it is told a tenant: settings may be left in a pool. Raises SkippedError."""
    if conn.info.user != "flo_app":
        raise SkippedError(f"connected as {conn.info.user}, and not as flo_app")
    ((seen, left),) = conn.execute(
        "SELECT EXISTS (SELECT FROM app.workflows), nullif(current_setting('app.tenant_id', true), '')"
    ).fetchall()
    if seen or left:
        return fail(
            "Workflows are seen without a tenant" if seen else "The connection has a tenant left from before",
            "Stop serving: look for a client that uses SET in place of set_config(..., true), or for changed policies.",
        )
    return ok("none are seen")


ISOLATION = (role, row_level_security, rows_without_tenant)
