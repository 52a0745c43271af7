"""How a search comes by its passages, as the server itself explains under the role of the functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import Diagnostic

from tests.support.embeddings_endpoint import vector_of
from tests.support.factories import Factory, Tenant

# Straight into the tables, as no request would: a base of so many passages, some of which hold the word, and some of
# which are embedded.
PASSAGES = """
WITH document AS (
  INSERT INTO app.documents (tenant_id, knowledge_base_id, name, content_type, content_hash, chunker, chunk_count)
  VALUES (%(tenant)s, %(base)s, 'all', 'text', sha256('x'), 'test', %(passages)s) RETURNING id
),
texts AS MATERIALIZED (
  SELECT app.uuid7() AS id, n, format('Passage number %%s about topic%%s %%s', n, n %% 50,
    CASE WHEN n %% 500 = 0 THEN 'zebra' END) AS text
  FROM generate_series(1, %(passages)s) AS n
),
chunks AS (
  INSERT INTO app.chunks (
    id, tenant_id, knowledge_base_id, document_id, chunk_index, chunk_start, chunk_end, content_hash, terms, weights
  )
  SELECT t.id, %(tenant)s, %(base)s, d.id, t.n, 0, 0, sha256(t.text::bytea), app.terms_of(%(tenant)s, l),
    app.weights_of(l)
  FROM texts AS t, document AS d, app.words_of(t.text) AS l
)
INSERT INTO app.embeddings (
  id, knowledge_base_id, tenant_id, chunk_text, embedding_vector, document_name, chunk_index, embedding_model
)
SELECT t.id, %(base)s, %(tenant)s, t.text,
  CASE WHEN t.n %% 50 = 0
    THEN (SELECT array_agg(random()) FROM generate_series(1, 1536) WHERE t.n > 0)::public.halfvec END,
  'all', t.n, 'model-a'
FROM texts AS t
"""
SEARCH = """
SELECT document_name, chunk_text, similarity FROM app.find_passages(
  %(query)s, %(mode)s, %(k)s, %(bases)s, ROW(NULL, NULL, NULL), %(around)s, true,
  '{model-a}', ARRAY[%(vector)s]::public.halfvec[])
"""
EXPLAINED: tuple[LiteralString, ...] = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_nested_statements = on",
    "SET client_min_messages = log",
    "SET ROLE flo_app",
)
IN_ONE_PARTITION = """
SELECT EXISTS (
  SELECT FROM generate_series(0, 31) AS n
  WHERE satisfies_hash_partition('app.embeddings'::regclass, 32, n, %s)
    AND satisfies_hash_partition('app.embeddings'::regclass, 32, n, %s)
)
"""
GRAPH = "_embedding_vector_idx"


@dataclass
class Explained:
    """A session as flo_app whose plans are heard."""

    conn: psycopg.Connection[Any]
    plans: list[str] = field(default_factory=list[str])

    def hear(self, notice: Diagnostic) -> None:
        self.plans.append(str(notice.message_primary))

    def search(
        self, tenant: Tenant, query: str, mode: str, k: int = 10, base: UUID | None = None, around: int = 0
    ) -> list[Any]:
        self.plans.clear()
        asked = parameters(query, mode, k, base, around)
        with self.conn.transaction():
            self.conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
            return self.conn.execute(SEARCH, asked).fetchall()

    def plan(self, words: str) -> str:
        """Of the one statement that has these words."""
        (plan,) = [plan for plan in self.plans if words in plan and "Query Text" in plan]
        return plan


def parameters(query: str, mode: str, k: int = 10, base: UUID | None = None, around: int = 0) -> dict[str, Any]:
    vector = str(vector_of(query))
    return {"query": query, "mode": mode, "k": k, "bases": base and [base], "around": around, "vector": vector}


@pytest.fixture
def explained(server: Any, database: str) -> Iterator[Explained]:
    with psycopg.connect(server.url("postgres", database), autocommit=True) as conn:
        explained = Explained(conn)
        conn.add_notice_handler(explained.hear)
        for statement in EXPLAINED:
            conn.execute(statement)
        yield explained


def filled(make: Factory, superuser: psycopg.Connection[Any], tenant: Tenant, passages: int) -> UUID:
    base = make.knowledge_base(tenant)
    superuser.execute(PASSAGES, {"tenant": tenant.id, "base": base, "passages": passages})
    superuser.execute("UPDATE app.knowledge_bases SET languages = '{english}' WHERE id = %s", (base,))
    return base


@pytest.fixture(scope="module")
def large(make: Factory, superuser: psycopg.Connection[Any]) -> Tenant:
    """15,000 passages."""
    tenant = make.tenant()
    filled(make, superuser, tenant, 15_000)
    superuser.execute("ANALYZE app.chunks")
    superuser.execute("ANALYZE app.embeddings")
    return tenant


@pytest.fixture(scope="module")
def small_base(make: Factory, superuser: psycopg.Connection[Any], large: Tenant) -> UUID:
    return filled(make, superuser, large, 500)


@pytest.fixture(scope="module")
def neighbour(make: Factory, superuser: psycopg.Connection[Any], large: Tenant) -> Tenant:
    """500 passages, in the partition of the large tenant."""
    while True:
        tenant = make.tenant()
        if superuser.execute(IN_ONE_PARTITION, (large.id, tenant.id)).fetchall() == [(True,)]:
            filled(make, superuser, tenant, 500)
            return tenant


def test_words_are_looked_up_in_their_index_under_the_role_of_the_functions(
    large: Tenant, explained: Explained
) -> None:
    assert len(explained.search(large, "zebra", "text", k=100)) == 30
    plan = explained.plan("c.terms &&")
    assert "Bitmap Index Scan on chunks_terms" in plan
    assert "Seq Scan on chunks" not in plan


def test_a_large_tenants_vectors_are_found_by_the_graph_of_its_partition_alone(
    large: Tenant, explained: Explained
) -> None:
    assert len(explained.search(large, "zebra", "vector")) == 10
    plan = explained.plan("ORDER BY e.embedding_vector")
    assert plan.count("Index Scan using embeddings_") == plan.count(GRAPH) == 1
    assert not [plan for plan in explained.plans if "AS compared" in plan]


def test_what_the_graph_does_not_find_enough_of_is_looked_for_exactly(large: Tenant, explained: Explained) -> None:
    assert len(explained.search(large, "zebra", "vector", k=100)) == 100
    assert len(explained.search(large, "passage", "hybrid", k=100)) == 100
    found = explained.search(large, "zebra", "vector", k=301)
    assert len(found) == 300  # all that are embedded
    assert explained.plan("ORDER BY e.embedding_vector") and explained.plan("AS compared")


def test_a_small_base_of_a_large_tenant_is_searched_exactly(
    large: Tenant, small_base: UUID, explained: Explained
) -> None:
    assert len(explained.search(large, "zebra", "vector", base=small_base)) == 10
    assert GRAPH not in explained.plan("AS compared")
    assert not [plan for plan in explained.plans if "ORDER BY e.embedding_vector" in plan]


def test_a_small_tenant_beside_a_large_one_reads_its_own_rows_alone(neighbour: Tenant, explained: Explained) -> None:
    for _ in range(8):  # after five the server makes one plan for all tenants
        assert len(explained.search(neighbour, "zebra", "vector")) == 10
    plan = explained.plan("AS compared")
    assert "tenant_id = $1" in plan
    assert "Seq Scan" not in plan


def test_no_statement_of_a_search_touches_another_partition(large: Tenant, explained: Explained) -> None:
    explained.search(large, "zebra passage", "hybrid")
    partitions = {name for plan in explained.plans for name in re.findall(r"embeddings_\d+", plan)}
    assert len(partitions) == 1


def test_the_passages_that_are_found_are_read_by_their_keys(large: Tenant, explained: Explained) -> None:
    assert len(explained.search(large, "topic7", "text")) == 10
    plan = explained.plan("WITH best AS")
    assert "Index Scan using chunks_pkey on chunks c " in plan
    assert "Seq Scan on chunks" not in plan


@pytest.mark.parametrize("mode", ["vector", "text"])
def test_one_list_of_passages_is_not_scored_again(large: Tenant, explained: Explained, mode: str) -> None:
    assert len(explained.search(large, "zebra", mode)) == 10
    assert not [plan for plan in explained.plans if "by_meaning" in plan]


def test_what_the_best_mean_is_computed_once(large: Tenant, explained: Explained) -> None:
    assert len(explained.search(large, "zebra", "hybrid")) == 10
    assert "CTE best\n" in explained.plan("by_meaning")


def test_contexts_are_put_together_once_and_only_if_they_are_wanted(large: Tenant, explained: Explained) -> None:
    explained.search(large, "zebra", "text")
    assert not [plan for plan in explained.plans if "WITH hits AS" in plan]
    explained.search(large, "zebra", "text", around=1)
    assert "CTE surrounded\n" in explained.plan("WITH best AS")
    assert "CTE texts\n" in explained.plan("WITH hits AS")


def test_without_a_tenant_there_is_nothing(explained: Explained) -> None:
    explained.conn.execute("SELECT set_config('app.tenant_id', '', false)")
    assert explained.conn.execute(SEARCH, parameters("zebra", "hybrid")).fetchall() == []
