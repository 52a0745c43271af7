"""What a backup reads beside rows: which relations there are, and who may do what with them."""

from psycopg.rows import class_row

from flomastr.database.connection import Connection
from flomastr.recovery.backup_manifest import Relation

EXCLUDED = {
    "backups": "which backups this very database has seen",
    "schema_migrations": "the manifest has it, and the migrations write it anew",
    "schema_functions": "written anew as well",
    "row_history": "numbers of transactions and snapshots of them mean nothing in another cluster",
    "recorded_transactions": "the same",
    "restore_points": "the same",
    "recoveries": "the same",
}

# Hash partitions are no relations of their own: nothing selects one of them through its parent.
RELATIONS = """
SELECT
  c.relname AS name, p.relname AS parent,
  CASE WHEN i.inhparent IS NOT NULL THEN pg_get_expr(c.relpartbound, c.oid) END AS bound,
  CASE WHEN i.inhparent IS NOT NULL THEN pg_get_partition_constraintdef(c.oid) END AS rows_where,
  r.relname AS root,
  ARRAY(
    SELECT pg_get_indexdef(x.indexrelid) FROM pg_index AS x
    WHERE i.inhparent IS NOT NULL AND x.indrelid = c.oid
      AND NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = x.indexrelid)
    ORDER BY 1
  ) AS indexes,
  ARRAY(
    SELECT a.attname::text FROM pg_attribute AS a
    WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
  ) AS columns
FROM pg_class AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
LEFT JOIN pg_class AS p ON p.oid = i.inhparent
LEFT JOIN pg_partitioned_table AS t ON t.partrelid = p.oid
LEFT JOIN pg_partitioned_table AS own ON own.partrelid = c.oid
JOIN pg_class AS r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND r.relname <> ALL (%(excluded)s)
  AND t.partstrat IS DISTINCT FROM 'h' AND (c.relkind = 'r' OR own.partstrat = 'h')
ORDER BY c.relname
"""

# A table of which row-level security would hide rows from the caller, or that it may not read.
UNREADABLE = """
SELECT c.relname::text FROM pg_class AS c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> ALL (%(excluded)s)
  AND (
    NOT has_table_privilege(c.oid, 'SELECT')
    OR c.relrowsecurity AND (
      NOT EXISTS (
        SELECT FROM pg_policy AS p
        WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('*', 'r')
          AND current_user::regrole::oid = ANY (p.polroles) AND pg_get_expr(p.polqual, p.polrelid) = 'true'
      )
      OR EXISTS (
        SELECT FROM pg_policy AS p
        WHERE p.polrelid = c.oid AND NOT p.polpermissive
          AND p.polroles && ARRAY[0, current_user::regrole::oid]
      )
    )
  )
ORDER BY 1
"""

# Without break_seal, which partitions get while they are archived, and without what only a cluster's provider decides.
CATALOGUE = """
SELECT concat_ws(' ', 'role', r.rolname, 'super', r.rolsuper, 'bypassrls', r.rolbypassrls, 'login', r.rolcanlogin,
  'createrole', r.rolcreaterole, 'inherits', ARRAY(
    SELECT g.rolname::text FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid
    WHERE m.member = r.oid ORDER BY 1))
FROM pg_roles AS r WHERE r.rolname IN ('flo_owner', 'flo_app', 'flo_job')
UNION ALL
SELECT concat_ws(' ', 'table', c.relname, 'owner', c.relowner::regrole,
  'rls', c.relrowsecurity, c.relforcerowsecurity,
  ARRAY(SELECT a::text FROM unnest(c.relacl) AS a WHERE a::text ~ '^(flo_|=)' ORDER BY 1))
FROM pg_class AS c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(names)s)
UNION ALL
SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  ARRAY(SELECT g::text FROM unnest(a.attacl) AS g ORDER BY 1))
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(names)s)
  AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT concat_ws(' ', 'policy', c.relname, p.polname, p.polcmd, p.polpermissive,
  ARRAY(SELECT CASE g WHEN 0 THEN 'public' ELSE g::regrole::text END FROM unnest(p.polroles) AS g ORDER BY 1),
  pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
WHERE c.relnamespace = 'app'::regnamespace AND c.relname = ANY (%(names)s)
UNION ALL
SELECT concat_ws(' ', 'trigger', c.relname, t.tgname, t.tgenabled, t.tgtype, t.tgfoid::regproc)
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'app'::regnamespace AND NOT t.tgisinternal AND t.tgname <> 'break_seal'
  AND c.relname = ANY (%(names)s)
UNION ALL
SELECT concat_ws(' ', 'constraint', c.relname, n.conname, pg_get_constraintdef(n.oid))
FROM pg_constraint AS n JOIN pg_class AS c ON c.oid = n.conrelid
WHERE c.relnamespace = 'app'::regnamespace AND n.contype <> 'n' AND NOT c.relispartition AND c.relname = ANY (%(names)s)
ORDER BY 1
"""


class UnreadableError(Exception):
    """A table cannot be read as a whole, so there is no backup."""


def relations(conn: Connection) -> list[Relation]:
    """What is copied, one by one, in the order of names."""
    return conn.cursor(row_factory=class_row(Relation)).execute(RELATIONS, {"excluded": list(EXCLUDED)}).fetchall()


def refuse_unreadable(conn: Connection) -> None:
    """A policy that is missing would give an empty table and no error. Raises UnreadableError."""
    hidden = [name for (name,) in conn.execute(UNREADABLE, {"excluded": list(EXCLUDED)}).fetchall()]
    if hidden:
        raise UnreadableError(f"These tables are not open to jobs as a whole: {', '.join(hidden)}.")


def catalogue(conn: Connection, names: list[str]) -> list[str]:
    """Roles, owners, grants, policies and triggers of these relations, a line for each."""
    return [line for (line,) in conn.execute(CATALOGUE, {"names": names}).fetchall()]


def ledger(conn: Connection) -> dict[str, str]:
    """The migrations that were applied, with their SHA-256."""
    return dict(conn.execute("SELECT name, sha256 FROM app.schema_migrations ORDER BY name").fetchall())


def extensions(conn: Connection) -> dict[str, str]:
    """Their names and versions."""
    return dict(conn.execute("SELECT extname, extversion FROM pg_extension ORDER BY extname").fetchall())
