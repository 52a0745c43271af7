"""A tenant with a row in every table, and a context that is set without authorization."""

from typing import Any
from uuid import UUID

import psycopg

from flomastr.caller import Caller
from functions.workflows.handler import lambda_handler
from tests.support.embeddings_endpoint import vector_of
from tests.support.events import call
from tests.support.factories import Factory, Tenant

type Connection = psycopg.Connection[Any]

AUTHORIZE = """
SELECT
  set_config('app.tenant_id', %(tenant)s, true), set_config('app.role', %(role)s, true),
  set_config('app.person', %(person)s, true), set_config('app.email', %(email)s, true),
  set_config('app.actor', 'user:' || %(person)s, true)
"""


# The cold tier: what a tenant writes about it, and what jobs do.
OF_THE_TENANT = """
WITH restore AS (
  INSERT INTO app.rehydrations (first_at, last_at, days, state) VALUES ('2026-01-01', '2026-01-02', 1, 'expired')
), hold AS (
  INSERT INTO app.legal_holds (scope, reason, released_by, released_at) VALUES ('tenant', 'A case', 'test', now())
), failure AS (
  INSERT INTO app.reported_failures (execution_id) VALUES (app.uuid7())
), object AS (
  INSERT INTO app.execution_objects (sha256) VALUES (repeat('a', 64)) RETURNING sha256
), reference AS (
  INSERT INTO app.execution_object_references (sha256, execution_id) SELECT sha256, app.uuid7() FROM object
), instance AS (
  INSERT INTO app.n8n_instances (number, name) VALUES (1, 'prod') RETURNING number
), connection AS (
  INSERT INTO app.n8n_connections (number, n8n_url, api_key) SELECT number, 'https://n8n.example', '\x01' FROM instance
), rejection AS (
  INSERT INTO app.n8n_rejections (instance, error, item) VALUES ('prod', 'The item is not an object.', '1')
), name AS (
  INSERT INTO app.n8n_names (workflow_id, name, told_at) SELECT w.id, 'Intake', now() FROM app.workflows AS w LIMIT 1
), reset AS (
  INSERT INTO app.n8n_resets (number, after, until) VALUES (1, '2026-01-01', '2026-01-02')
), policy AS (
  INSERT INTO app.cold_policies (cold_ttl_days) VALUES (365)
), keep AS (
  INSERT INTO app.keep_policies (keep) VALUES ('{"success_days": 7, "error_days": 90, "last_per_workflow": 20}')
)
INSERT INTO app.retention_class_changes (tenant_id, retention_class) VALUES (app.tenant(), 7)
"""
OF_JOBS = """
WITH file AS (
  INSERT INTO app.archive_files (
    tenant_id, source, month, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids
  )
  SELECT %(tenant)s::uuid, 'workflow_executions', '2026-01-01', 'test', 1, 1, 1, 1, id, id, ARRAY[id]
  FROM app.uuid7() AS id
  RETURNING tenant_id, id, first_id
), erasure AS (
  INSERT INTO app.erasures (tenant_id, user_id, state, requested_by) VALUES (%(tenant)s, 'somebody', 'done', 'test')
), leaving AS (
  INSERT INTO app.leaving_rows (tenant_id, file_id, id, checksum) SELECT tenant_id, id, first_id, 1 FROM file
)
INSERT INTO app.rehydrated_rows (tenant_id, id, rehydration_id, checksum)
SELECT tenant_id, app.uuid7(), id, 1 FROM app.rehydrations WHERE tenant_id = %(tenant)s
"""

# One row in each table of rollups, by an execution that is not counted yet.
OF_ROLLUPS = """
WITH delta AS (
  SELECT d AS whole, d.* FROM app.execution_deltas AS d WHERE d.tenant_id = %(tenant)s LIMIT 1
), rollup AS (
  INSERT INTO app.execution_rollups (
    tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
    duration_keys, duration_upto
  )
  SELECT tenant_id, 'hour', workflow_id, quarter, status, mode_class, runs, 0, 0, 0, '{}', '{}' FROM delta
), superseded AS (
  INSERT INTO app.superseded_versions (tenant_id, id, delta) SELECT tenant_id, app.uuid7(), whole FROM delta
), failed AS (
  INSERT INTO app.failed_runs (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class, runs)
  SELECT tenant_id, '1', workflow_id, quarter, status, mode_class, runs FROM delta
), retried AS (
  INSERT INTO app.retried_runs (tenant_id, n8n_execution_id, retries) VALUES (%(tenant)s, '1', 1)
)
INSERT INTO app.rollup_settings (tenant_id) VALUES (%(tenant)s)
"""

OF_STORAGE = """
INSERT INTO app.storage_sizes (tenant_id, day, kind, hot_rows, hot_bytes, cold_rows, cold_bytes, vectors)
VALUES (%(tenant)s, '2026-01-01', 'workflow_executions', 1, 100, 0, 0, 0)
"""

OF_AN_ALERT = """
INSERT INTO app.alert_events (tenant_id, alert_id, type, data, delivery)
SELECT tenant_id, id, 'fired', jsonb_build_object(
  'alert_id', id, 'tenant_id', tenant_id, 'name', name, 'kind', kind, 'workflow_id', NULL, 'workflow_name', NULL,
  'minutes', 60, 'threshold', 10, 'min_runs', 1, 'value', 20, 'runs', 1, 'as_of', now(), 'fired_at', NULL,
  'reason', NULL
), 'failed'
FROM app.alerts WHERE id = %s
"""

EMBEDDED = """
SELECT app.store_vectors(%(tenant)s, %(document)s, 'model-a', array_agg(id), array_agg(%(vector)s::public.halfvec)),
  app.meter(%(tenant)s, 'model-a', 1, 4)
FROM app.pending_chunks(%(tenant)s, %(document)s, 'model-a')
"""


def full_tenant(make: Factory) -> Tenant:
    """A tenant with a row in every table."""
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    make.invitation(tenant.id, make.person())
    workflow = make.workflow(tenant, n8n_workflow_id="1")
    make.execution(tenant, workflow, n8n_execution_id="1")
    make.api_key(tenant)
    make.preferences(tenant, colleague, colour="red")
    make.session(tenant, workflow, colleague.user_id)
    make.tenant_action(tenant)
    asked: dict[str, Any] = {"headers": {"idempotency-key": "1"}, "body": {"name": "Two"}}
    assert call(lambda_handler, "POST", "/routes/workflows", caller=tenant.owner, **asked).status == 201
    add_alert(make, tenant)
    make.recovery(tenant)
    add_cold_tier(make, tenant)
    add_rollups(make, tenant)
    add_knowledge(make, tenant)
    return tenant


def add_knowledge(make: Factory, tenant: Tenant, text: str = "Refunds take a week.") -> dict[str, str]:
    """A base with a document that is embedded and one that is given up. What they are called."""
    base = make.knowledge_base(tenant)
    embed(make, tenant, make.document(tenant, base, text=text), text)
    letter = make.dead_letter(tenant, make.document(tenant, base, "broken.md"))
    upload = make.upload(tenant, base, title=text)
    names = {"knowledge_base_id": base, "dead_letter_id": letter, "upload_id": upload}
    return {"name": "refunds.md"} | {name: str(id) for name, id in names.items()}


def embed(make: Factory, tenant: Tenant, document: UUID, text: str) -> None:
    with psycopg.connect(make.conn.info.dsn, user="flo_job") as job:
        job.execute(EMBEDDED, {"tenant": tenant.id, "document": document, "vector": str(vector_of(text))})


def add_cold_tier(make: Factory, tenant: Tenant) -> None:
    """What no job works on: all of it is over, or only planned."""
    with make.conn.transaction():
        set_context(make.conn, tenant.id, "owner", tenant.owner)
        make.conn.execute(OF_THE_TENANT)
    with psycopg.connect(make.conn.info.dsn, user="flo_job") as job:
        job.execute(OF_JOBS, {"tenant": tenant.id})


def add_rollups(make: Factory, tenant: Tenant) -> None:
    with psycopg.connect(make.conn.info.dsn, user="flo_job") as job:
        job.execute(OF_ROLLUPS, {"tenant": tenant.id})
        job.execute(OF_STORAGE, {"tenant": tenant.id})


def add_alert(make: Factory, tenant: Tenant, name: str = "An alert") -> UUID:
    """One that has reported something."""
    alert = make.alert(tenant, name=name)
    with psycopg.connect(make.conn.info.dsn, user="flo_job") as job:
        job.execute(OF_AN_ALERT, (alert,))
    return alert


def set_context(conn: Connection, tenant: object, role: str = "key", person: Caller | None = None) -> None:
    caller = {
        "tenant": str(tenant),
        "role": role,
        "person": person and person.user_id,
        "email": person and person.email,
    }
    conn.execute(AUTHORIZE, caller)
