"""What must hold in the catalogue of the database, as queries for what is wrong."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from tests.support.catalogue_allowlist import ALLOWLIST

type Connection = psycopg.Connection[Any]

TENANT_TABLES = """
tenant_tables AS (
  SELECT c.oid, c.relname AS name, c.relrowsecurity, c.relforcerowsecurity, a.attnum AS tenant_column
  FROM pg_class AS c
  JOIN pg_attribute AS a
    ON a.attrelid = c.oid AND a.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
  WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
)
"""

# What is wrong, and a query for the names of what is wrong in that way.
CHECKS: dict[str, LiteralString] = {
    "has neither a tenant nor a reason to have none": """
        SELECT relname FROM pg_class AS c
        WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'f', 'm') AND NOT relispartition
          AND relname <> 'tenants' AND relname <> ALL (%(without_tenant)s)
          AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id')
    """,
    "is open to flo_app though neither tenant nor row-level security bounds it": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace AND relname = ANY (%(without_tenant)s)
          AND NOT (relrowsecurity AND relforcerowsecurity)
          AND (has_table_privilege('flo_app', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR relname <> 'schema_migrations' AND has_any_column_privilege('flo_app', oid, 'SELECT, INSERT, UPDATE'))
    """,
    "does not both enable and force row-level security": """
        SELECT relname FROM pg_class AS c
        WHERE (oid IN (SELECT oid FROM tenant_tables) OR relispartition AND relnamespace = 'app'::regnamespace)
          AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
    """,
    "has no policy that keeps flo_app to its tenant in all verbs": """
        SELECT name FROM tenant_tables AS t
        WHERE NOT EXISTS (
          SELECT FROM pg_policy AS p
          WHERE polrelid = t.oid AND polcmd = '*' AND polpermissive AND polroles = ARRAY['flo_app'::regrole::oid]
            AND pg_get_expr(polqual, polrelid) = pg_get_expr(polwithcheck, polrelid)
            AND pg_get_expr(polqual, polrelid) = format(
              '(%%I = ( SELECT app.tenant() AS tenant))',
              (SELECT attname FROM pg_attribute WHERE attrelid = t.oid AND attnum = t.tenant_column)
            )
        )
    """,
    "has a policy that opens more than a tenant to flo_app": """
        SELECT opened FROM pg_policy JOIN pg_class AS c ON c.oid = polrelid, regexp_replace(
          format('%%s.%%s %%s %%s %%s', relname, polname, polcmd, coalesce(pg_get_expr(polqual, polrelid), '-'),
            coalesce(pg_get_expr(polwithcheck, polrelid), '-')), '[[:space:]]+', ' ', 'g') AS opened
        WHERE relnamespace = 'app'::regnamespace AND polname <> 'tenant' AND polpermissive
          AND EXISTS (SELECT FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role('flo_app', role, 'MEMBER'))
          AND (opened <> ALL (%(opened)s) OR polroles <> ARRAY['flo_app'::regrole::oid])
    """,
    "has no index that leads with the tenant": """
        SELECT name FROM tenant_tables AS t
        WHERE NOT EXISTS (SELECT FROM pg_index
          WHERE indrelid = t.oid AND indkey[0] = t.tenant_column AND indpred IS NULL
          AND (indisvalid OR EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = t.oid)))
    """,
    "lets its tenant be null": """
        SELECT name FROM tenant_tables AS t JOIN pg_attribute ON attrelid = t.oid AND attnum = t.tenant_column
        WHERE NOT attnotnull AND name <> ALL (%(without_tenant_at_times)s)
    """,
    "refers to a tenant table without the tenant": """
        SELECT conrelid::regclass || '.' || conname FROM pg_constraint AS c
        JOIN tenant_tables AS t ON t.oid = c.conrelid JOIN tenant_tables AS target ON target.oid = c.confrelid
        WHERE contype = 'f' AND NOT EXISTS (
          SELECT FROM unnest(conkey, confkey) AS pair (here, there)
          WHERE here = t.tenant_column AND there = target.tenant_column
        )
    """,
    "is unique across tenants by a name that a tenant chooses": """
        SELECT indexrelid::regclass::text FROM pg_index JOIN tenant_tables AS t ON t.oid = indrelid
        WHERE indisunique AND t.tenant_column <> ALL (indkey)
          AND t.name <> 'tenants' AND NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey) AND attname = 'id'
          )
    """,
    "is a partition that can be reached directly": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace AND relispartition AND relkind IN ('r', 'p')
          AND relacl IS NOT NULL AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner)
    """,
    "gives more than reading and writing rows": """
        SELECT relname FROM pg_class, unnest('{flo_app,flo_job}'::text[]) AS role
        WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND has_table_privilege(role, oid, 'TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')
    """,
    "is a view that reads as its owner": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace
          AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}')
    """,
    "is not owned by flo_owner": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace AND relowner <> 'flo_owner'::regrole
          AND relname !~ '^schema_(migrations|functions)(_pkey)?$'
        UNION ALL SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND proowner <> 'flo_owner'::regrole
        UNION ALL SELECT oid::regtype::text FROM pg_type
        WHERE typnamespace = 'app'::regnamespace AND typowner <> 'flo_owner'::regrole AND typrelid = 0 AND typelem = 0
    """,
    "belongs to a role that owns nothing": """
        SELECT classid::regclass || ' ' || objid FROM pg_shdepend
        WHERE refobjid IN ('flo_app'::regrole, 'flo_job'::regrole)
          AND refclassid = 'pg_authid'::regclass AND deptype = 'o'
    """,
    "is a role with powers that it must not have": """
        SELECT rolname FROM pg_roles
        WHERE rolname IN ('flo_app', 'flo_job', 'flo_owner')
          AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
            OR rolcanlogin AND rolname = 'flo_owner')
    """,
    "is a role that another one of ours belongs to": """
        SELECT roleid::regrole::text FROM pg_auth_members WHERE member IN ('flo_app'::regrole, 'flo_job'::regrole)
    """,
    "runs as its owner without a search_path of its own that ends in pg_temp": """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND prosecdef
          AND NOT coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    """,
    "runs as its owner for anybody": """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND prosecdef
          AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))
    """,
    "runs as its owner for flo_app and is not known to": """
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND prosecdef AND has_function_privilege('flo_app', oid, 'EXECUTE')
          AND proname <> ALL (%(run_as_owner)s)
    """,
    "is claimed to be leakproof": """
        SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'app'::regnamespace AND proleakproof
    """,
    "is a schema where others than its owner make things": """
        SELECT nspname FROM pg_namespace, unnest('{flo_app,flo_job}'::text[]) AS role
        WHERE nspname !~ '^pg_(toast_)?temp' AND has_schema_privilege(role, oid, 'CREATE')
    """,
    "is open to roles that are none of ours": """
        SELECT nspname FROM pg_namespace, aclexplode(nspacl)
        WHERE nspname = 'app'
          AND grantee NOT IN (nspowner, 'flo_owner'::regrole, 'flo_app'::regrole, 'flo_job'::regrole)
    """,
    "lets jobs do what they are not known to": """
        SELECT relname || ': ' || string_agg(verb, ', ' ORDER BY verb) FROM (
          SELECT relname, privilege_type AS verb FROM pg_class, aclexplode(relacl)
          WHERE relnamespace = 'app'::regnamespace AND grantee IN (0, 'flo_job'::regrole)
          UNION
          SELECT relname, format('%%s (%%s)', privilege_type, attname)
          FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid, aclexplode(attacl)
          WHERE relnamespace = 'app'::regnamespace AND grantee IN (0, 'flo_job'::regrole)
        ) AS granted
        GROUP BY relname HAVING relname || ': ' || string_agg(verb, ', ' ORDER BY verb) <> ALL (%(open_to_jobs)s)
    """,
    "has a policy for jobs that app.open_to_jobs does not make": """
        SELECT relname || '.' || polname FROM pg_policy JOIN pg_class AS c ON c.oid = polrelid
        WHERE relnamespace = 'app'::regnamespace AND 'flo_job'::regrole = ANY (polroles)
          AND (polname <> 'job' OR polroles <> ARRAY['flo_job'::regrole::oid] OR polcmd <> '*')
    """,
    "runs as its owner for jobs and is not known to": """
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND prosecdef AND has_function_privilege('flo_job', oid, 'EXECUTE')
          AND proname <> ALL (%(run_as_owner_for_jobs)s)
    """,
}


def problems(conn: Connection, allowlist: Mapping[str, Iterable[str]] = ALLOWLIST) -> set[tuple[str, str]]:
    """What is wrong with a database: (name, what is wrong with it)."""
    cursor = conn.cursor(row_factory=scalar_row)
    known = {kind: list(names) for kind, names in allowlist.items()}
    return {
        (name, what)
        for what, query in CHECKS.items()
        for name in cursor.execute("WITH " + TENANT_TABLES + query, known).fetchall()
    }
