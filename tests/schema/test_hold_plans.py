"""How the holds on a row are found: by what is held, whatever else of the tenant is."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from tests.support.factories import Factory, Tenant

MANY: LiteralString = """
INSERT INTO app.legal_holds (tenant_id, scope, workflow_id, execution_id, reason, created_by)
SELECT %(tenant)s, scope, CASE scope WHEN 'workflow' THEN app.uuid7() END,
  CASE scope WHEN 'execution' THEN app.uuid7() END, 'A case', 'user:test'
FROM generate_series(1, 500) AS n, unnest('{workflow,execution}'::text[]) AS scope
"""
ON_A_ROW: LiteralString = "SELECT FROM app.holds_on(app.tenant(), app.tenant(), app.tenant())"
ON_MANY_ROWS: LiteralString = """
SELECT FROM app.workflow_executions AS e
WHERE e.retention_class = 0 AND EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
"""


@pytest.fixture(scope="module")
def tenant(make: Factory, superuser: psycopg.Connection[Any]) -> Tenant:
    """With a thousand holds, as four others."""
    tenants = [make.tenant() for _ in range(5)]
    for tenant in tenants:
        superuser.execute(MANY, {"tenant": tenant.id})
    superuser.execute("ANALYZE app.legal_holds")
    return tenants[0]


@pytest.fixture
def session(direct_url: str, tenant: Tenant) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(direct_url) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        yield conn


@pytest.mark.parametrize("query", [ON_A_ROW, ON_MANY_ROWS], ids=["one row", "many rows"])
def test_holds_are_looked_up_by_what_they_hold(session: psycopg.Connection[Any], query: LiteralString) -> None:
    plan = "\n".join(row for (row,) in session.execute(f"EXPLAIN (VERBOSE) {query}").fetchall())
    looked_up = plan.partition("legal_holds_held")[2].partition("Cond: ")[2].partition("\n")[0]
    assert "AND (CASE h.scope WHEN" in looked_up, plan
    assert "Seq Scan on app.legal_holds" not in plan


def test_a_thousand_holds_on_others_cost_a_row_nothing(session: psycopg.Connection[Any]) -> None:
    """Blocks that are looked at, of the whole tenant's holds 20 and more."""
    asked = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT app.is_held(app.tenant(), app.tenant(), app.tenant())"
    session.execute(asked)  # plans it
    plan = session.execute(asked).fetchall()[0][0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 12
