"""The catalogue of the database itself: no table, function or grant may open a way past row-level security."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import scalar_row

from tests.exceptions import EXCEPTIONS

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
    "gives flo_app more than reading and writing rows": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND has_table_privilege('flo_app', oid, 'TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')
    """,
    "is a view that reads as its owner": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace
          AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}')
    """,
    "is not owned by flo_owner": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'app'::regnamespace AND relowner <> 'flo_owner'::regrole
          AND relname NOT IN ('schema_migrations', 'schema_migrations_pkey')
        UNION ALL SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'app'::regnamespace AND proowner <> 'flo_owner'::regrole
        UNION ALL SELECT oid::regtype::text FROM pg_type
        WHERE typnamespace = 'app'::regnamespace AND typowner <> 'flo_owner'::regrole AND typrelid = 0 AND typelem = 0
    """,
    "belongs to flo_app": """
        SELECT classid::regclass || ' ' || objid FROM pg_shdepend
        WHERE refobjid = 'flo_app'::regrole AND refclassid = 'pg_authid'::regclass AND deptype = 'o'
    """,
    "is a role with powers that it must not have": """
        SELECT rolname FROM pg_roles
        WHERE rolname IN ('flo_app', 'flo_owner')
          AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
            OR rolcanlogin AND rolname = 'flo_owner')
    """,
    "is a role that flo_app belongs to": """
        SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'flo_app'::regrole
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
    "is a schema where flo_app may make things": """
        SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_(toast_)?temp' AND has_schema_privilege('flo_app', oid, 'CREATE')
    """,
    "is open to roles that are none of ours": """
        SELECT nspname FROM pg_namespace, aclexplode(nspacl)
        WHERE nspname = 'app' AND grantee NOT IN (nspowner, 'flo_owner'::regrole, 'flo_app'::regrole)
    """,
}


def problems(conn: Connection, exceptions: Mapping[str, Iterable[str]] = EXCEPTIONS) -> set[tuple[str, str]]:
    """What is wrong with a database: (name, what is wrong with it)."""
    cursor = conn.cursor(row_factory=scalar_row)
    known = {kind: list(names) for kind, names in exceptions.items()}
    return {
        (name, what)
        for what, query in CHECKS.items()
        for name in cursor.execute("WITH " + TENANT_TABLES + query, known).fetchall()
    }


def test_the_catalogue_opens_no_way_past_row_level_security(superuser: Connection) -> None:
    assert problems(superuser) == set()


# One way to break the schema for each check, and the name that the check must then give.
MUTATIONS: list[tuple[LiteralString, str]] = [
    ("CREATE TABLE app.novel (id uuid); ALTER TABLE app.novel OWNER TO flo_owner", "novel"),
    ("GRANT SELECT (name) ON app.rate_buckets TO flo_app", "rate_buckets"),
    ("ALTER TABLE app.workflows NO FORCE ROW LEVEL SECURITY", "workflows"),
    ("DROP POLICY tenant ON app.api_keys", "api_keys"),
    ("CREATE POLICY extra ON app.api_keys FOR SELECT USING (true)", "api_keys.extra r true -"),
    ("DROP INDEX app.api_keys_tenant_id", "api_keys"),
    ("ALTER TABLE app.api_keys ALTER tenant_id DROP NOT NULL", "api_keys"),
    (
        "ALTER TABLE app.api_keys ADD workflow uuid CONSTRAINT alone REFERENCES app.workflows",
        "app.api_keys.alone",
    ),
    ("CREATE UNIQUE INDEX everybodys ON app.workflows (n8n_workflow_id) WHERE false", "app.everybodys"),
    ("GRANT SELECT ON app.workflow_executions_c7_backlog TO flo_app", "workflow_executions_c7_backlog"),
    ("GRANT TRUNCATE ON app.workflows TO flo_app", "workflows"),
    ("CREATE VIEW app.seen AS SELECT * FROM app.workflows; ALTER VIEW app.seen OWNER TO flo_owner", "seen"),
    ("ALTER TABLE app.user_roles OWNER TO flomastr_admin", "user_roles"),
    ("GRANT CREATE ON SCHEMA app TO flo_app; ALTER FUNCTION app.tenant OWNER TO flo_app", "pg_proc "),
    ("ALTER ROLE flo_app BYPASSRLS", "flo_app"),
    ("GRANT flo_owner TO flo_app", "flo_owner"),
    ("ALTER FUNCTION app.enter RESET search_path", "app.enter("),
    ("GRANT EXECUTE ON FUNCTION app.enter TO PUBLIC", "app.enter("),
    ("GRANT EXECUTE ON FUNCTION app.tenant_of_person TO flo_app", "tenant_of_person"),
    ("ALTER FUNCTION app.tenant LEAKPROOF", "app.tenant()"),
    ("GRANT CREATE ON SCHEMA public TO flo_app", "public"),
    ("GRANT USAGE ON SCHEMA app TO PUBLIC", "app"),
]
MORE_MUTATIONS: list[tuple[str, LiteralString, str]] = [
    ("enable and force", "ALTER TABLE app.workflows DISABLE ROW LEVEL SECURITY", "workflows"),
    ("enable and force", "ALTER TABLE app.workflow_executions_c7_backlog NO FORCE ROW LEVEL SECURITY", "c7_backlog"),
    ("bounds it", "GRANT INSERT ON app.schema_migrations TO flo_app", "schema_migrations"),
    ("bounds it", "GRANT DELETE ON app.rate_buckets TO flo_app", "rate_buckets"),
    ("bounds it", "ALTER TABLE app.user_roles NO FORCE ROW LEVEL SECURITY", "user_roles"),
    ("opens more", "ALTER POLICY platform ON app.user_roles USING (true)", "user_roles.platform"),
    ("opens more", "ALTER POLICY platform ON app.user_roles TO flo_app, flo_owner", "user_roles.platform"),
    ("opens more", "ALTER POLICY own ON app.tenants USING (deleted_at IS NULL)", "tenants.own"),
    ("opens more", "ALTER POLICY own ON app.tenant_memberships TO PUBLIC USING (true)", "tenant_memberships.own"),
    (
        "opens more",
        "ALTER POLICY own ON app.idempotency_keys WITH CHECK (actor = current_setting('app.actor'))",
        "idempotency_keys.own",
    ),
    ("in all verbs", "ALTER POLICY tenant ON app.workflows WITH CHECK (true)", "workflows"),
    ("in all verbs", "ALTER POLICY tenant ON app.workflows TO flo_app, flo_owner", "workflows"),
    (
        "in all verbs",
        "DROP POLICY tenant ON app.workflows; CREATE POLICY tenant ON app.workflows FOR SELECT TO flo_app"
        " USING (tenant_id = (SELECT app.tenant()))",
        "workflows",
    ),
]


def test_a_policy_that_restricts_opens_nothing(superuser: Connection) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("CREATE POLICY less ON app.workflows AS RESTRICTIVE TO flo_app USING (true)")
        assert problems(superuser) == set()


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_no_exception_is_made_for_what_is_not_there(superuser: Connection, kind: str) -> None:
    found = {name for name, _ in problems(superuser, {**EXCEPTIONS, kind: []})}
    assert found == set(EXCEPTIONS[kind])


@pytest.mark.parametrize(
    ("wrong", "mutation", "name"),
    [(what, *mutation) for what, mutation in zip(CHECKS, MUTATIONS, strict=True)] + MORE_MUTATIONS,
)
def test_every_check_notices_what_it_is_for(
    superuser: Connection, wrong: str, mutation: LiteralString, name: str
) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute(mutation)
        assert [found for found, what in problems(superuser) if wrong in what and name in found]
