"""What a transaction sets is gone when the next client of the pool has its backend."""

import os
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
from psycopg.errors import DivisionByZero

from functions.workflows.handler import lambda_handler
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.full_tenant import full_tenant, set_context

SETTINGS = """
SELECT
  coalesce(current_setting('app.tenant_id', true), ''), coalesce(current_setting('app.actor', true), ''),
  current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('transaction_read_only'),
  app.tenant(), (SELECT count(*) FROM app.workflows)
"""
UNSET = ("", "", "0", "0", "off", None, 0)


def probed(*, clients: int = 2) -> list[Any]:
    """What new clients find, at once, so that each has a backend of its own: all that the pool has."""
    with ExitStack() as stack:
        conns = [stack.enter_context(psycopg.connect(os.environ["DATABASE_URL"])) for _ in range(clients)]
        return [conn.execute(SETTINGS).fetchone() for conn in conns]


def test_no_tenant_is_left_behind_for_the_next_client_of_the_pool(make: Factory) -> None:
    tenants = [full_tenant(make) for _ in range(2)]
    for ending in ("COMMIT", "ROLLBACK", "SELECT 1 / 0", ""):
        for tenant in tenants:
            with suppress(DivisionByZero), psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
                conn.execute("BEGIN READ ONLY")
                set_context(conn, tenant.id)
                conn.execute("SELECT set_config('app.actor', 'user:x', true), set_config('lock_timeout', '9', true)")
                conn.execute(ending)  # the empty one disconnects in the middle of its transaction
            assert probed() == [UNSET, UNSET], ending


def test_no_tenant_is_left_behind_by_requests_that_fail(make: Factory) -> None:
    tenants = [full_tenant(make) for _ in range(2)]
    for tenant, other in zip(tenants, reversed(tenants), strict=True):
        asked: list[tuple[str, str, dict[str, Any], int]] = [
            ("GET", "", {}, 200),
            ("GET", f"/{other.id}", {}, 404),  # after app.authorize
            ("GET", "", {"query": {"tenant_id": other.slug}}, 404),  # in app.authorize
            ("POST", "", {"body": {"name": "Again", "n8n_workflow_id": "1"}}, 409),
            ("PUT", f"/{make.workflow(tenant)}", {"body": {"name": "x"}, "headers": {"if-match": '"old"'}}, 412),
        ]
        for method, path, request, status in asked:
            assert (
                call(lambda_handler, method, f"/routes/workflows{path}", caller=tenant.owner, **request).status
                == status
            )
            assert probed() == [UNSET, UNSET]
