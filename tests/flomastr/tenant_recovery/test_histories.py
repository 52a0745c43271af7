"""Whatever several clients do at once, a tenant is brought back exactly, and nobody else is touched."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from dev.services.postgres import Cluster
from tests.support.factories import Tenant
from tests.support.recovery_env import TABLES, RecoveryEnv, Rows, recovery_env
from tests.support.s3 import Bucket

HISTORIES = 4
WRITERS = 4  # the first and the last of the same tenant
QUIETLY = settings(
    max_examples=HISTORIES,
    derandomize=True,
    phases=[Phase.generate],  # making a failed history shorter takes minutes
    deadline=None,
    suppress_health_check=list[Any](HealthCheck),
)
NTH = "ORDER BY id OFFSET %(nth)s LIMIT 1)"
A_WORKFLOW = f"(SELECT id FROM app.workflows {NTH}"
A_CHAT = f"(SELECT id FROM app.webchat_sessions {NTH}"
A_BASE = f"(SELECT id FROM app.knowledge_bases {NTH}"
STORED = f"""
SELECT count(*) FROM (SELECT id FROM app.knowledge_bases {NTH} AS b
CROSS JOIN LATERAL app.store_documents(b.id, jsonb_build_array(jsonb_build_object(
  'name', %(nth)s::text, 'content_type', 'text', 'content', repeat('word ', 300 * %(value)s), 'chunker', 'test',
  'metadata', jsonb_build_object('a', %(value)s, 'long', repeat('x', 1200)),
  'content_hash', encode(sha256(convert_to(%(value)s::text, 'UTF8')), 'hex'), 'chunks', (
    SELECT jsonb_agg(jsonb_build_object('start', n * 5, 'end', n * 5 + 4, 'text', 'word', 'metadata', '{{}}'::jsonb))
    FROM generate_series(1, 2 * %(value)s) AS n
  )
)))
"""
RECORDED = """
SELECT count(*) FROM app.record_executions((
  SELECT jsonb_agg(jsonb_build_object(
    'workflow_id', w.id, 'n8n_execution_id', (n.n %% 7)::text,
    'status', (ARRAY['running', 'error', 'success'])[%(value)s], 'started_at', now() - interval '1 minute',
    'execution_data', jsonb_build_object('mode', 'webhook', 'said', %(value)s)
  ))
  FROM (SELECT id FROM app.workflows ORDER BY id OFFSET %(nth)s LIMIT 1) AS w,
    generate_series(%(nth)s::int, %(nth)s::int + %(value)s::int) AS n (n)
)) HAVING count(*) > 0
"""
WRITES: dict[str, LiteralString] = {
    "add workflow": "INSERT INTO app.workflows (name, n8n_workflow_id) VALUES ('New', %(value)s)",
    "change workflow": f"UPDATE app.workflows SET name = 'N' || %(value)s, tags = ARRAY['a'] WHERE id = {A_WORKFLOW}",
    "rename workflow": f"UPDATE app.workflows SET n8n_workflow_id = %(value)s WHERE id = {A_WORKFLOW}",
    "delete workflow": f"DELETE FROM app.workflows WHERE id = {A_WORKFLOW}",
    "record": RECORDED,
    "record again": RECORDED,
    "delete executions": "DELETE FROM app.workflow_executions WHERE n8n_execution_id::int %% 3 = %(nth)s",
    "chat": "INSERT INTO app.webchat_sessions (workflow_id, user_id, messages)"
    f" VALUES ({A_WORKFLOW}, 'user_' || %(value)s, '[]')",
    "answer": "UPDATE app.webchat_sessions"
    " SET messages = messages || jsonb_build_object('id', %(value)s, 'said', repeat('x', 600))"
    f" WHERE id = {A_CHAT}",
    "end chat": f"DELETE FROM app.webchat_sessions WHERE id = {A_CHAT}",
    "prefer": "INSERT INTO app.user_preferences (user_id, preferences) VALUES (%(owner)s, %(settings)s)"
    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET preferences = excluded.preferences",
    "prefer nothing": "DELETE FROM app.user_preferences WHERE user_id = %(owner)s",
    "add base": "SELECT (app.create_knowledge_base("
    "'Base ' || %(value)s, repeat('d', 900 * %(nth)s), NULL, '{}', 'm')).id",
    "describe base": "UPDATE app.knowledge_bases SET description = repeat('e', 600 * %(value)s), updated_at = now()"
    f" WHERE id = {A_BASE}",
    "rename base": f"UPDATE app.knowledge_bases SET name = 'Base ' || %(value)s WHERE id = {A_BASE}",
    "delete base": f"DELETE FROM app.knowledge_bases WHERE id = {A_BASE}",
    "store document": STORED,
    "store document again": STORED,
    "delete document": "DELETE FROM app.documents WHERE name = %(nth)s::text",
    "add alert": "INSERT INTO app.alerts (name, kind, minutes, url) VALUES ('A', 'silence', 60 + %(value)s, 'https://a.b')",
    "change alert": f"UPDATE app.alerts SET minutes = 70 + %(value)s WHERE id = (SELECT id FROM app.alerts {NTH}",
    "delete alert": f"DELETE FROM app.alerts WHERE id = (SELECT id FROM app.alerts {NTH}",
    "set": "SELECT count(*) FROM app.change_policies_v2("
    "jsonb_build_object('hot_ttl_days', 30 + %(value)s, 'cold_ttl_days',"
    " nullif(%(nth)s, 0) * 100, 'time_zone', (ARRAY['UTC', 'Asia/Tokyo', 'Europe/Berlin'])[%(value)s]), NULL)",
    "brand": "UPDATE app.tenants SET name = 'Tenant ' || %(value)s, branding_settings ="
    " jsonb_build_object('brand_primary', %(value)s::text, 'logo_svg', repeat('x', 1200 * %(nth)s))",
}
ENDS = ["commit", "commit", "roll back"]
STEPS = st.lists(
    st.tuples(
        st.integers(0, WRITERS - 1), st.sampled_from([*WRITES, *ENDS, "look"]), st.integers(0, 3), st.integers(1, 3)
    ),
    min_size=60,
    max_size=120,
)


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


class Writer:
    """A client with a connection of its own, whose transactions stay open while others write."""

    def __init__(self, env: RecoveryEnv, tenant: Tenant, stack: ExitStack):
        dsn = env.platform.superuser.info.dsn
        self.conn = stack.enter_context(psycopg.connect(dsn, user="flo_app", options="-c lock_timeout=30ms"))
        self.tenant = tenant

    def act(self, what: str, nth: int = 0, value: int = 1) -> None:
        try:
            self.write(what, nth, value)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.IntegrityError):
            self.conn.rollback()

    def write(self, what: str, nth: int, value: int) -> None:
        if what == "commit":
            return self.conn.commit()
        if what == "roll back":
            return self.conn.rollback()
        context = (
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', 'key', true),"
            " set_config('app.actor', 'test', true)"
        )
        self.conn.execute(context, (str(self.tenant.id),))
        row = {
            "nth": nth,
            "value": value,
            "owner": self.tenant.owner.user_id,
            "settings": Jsonb({"a": value, "long": "x" * 1200}),
        }
        self.conn.execute(WRITES[what], row)
        return None


def look(env: RecoveryEnv, tenant: Tenant) -> tuple[str, Rows]:
    """A restore point, and the rows of the tenant in the same snapshot."""
    with env.platform.superuser.transaction():
        env.platform.superuser.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return env.restore_point(), env.rows(tenant)


def versions(env: RecoveryEnv, tenants: list[Tenant]) -> list[Any]:
    """Of each row of these tenants."""
    statement: Any = " UNION ALL ".join(
        f"SELECT '{table}', id, xmin::text, ctid::text FROM app.{table} WHERE tenant_id = ANY (%(tenants)s)"
        for table in TABLES
    )
    ids = [tenant.id for tenant in tenants]
    return sorted(env.platform.superuser.execute(statement, {"tenants": ids}).fetchall())


def live(env: RecoveryEnv, tenants: list[Tenant], steps: list[tuple[int, str, int, int]]) -> list[tuple[str, Rows]]:
    """What was seen of the first tenant, and when."""
    seen: list[tuple[str, Rows]] = []
    with ExitStack() as stack:
        writers = [Writer(env, tenants[index % 3], stack) for index in range(WRITERS)]
        for writer in writers[:3]:
            for what in (
                "add workflow",
                "record",
                "chat",
                "prefer",
                "add base",
                "store document",
                "add alert",
                "set",
                "commit",
            ):
                writer.act(what)
        seen.append(look(env, tenants[0]))
        for index, what, nth, value in steps:
            if what == "look":
                seen.append(look(env, tenants[0]))
            else:
                writers[index].act(what, nth, value)
        for writer in writers:
            writer.act("commit")
    return seen


def test_each_moment_comes_back_exactly_and_goes_again(env: RecoveryEnv) -> None:
    @QUIETLY
    @given(STEPS)
    def history(steps: list[tuple[int, str, int, int]]) -> None:
        tenants = [env.platform.make.tenant() for _ in range(3)]
        seen = live(env, tenants, steps)
        after, others = env.rows(tenants[0]), versions(env, tenants[1:])
        for at, rows in seen:
            done = env.recovered(tenants[0], at=at)
            assert done["is_exact"]
            assert env.rows(tenants[0]) == rows
            env.undone(tenants[0], done)
            assert env.rows(tenants[0]) == after
        assert versions(env, tenants[1:]) == others

    history()


KILLED_AT = """
CREATE TABLE public.kills (step integer);
INSERT INTO public.kills VALUES (0);
CREATE SEQUENCE public.steps;
CREATE FUNCTION public.kill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF coalesce(current_setting('app.actor', true), '') LIKE 'user:%' AND session_user = 'flo_job'
    AND nextval('public.steps') = (SELECT step FROM public.kills)
  THEN
    PERFORM pg_terminate_backend(pg_backend_pid());
  END IF;
  RETURN NULL;
END
$$;
"""
WATCHED = (*TABLES, "row_history", "recorded_transactions", "restore_points", "recoveries")


def kill_at(env: RecoveryEnv, step: int) -> None:
    """The connection of the job ends before this step of the next recovery: a statement, or what its triggers write."""
    env.platform.superuser.execute("UPDATE public.kills SET step = %s", (step,))
    env.platform.superuser.execute("ALTER SEQUENCE public.steps RESTART")


def test_killed_before_its_steps_it_has_done_nothing_and_the_next_run_does_it(env: RecoveryEnv) -> None:
    env.platform.superuser.execute(KILLED_AT)
    for table in WATCHED:
        env.platform.superuser.execute(
            f"CREATE TRIGGER kill BEFORE INSERT OR UPDATE OR DELETE ON app.{table}"  # type: ignore[arg-type]
            " FOR EACH STATEMENT EXECUTE FUNCTION public.kill()"
        )
    tenants = [env.platform.make.tenant() for _ in range(3)]
    ((at, rows),) = live(env, tenants, [])
    changes = ("change workflow", "record", "end chat", "store document", "brand", "commit")
    live(env, tenants, [(0, what, 0, 2) for what in changes])
    after, step, is_killed = env.rows(tenants[0]), 0, True
    while is_killed:
        preview = env.preview(tenants[0], at=at)
        env.platform.superuser.execute(
            "UPDATE app.recoveries SET state = 'pending', applied_by = 'user:test' WHERE id = %s", (preview["id"],)
        )
        step += 1
        kill_at(env, step)
        try:
            env.run()
            is_killed = False
        except psycopg.OperationalError:
            assert env.rows(tenants[0]) == after
            kill_at(env, 0)
            env.run()
        assert env.rows(tenants[0]) == rows
        kill_at(env, 0)
        env.undone(tenants[0], preview)
        assert env.rows(tenants[0]) == after
    assert step > 10
