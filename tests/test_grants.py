"""What flo_app may write is what the routes write, no verb more and none less: each operation is asked and watched."""

import time
from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from dev.services.postgres import Cluster
from flomastr.uploads import claims
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.factories import Factory
from tests.support.job_writes import job_writes
from tests.support.requests import BY_NAME, OPERATIONS, ApiClient, Operation
from tests.support.s3 import Bucket

type Connection = psycopg.Connection[Any]
type Grant = tuple[str, str]

WATCH = """
CREATE TABLE public.written (relname name, verb text, UNIQUE (relname, verb));
CREATE FUNCTION public.note(relname name, verb text) RETURNS void LANGUAGE sql SECURITY DEFINER
AS 'INSERT INTO public.written VALUES (relname, verb) ON CONFLICT DO NOTHING';
CREATE FUNCTION public.watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user = 'flo_app' AND current_setting('application_name') <> 'factory' THEN
    PERFORM public.note(TG_TABLE_NAME, TG_OP);
  END IF;
  RETURN NULL;
END
$$;
"""
WATCHED = """
CREATE TRIGGER watch BEFORE INSERT OR UPDATE OR DELETE ON app.{} FOR EACH STATEMENT EXECUTE FUNCTION public.watch()
"""
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
GRANTED = """
SELECT relname, privilege_type FROM (
  SELECT relname, a.privilege_type FROM pg_class, aclexplode(relacl) AS a
  WHERE relnamespace = 'app'::regnamespace AND grantee IN (0, %(role)s::regrole)
  UNION
  SELECT relname, a.privilege_type FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid, aclexplode(attacl) AS a
  WHERE relnamespace = 'app'::regnamespace AND grantee IN (0, %(role)s::regrole)
) AS granted
WHERE privilege_type <> 'SELECT'
"""
OF_COLUMNS = """
SELECT relname, a.privilege_type, string_agg(attname, ', ' ORDER BY attname)
FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid, aclexplode(attacl) AS a
WHERE relnamespace = 'app'::regnamespace AND grantee IN (0, 'flo_app'::regrole)
GROUP BY relname, a.privilege_type
"""
UNREAD = {
    *("leaving_rows", "rate_buckets", "reserved_slugs", "schema_functions", "sealed_partitions"),
    *("touched_executions", "execution_deltas", "superseded_versions", "failed_runs", "retried_runs"),
}
ABLE = ("super admin", "owner", "key for events:write", "pending")
KEEP = {"keep": {"success_days": 7, "error_days": 90}}
LAST_OWNER = {"update_member", "remove_member"}  # asked of the only owner here: `more` asks them of somebody else


@pytest.fixture(scope="module")
def database_copy(server: Cluster) -> Iterator[tuple[str, Connection]]:
    with copy(server) as name, psycopg.connect(server.url("postgres", name), autocommit=True) as superuser:
        yield name, superuser


@pytest.fixture
def watched(server: Cluster, bucket: Bucket, database_copy: tuple[str, Connection]) -> Iterator[Factory]:
    """A factory whose own writes are not noted, in a database that notes those of the functions."""
    name, superuser = database_copy
    superuser.execute(WATCH)
    for (table,) in superuser.execute(TABLES).fetchall():
        superuser.execute(sql.SQL(WATCHED).format(sql.Identifier(table)))
    url = server.url("flo_app", name)
    with connected(DATABASE_URL=url), psycopg.connect(url, autocommit=True, application_name="factory") as conn:
        yield Factory(conn)


def carried_out(make: Factory, operation: Operation) -> bool:
    """Whether one of those who may do it finds it done."""
    for who in ABLE:
        client = ApiClient(make, who)
        client.prepare(operation)
        if client.ask(operation).status < 400:
            return True
    return False


def more(make: Factory) -> list[int]:
    """What operations write besides, where they are asked in another way."""
    owner, admin = ApiClient(make, "owner"), ApiClient(make, "super admin")
    guest = make.person()
    make.invitation(owner.tenant.id, guest)
    of_guest = {"path": f"/routes/tenants/{owner.slug}/member", "query": {"user_id": f"mailto:{guest.email}"}}
    limits = {"cold_ttl_days": 400, "rate_limit_per_minute": 1000, "time_zone": "Asia/Kolkata"} | KEEP
    n8n = ApiClient(make, "key for events:write")
    n8n.ask(BY_NAME["record_events"])
    begun = owner.ask(BY_NAME["begin_upload"]).json
    claims.claim(UUID(begun["id"]), f"tenant={begun['tenant_id']}/{begun['id']}", 60, time.monotonic() + 60)
    make.within(n8n.tenant.id, "UPDATE app.n8n_instances SET last_seen_at = '2026-01-01'", {})
    large = {"id": "1", "workflowId": "wf", "status": "success", "data": {"text": "x" * 300_000}}
    answers = [
        n8n.ask(BY_NAME["record_events"]),
        n8n.ask(BY_NAME["record_events"], body=large),
        n8n.ask(BY_NAME["record_events"], body=large),
        owner.ask(BY_NAME["create_workflow"], headers={"idempotency-key": "1"}),
        admin.ask(BY_NAME["update_policies"], body=limits),
        admin.ask(BY_NAME["update_policies"], body={"cold_ttl_days": None, "keep": None}),
        owner.ask(BY_NAME["update_member"], **of_guest, body={"role": "admin"}),
        owner.ask(BY_NAME["remove_member"], **of_guest),
    ]
    return [answer.status for answer in answers]


def test_what_is_granted_is_what_is_written(watched: Factory, database_copy: tuple[str, Connection]) -> None:
    _, superuser = database_copy
    assert {operation.name for operation in OPERATIONS if not carried_out(watched, operation)} == LAST_OWNER
    assert more(watched) == [202, 202, 202, 201, 200, 200, 200, 200]
    written: set[Grant] = set(superuser.execute("SELECT relname, verb FROM public.written").fetchall())
    granted: set[Grant] = set(superuser.execute(GRANTED, {"role": "flo_app"}).fetchall())
    assert (granted - written, written - granted) == (set(), set())


def test_what_is_granted_to_jobs_is_what_their_code_can_write(superuser: Connection) -> None:
    granted: set[Grant] = set(superuser.execute(GRANTED, {"role": "flo_job"}).fetchall())
    assert granted - job_writes(superuser) == {("tenants", "UPDATE")}  # of one column, to lock a tenant


def test_of_some_rows_only_the_request_is_written_and_not_how_it_ended(superuser: Connection) -> None:
    assert set(superuser.execute(OF_COLUMNS).fetchall()) == {
        ("alerts", "INSERT", "enabled, kind, min_runs, minutes, n8n_instance, name, threshold, url, workflow_id"),
        ("alerts", "UPDATE", "enabled, min_runs, minutes, name, threshold, updated_at, url, watched_since"),
        ("erasures", "INSERT", "requested_by, tenant_id, user_id"),
        ("execution_objects", "UPDATE", "check_at"),
        ("legal_holds", "UPDATE", "release_reason, released_at, released_by"),
        ("rollup_settings", "INSERT", "rebuild_asked_at, tenant_id, time_zone"),
        ("rollup_settings", "UPDATE", "rebuild_asked_at, time_zone"),
    }


def test_what_jobs_keep_for_themselves_is_not_read(superuser: Connection) -> None:
    unread = superuser.execute(TABLES + " AND NOT has_table_privilege('flo_app', oid, 'SELECT')").fetchall()
    assert {name for (name,) in unread} == UNREAD


OF_NO_ROLE: list[LiteralString] = [
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "CREATE TEMP TABLE mine (id integer)",
    "CREATE TABLE public.mine (id integer)",
    "CREATE TABLE app.mine (id integer)",
    "CREATE SCHEMA mine",
    "COPY app.workflows TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
]
OF_NO_REQUEST: list[LiteralString] = [
    "DELETE FROM app.tenants",
    "INSERT INTO app.erasures (tenant_id, state, requested_by) VALUES (app.uuid7(), 'done', 'me')",
    "INSERT INTO app.erasures (tenant_id, signature, requested_by) VALUES (app.uuid7(), 'x', 'me')",
    "SELECT app.create_partitions()",
]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        *((role, one) for role in ("flo_app", "flo_job") for one in OF_NO_ROLE),
        *(("flo_app", one) for one in OF_NO_REQUEST),
    ],
)
def test_what_nothing_needs_is_refused(server: Cluster, database: str, role: str, statement: LiteralString) -> None:
    with psycopg.connect(server.url(role, database)) as conn, pytest.raises(InsufficientPrivilege):
        conn.execute(statement)
