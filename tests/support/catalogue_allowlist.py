"""What the checks of the catalogue let pass, and why."""

ON_PLATFORM = "( SELECT app.on_platform() AS on_platform)"
OUTSIDE = "(( SELECT app.tenant() AS tenant) IS NULL)"
OWN_KEYS = (
    f"({OUTSIDE} AND (tenant_id IS NULL)"
    " AND (actor = ( SELECT current_setting('app.actor'::text, true) AS current_setting)))"
)
OWN_MEMBERSHIPS = (
    f"({OUTSIDE} AND (user_id = ANY (ARRAY[( SELECT app.person() AS person),"
    " ( SELECT app.invited_person() AS invited_person)])))"
)
OWN_TENANTS = (
    f"({OUTSIDE} AND (deleted_at IS NULL) AND (EXISTS ( SELECT FROM app.tenant_memberships m"
    " WHERE ((m.tenant_id = tenants.id) AND (m.status = ANY (ARRAY['active'::text, 'pending'::text]))"
    " AND ((tenants.status = 'active'::text) OR (m.role = 'owner'::text))))))"
)

OWN_PREFERENCES = "((tenant_id IS NULL) AND (user_id = ( SELECT app.person() AS person)))"
OWN_PREFERENCES_IN_TENANTS = (
    f"({OUTSIDE} AND (user_id = ( SELECT app.person() AS person)) AND (EXISTS ( SELECT"
    " FROM (app.tenant_memberships m JOIN app.tenants t ON ((t.id = m.tenant_id)))"
    " WHERE ((m.tenant_id = user_preferences.tenant_id) AND (m.user_id = user_preferences.user_id)"
    " AND (m.status = 'active'::text) AND (t.deleted_at IS NULL)))))"
)

ALLOWLIST = {
    "without_tenant": {
        "schema_migrations": "the ledger: flo_app may read which migrations there are",
        "reserved_slugs": "words of the API's paths: flo_app has no right to it, a trigger reads it",
        "schema_functions": "the ledger of functions/, which only migrate.py reads",
        "user_roles": "global roles: for super admins alone, outside tenants; app.authorize looks",
        "rate_buckets": "counts: flo_app has no right to it, app.spend counts",
        "drills": "of the whole cluster: super admins see what they found",
        "recovery_check": "of the whole cluster as well",
        "backups": "of all tenants at once: super admins see when there was one",
        "job_runs": "what jobs did, in numbers: for super admins alone, outside tenants",
        "touched_executions": "as sealed_partitions: ids alone, which app.break_seal writes",
        "rollup_progress": "when rollups were folded last, of all tenants at once",
        "storage_measurements": "when the storage of all tenants was measured",
        "sealed_partitions": "partitions hold many tenants' rows: flo_app has no right to it, app.break_seal writes it",
    },
    "without_tenant_at_times": {  # a row without tenant equals none, so the policy of tenants hides it
        "idempotency_keys": "answers to what a person did outside any tenant",
        "user_preferences": "what a person prefers in all tenants",
        "restore_points": "what had been committed at a moment, of all tenants",
    },
    "opened": {  # besides the rows of the tenant: verbs, which rows are seen, which are written
        f"tenants.platform * {ON_PLATFORM} {ON_PLATFORM}": "super admins see, make and delete tenants",
        f"tenant_memberships.platform * {ON_PLATFORM} {ON_PLATFORM}": "and say who owns them",
        f"tenant_actions.platform * {ON_PLATFORM} {ON_PLATFORM}": "and write down what they did to them",
        f"user_roles.platform * {ON_PLATFORM} {ON_PLATFORM}": "and give global roles",
        f"erasures.platform * {ON_PLATFORM} {ON_PLATFORM}": "and ask for tenants to be erased, and read the receipts",
        f"legal_holds.platform r {ON_PLATFORM} -": "which they cannot while something is held",
        f"tenant_memberships.own r {OWN_MEMBERSHIPS} -": "people see where they belong, before they choose a tenant",
        f"storage_sizes.platform r {ON_PLATFORM} -": "and see what all tenants keep",
        f"job_runs.platform r {ON_PLATFORM} -": "and what jobs did",
        "storage_measurements.progress r true -": "when all was measured is nobody's secret",
        "restore_points.everybody r ((tenant_id IS NULL) AND (EXISTS ( SELECT FROM app.tenants t"
        " WHERE (t.id = app.tenant())))) -": "nobody's secret",
        "rollup_progress.progress r true -": "until when executions are counted is nobody's secret",
        f"drills.platform r {ON_PLATFORM} -": "super admins read what drills found",
        f"recovery_check.platform r {ON_PLATFORM} -": "and what there is to restore from",
        f"backups.platform r {ON_PLATFORM} -": "super admins read when there was a backup",
        f"tenants.own r {OWN_TENANTS} -": "and what these tenants are called",
        f"idempotency_keys.own * {OWN_KEYS} {OWN_KEYS}": "what people do outside tenants happens once as well",
        f"user_preferences.own * {OWN_PREFERENCES} {OWN_PREFERENCES}": "a person's defaults are the person's",
        f"user_preferences.own_in_tenants r {OWN_PREFERENCES_IN_TENANTS} -": "people see what they prefer anywhere",
    },
    "run_as_owner": {
        "authorize": "the access check, which looks before there is a tenant",
        "enter_upload": "what a file belongs to that has come, which its own row says",
        "spend": "counts requests ahead of the access check, in buckets that are nobody's to see",
        "verified_key": "the authorizer asks whose key it is",
        "preview_recovery": "reads and writes the rows of its tenant alone, by policies of the owner",
        "start_recovery": "the same",
        "undo_recovery": "the same",
        "find_passages": "names the tenant itself; under row-level security no index of words is used",
    },
    "run_as_owner_for_jobs": {
        "create_partitions": "makes partitions, which only their owner can",
        "create_history_partitions": "makes partitions, which only their owner can",
        "apply_recovery": "writes the rows of the tenant that the job has set, by policies of the owner",
        "derive_passages": "writes the passages of a recovered document, in the tenant that the job has set",
        "drop_history": "drops one that has expired, and keeps what holds keep",
        "seal_partition": "puts a trigger on one, which only its owner can",
        "drop_partition": "drops one, if its seal is whole",
    },
    "open_to_jobs": {  # all tenants' rows of these tables, and these verbs
        "alert_events: DELETE, INSERT, SELECT, UPDATE (attempts), UPDATE (delivery), UPDATE (next_attempt_at)": (
            "what alerts report, and how that is delivered"
        ),
        "alerts: DELETE, SELECT, UPDATE (fired_at), UPDATE (fired_id)": "whether they fire",
        "api_keys: DELETE, SELECT": "goes with an erased tenant",
        "archive_files: DELETE, INSERT, SELECT, UPDATE": "the manifest, which jobs alone write",
        "backups: INSERT, SELECT": "recorded by the job that takes them",
        "drills: INSERT, SELECT, UPDATE": "recorded by the job that makes them",
        "recovery_check: SELECT, UPDATE": "recorded by the same job",
        "chunks: DELETE, SELECT, UPDATE (terms), UPDATE (weights)": (
            "are embedded; are indexed anew; go with an erased tenant"
        ),
        "retention_class_changes: DELETE, SELECT, UPDATE (moved_at)": "is done when its rows are moved",
        "cold_policies: DELETE, SELECT": "goes with an erased tenant",
        "keep_policies: DELETE, SELECT": "goes with an erased tenant",
        "hot_policies: SELECT": "for how long executions of a tenant stay hot",
        "documents: DELETE, SELECT, UPDATE (indexed_as), UPDATE (language)": (
            "are indexed anew; go with an erased tenant"
        ),
        "embedding_tasks: DELETE, SELECT, UPDATE": "are claimed and ended",
        "embedding_usage: DELETE, INSERT, SELECT, UPDATE": "is counted up",
        "embeddings: DELETE, INSERT, SELECT, UPDATE (embedding_vector)": "are given their vectors",
        "execution_deltas: DELETE, INSERT, SELECT": "are folded into rollups",
        "execution_object_references: DELETE, INSERT, SELECT": "late deliveries are merged; go with their object",
        "execution_objects: DELETE, SELECT, UPDATE (check_at)": "are looked at, and go when nothing refers to them",
        "execution_rollups: DELETE, INSERT, SELECT, UPDATE": "counted up by a job",
        "failed_runs: DELETE, INSERT, SELECT, UPDATE": "counted by the same job",
        "n8n_connections: DELETE, SELECT": "what is due; go with an erased tenant",
        "n8n_instances: DELETE, SELECT": "go with an erased tenant",
        "n8n_rejections: DELETE, SELECT": "expire; go with an erased tenant",
        "n8n_names: DELETE, SELECT": "go with an erased tenant",
        "n8n_resets: DELETE, SELECT": "go with an erased tenant",
        "reported_failures: DELETE, INSERT, SELECT": "late deliveries are merged; outdated ones go",
        "retried_runs: DELETE, INSERT, SELECT, UPDATE": "counted by the same job",
        "rollup_progress: SELECT, UPDATE": "when that job has run",
        "rollup_settings: DELETE, INSERT, SELECT, UPDATE": "whether it has to count anew",
        "storage_measurements: DELETE, INSERT, SELECT": "when that job has measured",
        "storage_sizes: DELETE, INSERT, SELECT": "measured by the same job",
        "superseded_versions: DELETE, INSERT, SELECT": "written when a late delivery is merged",
        "erasures: DELETE, INSERT, SELECT, UPDATE": "done in steps, with a receipt at the end",
        "idempotency_keys: DELETE, SELECT": "expire",
        "invitations: DELETE, SELECT": "goes with an erased tenant",
        "job_runs: DELETE, INSERT, SELECT, UPDATE": "written by jobs about themselves",
        "knowledge_base_models: DELETE, SELECT": "go with an erased tenant",
        "knowledge_bases: DELETE, SELECT, UPDATE (document_count), UPDATE (indexed_as), UPDATE (languages),"
        " UPDATE (last_updated), UPDATE (total_chunks), UPDATE (words_pending)": (
            "go with an erased tenant; their counts follow"
        ),
        "leaving_rows: DELETE, INSERT, SELECT": "planned, and taken out with their file",
        "legal_holds: DELETE, SELECT": "heeded; released ones go with an erased tenant",
        "rate_buckets: DELETE, SELECT": "expire",
        "rate_limits: DELETE, SELECT": "goes with an erased tenant",
        "reserved_slugs: SELECT": "copied by backups, as every table is",
        "user_roles: SELECT": "copied by backups",
        "rehydrated_rows: DELETE, INSERT, SELECT": "copies are noted, and expire",
        "rehydrations: DELETE, SELECT, UPDATE": "done in steps",
        "recorded_transactions: DELETE, SELECT": "expire; go with an erased tenant",
        "recoveries: DELETE, SELECT, UPDATE": "are applied; go with an erased tenant",
        "restore_points: DELETE, INSERT, SELECT": "are taken every minute, and expire",
        "row_history: DELETE, SELECT": "goes with an erased tenant or person",
        "schema_migrations: SELECT": "the ledger",
        "touched_executions: SELECT": "app.break_seal writes it",
        "sealed_partitions: SELECT": "app.seal_partition and app.break_seal write it",
        "tenant_actions: DELETE, SELECT": "goes with an erased tenant",
        "tenant_memberships: DELETE, SELECT": "goes with an erased tenant",
        "tenants: DELETE, SELECT, UPDATE (updated_at)": "its class; an erased one goes",
        "uploads: DELETE, SELECT, UPDATE (code), UPDATE (due_at), UPDATE (finished_at), UPDATE (reason),"
        " UPDATE (status)": "are looked at again, or given up; expire",
        "user_preferences: DELETE, SELECT": "goes with an erased tenant or person",
        "term_counts: DELETE, INSERT, SELECT, UPDATE": "follow the passages that are erased or indexed anew",
        "webchat_sessions: DELETE, SELECT": "are archived",
        "workflow_executions: DELETE, INSERT, SELECT, UPDATE (error_message), UPDATE (execution_data),"
        " UPDATE (finished_at), UPDATE (retention_class), UPDATE (started_at),"
        " UPDATE (status)": "archived, restored, moved",
        "workflows: DELETE, SELECT": "goes with an erased tenant",
    },
}
