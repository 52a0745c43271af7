"""What an erasure deletes from Postgres, table by table, a batch at a time."""

from typing import LiteralString


def of_tenant(table: LiteralString) -> LiteralString:
    some = "SELECT ctid FROM app." + table + " WHERE tenant_id = %(tenant_id)s LIMIT %(most)s"
    # the tenant once more, since each partition has its own ctids
    return "DELETE FROM app." + table + " WHERE tenant_id = %(tenant_id)s AND ctid = ANY (ARRAY(" + some + "))"


# What each deletes of, and how: in the order in which tables refer to each other.
TENANT_STEPS: dict[str, LiteralString] = {
    "workflow_executions": "SELECT FROM generate_series(1, app.erase_executions(%(tenant_id)s, %(most)s))",
    "webchat_sessions": of_tenant("webchat_sessions"),
    "embeddings": of_tenant("embeddings"),
    "embedding_tasks": of_tenant("embedding_tasks"),
    "term_counts": of_tenant("term_counts"),  # else each passage would be counted down
    "chunks": of_tenant("chunks"),
    "documents": of_tenant("documents"),
    "knowledge_base_models": of_tenant("knowledge_base_models"),
    "knowledge_bases": of_tenant("knowledge_bases"),
    "embedding_usage": of_tenant("embedding_usage"),
    "user_preferences": of_tenant("user_preferences"),
    "invitations": of_tenant("invitations"),
    "tenant_memberships": of_tenant("tenant_memberships"),
    "rate_buckets": """
        DELETE FROM app.rate_buckets
        WHERE name = %(tenant_id)s::text OR name IN (SELECT id FROM app.api_keys WHERE tenant_id = %(tenant_id)s)
    """,
    "api_keys": of_tenant("api_keys"),
    "idempotency_keys": of_tenant("idempotency_keys"),
    "rate_limits": of_tenant("rate_limits"),
    "rehydrated_rows": of_tenant("rehydrated_rows"),
    "rehydrations": of_tenant("rehydrations"),
    "leaving_rows": of_tenant("leaving_rows"),
    "archive_files": of_tenant("archive_files"),
    "cold_policies": of_tenant("cold_policies"),
    "legal_holds": of_tenant("legal_holds"),
    "retention_class_changes": of_tenant("retention_class_changes"),
    "tenant_actions": of_tenant("tenant_actions"),
    "erasures": "DELETE FROM app.erasures WHERE tenant_id = %(tenant_id)s AND user_id IS NOT NULL",
    "workflows": of_tenant("workflows"),
}
PERSON_STEPS: dict[str, LiteralString] = {
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
          WHERE tenant_id = %(tenant_id)s AND actor = 'user:' || %(user_id)s LIMIT %(most)s
        ))
    """,
}
