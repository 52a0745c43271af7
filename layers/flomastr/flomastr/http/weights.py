"""What a request costs its caller, in requests: a GET is one. The one table, by the names of endpoints."""

from fastapi import Request

from flomastr.http.delivery import body_size

BYTES = 5_000  # of a body, for one more: what is written has to be parsed, stored and indexed
COUNTING = 10  # with `Prefer: count=exact`, which reads all pages
DATA = 10  # with `include_data` or `include_vectors`, of up to 6 MB
FILTERING = 50  # of documents by metadata, each of which is compared
INSTANCE = 5  # of an n8n instance: its workflows are read first, which may be many
AHEAD = 200  # of a preview of another moment, by which all that is hot may be old
WEIGHTS = {
    "search_knowledge": 10,
    "store_document": 10,
    "store_documents": 10,
    "store_entry": 10,
    "store_file": 10,
    "begin_upload": 400,  # two seconds of reading
    "summarize_executions": 10,
    "summarize_history": 10,
    "list_history": 5,
    "get_in_history": 5,
    "preview_archival": 20,
    "get_archive_statistics": 5,
    "analyze_executions": 5,
    "analyze_workflows": 10,
    "analyze_errors": 10,
    "analyze_nodes": 10,
    "delete_workflow": 20,
    "find_gaps": 30,  # of 20,000 runs
    "retry_dead_letters": 100,
    "preview_recovery": 400,  # two seconds of planning
    "apply_recovery": 200,
    "undo_recovery": 400,
    "list_changes": 10,
}


def weight_of(request: Request) -> int:
    """In requests, at least 1."""
    counting = COUNTING if "count=exact" in request.headers.get("prefer", "") else 0
    asked = (request.query_params.get(name, "false").lower() for name in ("include_data", "include_vectors"))
    with_data = DATA if set(asked) != {"false"} else 0
    filtering = FILTERING if request.query_params.get("metadata") else 0
    of_instance = INSTANCE if request.method == "GET" and request.query_params.get("instance") else 0
    ahead = AHEAD if request.query_params.get("at") else 0
    return (
        WEIGHTS.get(request.scope["route"].name, 1)
        + body_size(request.scope["aws.event"]) // BYTES
        + counting
        + with_data
        + filtering
        + of_instance
        + ahead
    )
