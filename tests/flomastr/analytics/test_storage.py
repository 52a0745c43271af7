"""GET /routes/analytics/storage: what tenants keep, hot and archived, and how it grows."""

from datetime import timedelta
from functools import partial
from typing import Any, LiteralString, cast

import pytest

from flomastr.caller import Caller
from functions.analytics.handler import lambda_handler
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant, archived_file, new_id
from tests.support.full_tenant import embed

TEXT = "Refunds take a week. " * 40
NOTHING = {"hot_rows": 0, "hot_bytes": 0, "cold_rows": 0, "cold_bytes": 0, "vectors": 0}
KINDS = ["workflow_executions", "webchat_sessions", "documents", "chunks", "embeddings"]
STATED_ERRORS = {"embeddings": 0.2}  # of what tables take without indexes, else 0.1: few vectors fit into a page
TABLES = """
SELECT (SELECT count(*) FROM app.{0}), coalesce(sum(pg_table_size(t.relid)), pg_table_size('app.{0}'))::bigint
FROM pg_partition_tree('app.{0}') AS t WHERE t.isleaf AND pg_relation_size(t.relid) > 0
"""
# further rows like the tenant's one: with what Postgres can compress and what it cannot, in the row and in TOAST
TEXTS = """
  SELECT n, CASE n % 3 WHEN 0 THEN repeat('again', 900) WHEN 1 THEN 'short'
    ELSE (SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 250) AS i) END AS text
  FROM generate_series(2, 1200) AS n
"""
COPIES: list[LiteralString] = [
    """
    INSERT INTO app.workflow_executions (
      retention_class, id, tenant_id, workflow_id, status, started_at, execution_data
    )
    SELECT retention_class, app.uuid7(started_at), tenant_id, workflow_id, status, started_at, to_jsonb(text)
    FROM app.workflow_executions
    """,
    """
    INSERT INTO app.webchat_sessions (tenant_id, workflow_id, user_id, messages)
    SELECT tenant_id, workflow_id, n::text, jsonb_build_array(text) FROM app.webchat_sessions
    """,
    """
    INSERT INTO app.documents (tenant_id, knowledge_base_id, name, content_type, content, content_hash, chunker)
    SELECT tenant_id, knowledge_base_id, n::text, content_type, text, content_hash, chunker FROM app.documents
    """,
    """
    INSERT INTO app.chunks (
      tenant_id, knowledge_base_id, document_id, chunk_index, chunk_start, chunk_end, content_hash, terms, weights
    )
    SELECT tenant_id, knowledge_base_id, document_id, n, 0, 1, content_hash,
      ARRAY(SELECT i FROM generate_series(1, n % 100 + 1) AS i), weights
    FROM app.chunks
    """,
    """
    INSERT INTO app.embeddings (
      id, tenant_id, knowledge_base_id, chunk_text, embedding_vector, document_name, chunk_index, embedding_model
    )
    SELECT c.id, e.tenant_id, e.knowledge_base_id, text, embedding_vector, document_name, n, embedding_model
    FROM app.embeddings AS e JOIN app.chunks AS c USING (tenant_id)
    """,
]


def ask(env: ArchiveEnv, caller: Caller, path: str = "storage", **request: Any) -> Answer:
    with connected(DATABASE_URL=env.app_url):
        return call(lambda_handler, "GET", f"/routes/analytics/{path}", caller=caller, **request)


def found(env: ArchiveEnv, tenant: Tenant, **query: Any) -> dict[str, Any]:
    answer = ask(env, tenant.owner, query=query)
    assert answer.status == 200, answer.body
    return answer.json


def filled(env: ArchiveEnv, executions: int, **execution: Any) -> Tenant:
    """A tenant with so many executions, a chat, an embedded document, and a file of ten bytes."""
    tenant = env.make.tenant(name=f"Of {executions}")
    workflow = env.make.workflow(tenant)
    for _ in range(executions):
        env.execution(tenant, workflow, 0.1, **execution)
    env.session(tenant, workflow, TODAY)
    embed(env.make, tenant, env.make.document(tenant, env.make.knowledge_base(tenant), text=TEXT), TEXT)
    archive(env, tenant, 10)
    return tenant


def archive(env: ArchiveEnv, tenant: Tenant, file_bytes: int) -> None:
    file = archived_file(env.superuser, tenant, new_id())
    env.superuser.execute("UPDATE app.archive_files SET rows = 7, file_bytes = %s WHERE id = %s", (file_bytes, file))


def test_a_tenant_sees_what_it_keeps_by_kind_and_nothing_of_others(env: ArchiveEnv) -> None:
    env.partitions_since(1)
    tenant = filled(env, 3)
    filled(env, 5)
    archived_file(env.superuser, tenant, new_id(), state="verified")
    archived_file(env.superuser, tenant, new_id(), state="replaced")
    before = found(env, tenant)
    assert (before["as_of"], before["since"]) == (None, None)
    assert [kind["kind"] for kind in before["kinds"]] == KINDS
    assert before["totals"] | NOTHING == before["totals"]

    env.run(rollup)
    storage = found(env, tenant)
    assert storage["as_of"] == TODAY.isoformat().replace("+00:00", "Z")
    assert [(kind["hot_rows"], kind["cold_rows"], kind["vectors"]) for kind in storage["kinds"]] == [
        (3, 7, 0),
        (1, 0, 0),
        (1, 0, 0),
        (1, 0, 0),
        (1, 0, 1),
    ]
    totals = storage["totals"]
    assert (totals["hot_rows"], totals["cold_rows"], totals["cold_bytes"], totals["vectors"]) == (7, 7, 10, 1)
    assert totals["hot_bytes"] == sum(kind["hot_bytes"] for kind in storage["kinds"])
    assert (totals["hot_bytes_per_day"], totals["days_until_limit"]) == (None, None)
    assert storage["kinds"][4]["hot_bytes"] > 2 * 1536  # a vector's halves


def test_growth_is_counted_between_measurements_and_a_limit_is_foreseen(env: ArchiveEnv) -> None:
    tenant, shrinking = env.make.tenant(), env.make.tenant()
    archive(env, shrinking, 5000)
    for days_ago, file_bytes in ((10, 1000), (4, 600), (0, 400)):
        archive(env, tenant, file_bytes)
        env.run(rollup, TODAY - timedelta(days=days_ago))
        env.superuser.execute("DELETE FROM app.archive_files WHERE tenant_id = %s", (shrinking.id,))
    week, month = found(env, tenant), found(env, tenant, days=30)
    assert (week["totals"]["cold_bytes"], week["totals"]["cold_bytes_per_day"]) == (2000, 100)
    assert (month["totals"]["cold_bytes_per_day"], month["totals"]["hot_bytes_per_day"]) == (100, 0)
    assert week["since"] == (TODAY - timedelta(days=4)).isoformat().replace("+00:00", "Z")
    assert month["since"] == (TODAY - timedelta(days=10)).isoformat().replace("+00:00", "Z")
    assert found(env, tenant, days=3)["since"] is None
    gone = found(env, shrinking, days=30, limit_bytes=10_000)["totals"]
    assert (gone["cold_bytes"], gone["cold_bytes_per_day"], gone["days_until_limit"]) == (0, -500, None)

    def days_left(**query: Any) -> float | None:
        return found(env, tenant, **query)["totals"]["days_until_limit"]

    assert (days_left(limit_bytes=2500), days_left(limit_bytes=2000), days_left(limit_bytes=1)) == (5, 0, 0)
    assert (days_left(limit_bytes=2500, tier="cold"), days_left(limit_bytes=2500, tier="hot")) == (5, None)


def test_it_is_measured_four_times_a_day_and_the_last_of_each_day_stays_a_month(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    archive(env, tenant, 10)

    def measured(**ago: float) -> int:
        return env.run(rollup, TODAY - timedelta(**ago)).get("storage_measured", 0)

    assert [measured(days=32), measured(days=31), measured(days=1), measured(hours=18.01)] == [1, 1, 1, 0]
    assert [measured(hours=18), measured(hours=6)] == [1, 1]
    env.superuser.execute("DELETE FROM app.archive_files")
    measured()
    days = "SELECT %s - day FROM app.storage_measurements ORDER BY day"
    assert env.superuser.execute(days, (TODAY.date(),)).fetchall() == [(31,), (1,), (0,)]
    kept = "SELECT DISTINCT %s - day FROM app.storage_sizes ORDER BY 1 DESC"
    assert env.superuser.execute(kept, (TODAY.date(),)).fetchall() == [(31,), (1,)]
    assert found(env, tenant)["totals"]["cold_rows"] == 0


def test_super_admins_see_all_tenants_in_an_order_and_tenants_do_not(env: ArchiveEnv) -> None:
    env.partitions_since(1)
    large, small, empty = filled(env, 4), filled(env, 2), env.make.tenant()
    env.run(rollup, TODAY - timedelta(days=1))
    archive(env, small, 1000)
    env.run(rollup)
    boss = env.make.super_admin()
    look = partial(ask, env, boss, "storage/tenants")

    def order(**query: Any) -> list[str]:
        return [tenant["slug"] for tenant in look(query=query).json["tenants"]]

    assert order(tier="hot") == [large.slug, small.slug, empty.slug]
    assert (
        order(tier="cold")
        == [*order(sort="growth")[:1], large.slug, empty.slug]
        == [small.slug, large.slug, empty.slug]
    )
    assert order(sort="rows", tier="hot")[0] == large.slug
    assert order(sort="limit", tier="cold", limit_bytes=10_000)[0] == small.slug
    assert order(limit=1, offset=1) == [small.slug] if order()[0] == large.slug else [large.slug]
    answer = look().json
    assert answer["tenant_count"] == 3
    for field in NOTHING:
        assert answer["totals"][field] == sum(tenant[field] for tenant in answer["tenants"])
    own = found(env, small)
    (same,) = [tenant for tenant in answer["tenants"] if tenant["slug"] == small.slug]
    assert (same["kinds"], same["cold_bytes_per_day"]) == (own["kinds"], 1000)
    assert look(query={"sort": "limit"}).status == 422
    assert ask(env, small.owner, "storage/tenants").status == 403

    table = look(query={"limit": 1, "tier": "hot"}, headers={"accept": "text/csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    header, first, *rest = table.body.splitlines()
    assert header.startswith("tenant_id,slug,size_hot_rows,size_hot_bytes,")
    assert first.startswith(f"{large.id},{large.slug},") and len(rest) == 4


def test_an_answer_may_be_kept_and_asked_for_again(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    first = ask(env, tenant.owner)
    assert first.headers["cache-control"] == "private, max-age=30"
    assert ask(env, tenant.owner, headers={"if-none-match": first.headers["etag"]}).status == 304


def test_the_tenants_together_are_the_tables(env: ArchiveEnv) -> None:
    """Rows exactly, and bytes within the stated error, whether data is in the row or in TOAST."""
    env.partitions_since(1)
    for _ in range(2):
        tenant = filled(env, 1)
        for copy in COPIES:
            on_each = " AND c.chunk_index = n" if "embeddings" in copy else ""
            where = f"WHERE tenant_id = '{tenant.id}'{on_each}"
            env.superuser.execute(cast(LiteralString, f"{copy} CROSS JOIN ({TEXTS}) AS t {where}"))
    env.run(rollup)
    kinds = ask(env, env.make.super_admin(), "storage/tenants").json["kinds"]
    for kind in kinds:
        rows, taken = env.superuser.execute(cast(LiteralString, TABLES.format(kind["kind"]))).fetchall()[0]
        assert kind["hot_rows"] == rows
        assert kind["hot_bytes"] == pytest.approx(taken, rel=STATED_ERRORS.get(kind["kind"], 0.1)), kind["kind"]
