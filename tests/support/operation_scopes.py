"""What each operation asks for, by hand: a route that asks for less than it did is seen here."""

SCOPES: dict[str | None, str] = {
    "alerts:read": "get_alert list_alert_events list_alerts",
    "alerts:write": "create_alert delete_alert update_alert",
    "archive:read": (
        "download_archive_file get_archive_statistics get_restore list_archive_files list_restores preview_archival"
    ),
    "archive:write": "create_restore",
    "erasures:read": "get_erasure list_erasures",
    "erasures:write": "ask_for_erasure",
    "events:write": "record_events",
    "executions:read": (
        "analyze_errors analyze_executions analyze_nodes analyze_storage analyze_workflows get_execution "
        "find_gaps get_in_history get_n8n_instance list_executions list_executions_of_workflow list_history "
        "list_n8n_instances list_rejected summarize_executions summarize_history"
    ),
    "executions:write": "delete_execution record_execution record_executions replay_rejected update_execution",
    "holds:read": "get_hold list_holds",
    "holds:write": "create_hold release_hold",
    "instances:write": "connect_n8n_instance disconnect_n8n_instance reach_n8n_instance",
    "invitation:write": "accept_invitation decline_invitation",
    "keys:read": "get_api_key list_api_keys",
    "keys:write": "create_api_key revoke_api_key rotate_api_key",
    "knowledge:read": (
        "evaluate_search get_document get_index get_knowledge_base get_upload get_usage list_chunks list_dead_letters "
        "list_documents list_knowledge_bases list_models list_uploads search_knowledge"
    ),
    "knowledge:write": (
        "create_knowledge_base delete_document delete_documents delete_knowledge_base retry_dead_letter "
        "retry_dead_letters store_document store_documents store_entry update_knowledge_base"
        " begin_upload store_file"
    ),
    "me:read": "get_my_role get_my_status get_my_tenant list_tenants resolve_tenant",
    "members:read": "get_member list_members",
    "members:write": "invite_member update_member",
    "membership:write": "remove_member",
    "models:write": "activate_model add_model drop_model",
    "platform:read": (
        "analyze_storage_of_tenants get_any_erasure get_jobs get_recovery_status get_tenant_status get_user "
        "get_versions list_all_erasures list_users"
    ),
    "platform:write": (
        "create_tenant create_user delete_user hard_delete_tenant provision_tenant reactivate_tenant "
        "restore_tenant soft_delete_tenant suspend_tenant undelete_tenant update_user"
    ),
    "preferences:read": "get_setting get_setting_by_path list_preferences list_preferences_by_path",
    "preferences:write": (
        "delete_preferences delete_preferences_by_path delete_setting replace_preferences replace_preferences_by_path "
        "store_preferences store_setting store_setting_by_path"
    ),
    "recovery:preview": "preview_recovery",
    "recovery:read": "get_recovery list_changes list_recoveries list_restore_points",
    "recovery:write": "apply_recovery undo_recovery",
    "tenant:delete": "delete_tenant",
    "tenant:read": "get_branding get_policies get_tenant",
    "tenant:write": "reset_branding update_branding update_policies update_tenant",
    "webchat:read": "get_session list_sessions",
    "webchat:write": "append_messages delete_session open_session",
    "workflows:read": "get_workflow list_workflows",
    "workflows:write": "create_workflow delete_workflow update_workflow",
    None: "get_docs get_health get_openapi get_readiness",
}
