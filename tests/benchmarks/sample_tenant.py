"""The rows that every latency is measured over: a tenant's 50,000 executions of a month, beside others'."""

from dataclasses import dataclass
from uuid import UUID

import psycopg

from tests.support.factories import Factory, Tenant

EXECUTIONS = 50_000
BATCH = 5_000
OTHERS = 5

RECORD = """
SELECT count(*) FROM app.record_executions((
  SELECT jsonb_agg(jsonb_build_object(
    'workflow_id', %(workflow)s::uuid, 'n8n_execution_id', n::text,
    'status', CASE WHEN n %% 10 = 0 THEN 'error' ELSE 'success' END,
    'started_at', now() - n * interval '50 seconds', 'finished_at', now() - n * interval '50 seconds' + '2 seconds',
    'execution_data', jsonb_build_object('mode', 'trigger', 'text', repeat('x', 250)),
    'error_message', CASE WHEN n %% 10 = 0 THEN 'The service refused the connection' END
  ))
  FROM generate_series(1 + %(first)s::integer, %(first)s::integer + %(rows)s) AS n
))
"""


@dataclass(frozen=True)
class SampleTenant:
    tenant: Tenant
    workflow: UUID
    execution: UUID


def load_sample_tenant(make: Factory, superuser_url: str) -> SampleTenant:
    tenant = make.tenant()
    workflow = make.workflow(tenant, n8n_workflow_id="bench")
    fill(make, tenant, workflow, EXECUTIONS)
    for _ in range(OTHERS):
        other = make.tenant()
        fill(make, other, make.workflow(other), EXECUTIONS // OTHERS)
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
    return SampleTenant(tenant, workflow, make.execution(tenant, workflow))


def fill(make: Factory, tenant: Tenant, workflow: UUID, rows: int) -> None:
    for first in range(0, rows, BATCH):
        make.within(tenant.id, RECORD, {"workflow": workflow, "first": first, "rows": BATCH})
