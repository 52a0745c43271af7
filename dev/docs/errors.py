"""docs/reference/errors.md: each error code with its status, when it comes and what to do."""

from http import HTTPStatus
from typing import NamedTuple

PAGE = """\
# Errors

`python -m dev docs` generates this page from `flomastr/errors.py` and `dev/docs/errors.py`.

An error is a problem+json (RFC 9457). `code` is one of these, for programs; `detail` says the same for people, with the
values at hand. A later version may add codes: treat one that you do not know by its status.

API Gateway refuses some requests before a function runs: a missing or invalid token with 401 or 403, a body above
its limit with 413. Such an answer is `{{"message": ...}}` without a code.

{codes}"""


class Explanation(NamedTuple):
    code: str
    statuses: tuple[int, ...]
    when: str
    remedy: str


AGAIN = "Repeat the request after `Retry-After` seconds, with the same `Idempotency-Key` if it writes."
OPERATORS = "Tell the operators, with `request_id`."
READ_DETAIL = "Read `detail`, and correct the request."
EXPLANATIONS = (
    Explanation("archive_unreadable", (503,),
        "A file of the archive cannot be read at the moment.",
        AGAIN),
    Explanation("archived", (307, 409),
        "The execution is in the archive: it can be read there (307) and never changes (409).",
        "On 307 follow `Location` with the same headers. On 409 stop: an archived execution is final."),
    Explanation("bad_request", (400,),
        "The request cannot be understood, and no other code of 400 fits.",
        READ_DETAIL),
    Explanation("body_too_large", (413,),
        "The body has more than 5,000,000 bytes.",
        "Send it in smaller parts."),
    Explanation("changed_meanwhile", (409, 412),
        "The ETag in `If-Match` is not the resource's any more, or a recovery would write other rows than previewed.",
        "Read the resource again, and repeat the change with its new ETag. Preview the recovery again."),
    Explanation("conflict", (409,),
        "What the request makes exists already, such as a tenant's slug or a workflow's n8n id.",
        "Use what exists, or choose another name."),
    Explanation("embeddings_unavailable", (503,),
        "The embeddings endpoint did not answer, so a search has no vector.",
        "Repeat the search, or search with the mode `text`, which needs no vector."),
    Explanation("execution_is_final", (409,),
        "The execution has ended, and the request would set it to a state before its end.",
        "Leave it as it is: a final status does not go back."),
    Explanation("forbidden", (403,),
        "The caller may not do this, and no other code of 403 fits.",
        "Read `detail`."),
    Explanation("hold_is_released", (409,),
        "The legal hold is released already.",
        "Nothing: create a new hold if you need one."),
    Explanation("idempotency_key_reused", (422,),
        "The `Idempotency-Key` was sent with another path, query or body before.",
        "Send a new key for a new request."),
    Explanation("internal_error", (500,),
        "The service failed unexpectedly.",
        OPERATORS),
    Explanation("invalid_api_key", (401,),
        "The API key is malformed, unknown, expired or revoked.",
        "Send a valid key. Admins and owners see the tenant's keys at `/routes/api-keys`."),
    Explanation("invalid_cursor", (400,),
        "`cursor` belongs to another list, or to this one with other filters or another tenant.",
        "Read the list again without `cursor`, and follow the `Link` header."),
    Explanation("invalid_json", (400,),
        "The body is not JSON, or its content type is not.",
        "Send JSON in UTF-8 with `Content-Type: application/json`."),
    Explanation("invalid_range", (400, 422),
        "`last_at` is not later than `first_at`, or a recovery's `at` is ahead, or before the history begins.",
        "Send a range that ends after its start, or a moment within the history."),
    Explanation("invalid_request", (422,),
        "A field of the path, query, headers or body is invalid, missing or unknown.",
        "Correct the fields that `errors` names."),
    Explanation("invalid_signature", (401,),
        "The webhook's signature is not of the named key, or its timestamp is more than five minutes off.",
        "Sign the body as sent, with the key's signing secret, and set the sender's clock."),
    Explanation("invalid_value", (422,),
        "A value has a valid form, but cannot be stored.",
        READ_DETAIL),
    Explanation("invitation_is_void", (409,),
        "Who invited you may not give this role any more.",
        "Ask for a new invitation."),
    Explanation("items_rejected", (422,),
        "With `strict=true`, one of the items was rejected, so none is recorded. `detail` names it and says why.",
        "Mend that item or leave it out, and send all again."),
    Explanation("key_has_ended", (409,),
        "The API key that is to be rotated is revoked or expired.",
        "Create a new key."),
    Explanation("key_is_rotated", (409,),
        "The API key is rotated already.",
        "Rotate its successor, which `detail` names."),
    Explanation("last_owner", (409,),
        "The tenant would have no owner.",
        "Make another member an owner first."),
    Explanation("last_super_admin", (409,),
        "The platform would have no super admin.",
        "Make another user a super admin first."),
    Explanation("legal_hold", (409,),
        "What the request deletes or replaces is under a legal hold.",
        "Send only what adds to it. Or have an administrator, not an API key, find the hold at"
        " `GET /routes/legal-holds` and release it, if it may be released. In a batch the item has the outcome `held`"
        " in place of this."),
    Explanation("method_not_allowed", (405,),
        "The path exists, but not with this method.",
        "Use a method of the `Allow` header."),
    Explanation("missing_scope", (403,),
        "The API key does not have the scope that the route needs, or only people may use the route.",
        "Create a key with this scope. [Roles and scopes](roles-and-scopes.md) lists what a key can have."),
    Explanation("model_incomplete", (409,),
        "The model to activate lacks vectors of documents that are found now.",
        "Wait until they are embedded, and requeue dead letters. `detail` says how many are missing."),
    Explanation("model_is_active", (409,),
        "The model to drop is the one that the knowledge base is searched by.",
        "Activate another model first."),
    Explanation("model_unavailable", (409,),
        "A knowledge base is searched by a model that the platform no longer offers.",
        "Add one of the available models to the base, wait for its vectors, and activate it."),
    Explanation("not_confirmed", (409, 422),
        "To delete a tenant for ever, `confirm` must be its slug, and to apply a recovery `token` that of its preview.",
        "Send the slug, or the token, exactly."),
    Explanation("not_found", (404,),
        "There is no such resource or route, or it belongs to another tenant.",
        "Check the id, and the tenant that the request acts in."),
    Explanation("not_signed_in", (401,),
        "The request carries no credentials.",
        "Send a bearer token or an API key in the `Authorization` header."),
    Explanation("not_yours", (403,),
        "A member acts for another person, such as on preferences or chats.",
        "Act for yourself, or let an admin, an owner or an API key do it."),
    Explanation("other_tenants_key", (403,),
        "The API key belongs to another tenant than the request names, or its tenant is deleted.",
        "Name no tenant, or the key's own."),
    Explanation("other_workflows_execution", (409,),
        "The n8n execution was recorded for another workflow before.",
        "Send the workflow that it belongs to."),
    Explanation("pgvector_too_old", (503,),
        "`GET /routes/health/ready`: the database's pgvector is older than 0.7.4.",
        "Upgrade the extension in the database."),
    Explanation("preferences_too_large", (422,),
        "The preferences would have more than 250,000 bytes.",
        "Delete settings that are not needed, then repeat the request."),
    Explanation("query_refused", (422,),
        "The embeddings endpoint does not take the text of the search.",
        "Shorten or change `query`, or search with the mode `text`."),
    Explanation("role_too_low", (403,),
        "The person's role in the tenant does not allow this.",
        "Ask an owner or an admin. [Roles and scopes](roles-and-scopes.md) says which role is needed."),
    Explanation("schema_behind", (503,),
        "The database's schema is older than the code.",
        "Run the migrations."),
    Explanation("secret_was_shown", (409,),
        "The API key was created, but the platform's signing key has changed since: its secret is lost.",
        "Rotate the key: its successor's secret is shown."),
    Explanation("session_full", (409,),
        "The chat session would have more than 1,000 messages or 1,000,000 bytes.",
        "Begin a new session."),
    Explanation("super_admin_only", (403,),
        "Only super admins may do this.",
        "Ask a super admin."),
    Explanation("tenant_not_found", (404,),
        "There is no such tenant, or the caller does not belong to it, or to none, or a super admin names none.",
        "Check the id or slug. A person without any tenant needs an invitation."),
    Explanation("tenant_required", (400,),
        "The caller belongs to several tenants, and the request names none.",
        "Name one in `tenant_id` or in the `X-Tenant` header."),
    Explanation("tenant_suspended", (403,),
        "The tenant is suspended: its owners may read, and nobody may write.",
        "Ask a super admin to reactivate it."),
    Explanation("too_many_at_once", (429,),
        "Three searches of the tenant are running. What is refused was counted.",
        "Repeat the search when one of them has been answered."),
    Explanation("too_many_open", (409,),
        "The tenant has as many open erasures, restores or legal holds as it may have, "
        "or a person as many Idempotency-Keys outside tenants.",
        "Wait until one of them is done, or release a hold. Send no key."),
    Explanation("too_many_requests", (429,),
        "The tenant, the API key or the person has used its requests of this minute.",
        "Wait as many seconds as `Retry-After` says."),
    Explanation("unavailable", (503,),
        "The database, the object storage or a secret cannot be reached in time.",
        AGAIN),
    Explanation("unsafe_role", (503,),
        "The function's database role would bypass row-level security, so it does not serve.",
        "Operators: connect as `flo_app`."),
    Explanation("unsupported_encoding", (415,),
        "The body is compressed: the request has a `Content-Encoding`.",
        "Send the body as it is."),
    Explanation("workflow_not_found", (404,),
        "The tenant has no workflow of this id.",
        "Create the workflow first."),
    Explanation("wrong_state", (409,),
        "The tenant's state does not allow this, such as to reactivate an active tenant.",
        "Bring the tenant into another state first: `detail` names the present one."),
)  # fmt: skip


def page() -> str:
    return PAGE.format(codes="\n".join(map(section, EXPLANATIONS)))


def section(explanation: Explanation) -> str:
    statuses = " and ".join(f"{status} {HTTPStatus(status).phrase}" for status in explanation.statuses)
    return f"## `{explanation.code}`\n\n{statuses}. {explanation.when}\n\nWhat to do: {explanation.remedy}\n"
