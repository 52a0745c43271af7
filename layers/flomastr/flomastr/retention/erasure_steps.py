"""The statements by which an erasure deletes rows from Postgres: a batch of one table each."""

from typing import LiteralString


def delete_rows(table: LiteralString) -> LiteralString:
    # both conditions on the tenant are needed, since each partition has its own ctids
    return f"""
        DELETE FROM app.{table} WHERE tenant_id = %(tenant_id)s AND ctid = ANY (ARRAY(
          SELECT ctid FROM app.{table} WHERE tenant_id = %(tenant_id)s LIMIT %(most)s
        ))
    """


# By table, in the order in which tables refer to each other.
TENANT_STEPS: dict[str, LiteralString] = {
    "workflow_executions": "SELECT FROM generate_series(1, app.erase_executions(%(tenant_id)s, %(most)s))",
    "execution_object_references": delete_rows("execution_object_references"),
    "execution_objects": delete_rows("execution_objects"),
    "reported_failures": delete_rows("reported_failures"),
    "n8n_connections": delete_rows("n8n_connections"),
    "n8n_instances": delete_rows("n8n_instances"),
    "n8n_names": delete_rows("n8n_names"),
    "n8n_rejections": delete_rows("n8n_rejections"),
    "n8n_resets": delete_rows("n8n_resets"),
    "execution_deltas": delete_rows("execution_deltas"),
    "execution_rollups": delete_rows("execution_rollups"),
    "superseded_versions": delete_rows("superseded_versions"),
    "failed_runs": delete_rows("failed_runs"),
    "retried_runs": delete_rows("retried_runs"),
    "rollup_settings": delete_rows("rollup_settings"),
    "storage_sizes": delete_rows("storage_sizes"),
    "alert_events": delete_rows("alert_events"),
    "alerts": delete_rows("alerts"),
    "webchat_sessions": delete_rows("webchat_sessions"),
    "uploads": delete_rows("uploads"),
    "embeddings": delete_rows("embeddings"),
    "embedding_tasks": delete_rows("embedding_tasks"),
    "term_counts": delete_rows("term_counts"),  # before chunks, which would update them one by one
    "chunks": delete_rows("chunks"),
    "documents": delete_rows("documents"),
    "knowledge_base_models": delete_rows("knowledge_base_models"),
    "knowledge_bases": delete_rows("knowledge_bases"),
    "embedding_usage": delete_rows("embedding_usage"),
    "user_preferences": delete_rows("user_preferences"),
    "invitations": delete_rows("invitations"),
    "tenant_memberships": delete_rows("tenant_memberships"),
    "rate_buckets": """
        DELETE FROM app.rate_buckets
        WHERE name = %(tenant_id)s::text OR name IN (SELECT id FROM app.api_keys WHERE tenant_id = %(tenant_id)s)
    """,
    "api_keys": delete_rows("api_keys"),
    "idempotency_keys": delete_rows("idempotency_keys"),
    "rate_limits": delete_rows("rate_limits"),
    "rehydrated_rows": delete_rows("rehydrated_rows"),
    "rehydrations": delete_rows("rehydrations"),
    "leaving_rows": delete_rows("leaving_rows"),
    "archive_files": delete_rows("archive_files"),
    "cold_policies": delete_rows("cold_policies"),
    "keep_policies": delete_rows("keep_policies"),
    "legal_holds": delete_rows("legal_holds"),
    "retention_class_changes": delete_rows("retention_class_changes"),
    "tenant_actions": delete_rows("tenant_actions"),
    "erasures": "DELETE FROM app.erasures WHERE tenant_id = %(tenant_id)s AND user_id IS NOT NULL",
    "workflows": delete_rows("workflows"),
    "recoveries": delete_rows("recoveries"),
    "restore_points": delete_rows("restore_points"),
    "row_history": delete_rows("row_history"),
    "recorded_transactions": delete_rows("recorded_transactions"),
}
MEMBERSHIPS: LiteralString = """
SELECT id::text FROM app.tenant_memberships WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
UNION
SELECT row_id::text FROM app.row_history
WHERE tenant_id = %(tenant_id)s AND table_name = 'tenant_memberships' AND old ->> 'user_id' = %(user_id)s
"""
PERSON_STEPS: dict[str, LiteralString] = {
    "row_history": f"""
        WITH memberships AS ({MEMBERSHIPS}),
        invited AS (  -- by an e-mail address, until they accepted
          DELETE FROM app.row_history AS h USING memberships AS m
          WHERE h.tenant_id = %(tenant_id)s AND h.table_name = 'tenant_memberships' AND h.row_id = m.id::uuid
          RETURNING h.seq
        ),
        others AS (
          DELETE FROM app.row_history WHERE tenant_id = %(tenant_id)s AND ctid = ANY (ARRAY(
            SELECT ctid FROM app.row_history
            WHERE tenant_id = %(tenant_id)s AND table_name <> 'tenant_memberships' AND old ->> 'user_id' = %(user_id)s
            LIMIT %(most)s
          )) AND table_name <> 'tenant_memberships' AND old ->> 'user_id' = %(user_id)s
          RETURNING seq
        )
        SELECT FROM invited UNION ALL SELECT FROM others
    """,
    "user_preferences": """
        DELETE FROM app.user_preferences WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    """,
    "invitations": "DELETE FROM app.invitations WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s",
    "tenant_memberships": """
        DELETE FROM app.tenant_memberships WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    """,
    "webchat_sessions": """
        DELETE FROM app.webchat_sessions WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM app.webchat_sessions WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s LIMIT %(most)s
        ))
    """,
    "idempotency_keys": """
        DELETE FROM app.idempotency_keys WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM app.idempotency_keys
          WHERE tenant_id = %(tenant_id)s AND (
            actor = 'user:' || %(user_id)s
            OR jsonb_path_exists(answer, '$.**.user_id ? (@ == $id)', jsonb_build_object('id', %(user_id)s::text))
          )
          LIMIT %(most)s
        ))
    """,
}
