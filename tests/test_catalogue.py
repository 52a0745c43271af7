"""The catalogue of the database itself: no table, function or grant may open a way past row-level security."""

from typing import LiteralString

import pytest

from tests.support.catalogue import CHECKS, Connection, problems
from tests.support.catalogue_allowlist import ALLOWLIST


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
    ("GRANT SELECT ON app.workflow_executions_overflow TO flo_app", "workflow_executions_overflow"),
    ("GRANT TRUNCATE ON app.workflows TO flo_app", "workflows"),
    ("CREATE VIEW app.seen AS SELECT * FROM app.workflows; ALTER VIEW app.seen OWNER TO flo_owner", "seen"),
    ("ALTER TABLE app.user_roles OWNER TO flomastr_admin", "user_roles"),
    ("GRANT CREATE ON SCHEMA app TO flo_app; ALTER FUNCTION app.tenant OWNER TO flo_app", "pg_proc "),
    ("ALTER ROLE flo_app BYPASSRLS", "flo_app"),
    ("GRANT flo_owner TO flo_app", "flo_owner"),
    ("ALTER FUNCTION app.authorize RESET search_path", "app.authorize("),
    ("GRANT EXECUTE ON FUNCTION app.authorize TO PUBLIC", "app.authorize("),
    ("GRANT EXECUTE ON FUNCTION app.tenant_of_person TO flo_app", "tenant_of_person"),
    ("ALTER FUNCTION app.tenant LEAKPROOF", "app.tenant()"),
    ("GRANT CREATE ON SCHEMA public TO flo_app", "public"),
    ("GRANT USAGE ON SCHEMA app TO PUBLIC", "app"),
    ("GRANT INSERT ON app.tenants TO flo_job", "tenants: DELETE, INSERT, SELECT"),
    ("CREATE POLICY more ON app.user_roles TO flo_job USING (true)", "user_roles.more"),
    ("GRANT EXECUTE ON FUNCTION app.authorize TO flo_job", "authorize"),
]
MORE_MUTATIONS: list[tuple[str, LiteralString, str]] = [
    ("enable and force", "ALTER TABLE app.workflows DISABLE ROW LEVEL SECURITY", "workflows"),
    ("enable and force", "ALTER TABLE app.workflow_executions_overflow NO FORCE ROW LEVEL SECURITY", "_overflow"),
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
    ("more than reading", "GRANT TRUNCATE ON app.archive_files TO flo_job", "archive_files"),
    ("owns nothing", "GRANT CREATE ON SCHEMA app TO flo_job; ALTER TABLE app.job_runs OWNER TO flo_job", "pg_class "),
    ("must not have", "ALTER ROLE flo_job BYPASSRLS", "flo_job"),
    ("must not have", "ALTER ROLE flo_job CREATEROLE", "flo_job"),
    ("belongs to", "GRANT flo_owner TO flo_job", "flo_owner"),
    ("belongs to", "GRANT flo_app TO flo_job", "flo_app"),
    ("make things", "GRANT CREATE ON SCHEMA app TO flo_job", "app"),
    ("for anybody", "GRANT EXECUTE ON FUNCTION app.drop_partition TO PUBLIC", "app.drop_partition("),
    ("for flo_app", "GRANT EXECUTE ON FUNCTION app.seal_partition TO flo_app", "seal_partition"),
    ("jobs do", "GRANT UPDATE (id) ON app.workflow_executions TO flo_job", "UPDATE (id)"),
    ("jobs do", "GRANT INSERT ON app.user_roles TO PUBLIC", "user_roles: INSERT, SELECT"),
    ("jobs do", "GRANT SELECT ON app.workflow_executions_overflow TO flo_job", "workflow_executions_overflow: SELECT"),
    ("for jobs that", "ALTER POLICY job ON app.rehydrations TO flo_job, flo_app", "rehydrations.job"),
    ("opens more", "ALTER POLICY job ON app.rehydrations TO flo_job, flo_app", "rehydrations.job"),
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


@pytest.mark.parametrize("kind", ALLOWLIST)
def test_no_exception_is_made_for_what_is_not_there(superuser: Connection, kind: str) -> None:
    found = {name for name, _ in problems(superuser, {**ALLOWLIST, kind: []})}
    assert found == set(ALLOWLIST[kind])


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
