"""docs/reference/errors.md: each error code with its status, when it comes and what to do."""

from http import HTTPStatus
from typing import NamedTuple

from flomastr.errors import ErrorCode as E

PAGE = """\
# Errors

`python -m dev docs` generates this page from `flomastr/errors.py` and `dev/docs/errors.py`.

An error is a problem+json (RFC 9457). `code` is one of these, for programs; `detail` says the same for people, with the
values at hand. A later version may add codes: treat one that you do not know by its status.

API Gateway refuses some requests before a function runs: a missing or invalid token with 401 or 403, a body above
its limit with 413. Such an answer is `{{"message": ...}}` without a code.

{codes}"""


class Explanation(NamedTuple):
    code: E
    statuses: tuple[int, ...]
    when: str
    remedy: str


AGAIN = "Repeat the request after `Retry-After` seconds, with the same `Idempotency-Key` if it writes."
OPERATORS = "Tell the operators, with `request_id`."
READ_DETAIL = "Read `detail`, and correct the request."
EXPLANATIONS = (
    Explanation(E.ARCHIVE_UNREADABLE, (503,),
        "A file of the archive cannot be read at the moment.",
        AGAIN),
    Explanation(E.ARCHIVED, (307, 409),
        "The execution is in the archive: it can be read there (307) and never changes (409).",
        "On 307 follow `Location` with the same headers. On 409 stop: an archived execution is final."),
    Explanation(E.BAD_REQUEST, (400,),
        "The request cannot be understood, and no other code of 400 fits.",
        READ_DETAIL),
    Explanation(E.BODY_TOO_LARGE, (413,),
        "The body has more than 5,000,000 bytes.",
        "Send it in smaller parts."),
    Explanation(E.CHANGED_MEANWHILE, (412,),
        "The ETag in `If-Match` is not the resource's any more: somebody changed it.",
        "Read the resource again, and repeat the change with its new ETag."),
    Explanation(E.CONFLICT, (409,),
        "What the request makes exists already, such as a tenant's slug or a workflow's n8n id.",
        "Use what exists, or choose another name."),
    Explanation(E.EMBEDDINGS_UNAVAILABLE, (503,),
        "The embeddings endpoint did not answer, so a search has no vector.",
        "Repeat the search, or search with the mode `text`, which needs no vector."),
    Explanation(E.EXECUTION_IS_FINAL, (409,),
        "The execution has ended, and the request would set it to a state before its end.",
        "Leave it as it is: a final status does not go back."),
    Explanation(E.FORBIDDEN, (403,),
        "The caller may not do this, and no other code of 403 fits.",
        "Read `detail`."),
    Explanation(E.HOLD_IS_RELEASED, (409,),
        "The legal hold is released already.",
        "Nothing: create a new hold if you need one."),
    Explanation(E.IDEMPOTENCY_KEY_REUSED, (422,),
        "The `Idempotency-Key` was sent with another path, query or body before.",
        "Send a new key for a new request."),
    Explanation(E.INTERNAL_ERROR, (500,),
        "The service failed unexpectedly.",
        OPERATORS),
    Explanation(E.INVALID_API_KEY, (401,),
        "The API key is malformed, unknown, expired or revoked.",
        "Send a valid key. Admins and owners see the tenant's keys at `/routes/api-keys`."),
    Explanation(E.INVALID_CURSOR, (400,),
        "`cursor` belongs to another list, or to this one with other filters or another tenant.",
        "Read the list again without `cursor`, and follow the `Link` header."),
    Explanation(E.INVALID_JSON, (400,),
        "The body is not JSON, or its content type is not.",
        "Send JSON in UTF-8 with `Content-Type: application/json`."),
    Explanation(E.INVALID_RANGE, (400,),
        "`last_at` is not later than `first_at`.",
        "Send a range that ends after its start."),
    Explanation(E.INVALID_REQUEST, (422,),
        "A field of the path, query, headers or body is invalid, missing or unknown.",
        "Correct the fields that `errors` names."),
    Explanation(E.INVALID_SIGNATURE, (401,),
        "The webhook's signature is not of the named key, or its timestamp is more than five minutes off.",
        "Sign the body as sent, with the key's signing secret, and set the sender's clock."),
    Explanation(E.INVALID_VALUE, (422,),
        "A value has a valid form, but cannot be stored.",
        READ_DETAIL),
    Explanation(E.INVITATION_IS_VOID, (409,),
        "Who invited you may not give this role any more.",
        "Ask for a new invitation."),
    Explanation(E.KEY_HAS_ENDED, (409,),
        "The API key that is to be rotated is revoked or expired.",
        "Create a new key."),
    Explanation(E.KEY_IS_ROTATED, (409,),
        "The API key is rotated already.",
        "Rotate its successor, which `detail` names."),
    Explanation(E.LAST_OWNER, (409,),
        "The tenant would have no owner.",
        "Make another member an owner first."),
    Explanation(E.LAST_SUPER_ADMIN, (409,),
        "The platform would have no super admin.",
        "Make another user a super admin first."),
    Explanation(E.LEGAL_HOLD, (409,),
        "What the request deletes or replaces is under a legal hold.",
        "Find the hold at `GET /routes/legal-holds`. Release it first, if it may be released."),
    Explanation(E.METHOD_NOT_ALLOWED, (405,),
        "The path exists, but not with this method.",
        "Use a method of the `Allow` header."),
    Explanation(E.MISSING_SCOPE, (403,),
        "The API key does not have the scope that the route needs, or only people may use the route.",
        "Create a key with this scope. [Roles and scopes](roles-and-scopes.md) lists what a key can have."),
    Explanation(E.MODEL_INCOMPLETE, (409,),
        "The model to activate lacks vectors of documents that are found now.",
        "Wait until they are embedded, and requeue dead letters. `detail` says how many are missing."),
    Explanation(E.MODEL_IS_ACTIVE, (409,),
        "The model to drop is the one that the knowledge base is searched by.",
        "Activate another model first."),
    Explanation(E.MODEL_UNAVAILABLE, (409,),
        "A knowledge base is searched by a model that the platform no longer offers.",
        "Add one of the available models to the base, wait for its vectors, and activate it."),
    Explanation(E.NOT_CONFIRMED, (422,),
        "To delete a tenant for ever, `confirm` must be its slug.",
        "Send the slug, exactly."),
    Explanation(E.NOT_FOUND, (404,),
        "There is no such resource or route, or it belongs to another tenant.",
        "Check the id, and the tenant that the request acts in."),
    Explanation(E.NOT_SIGNED_IN, (401,),
        "The request carries no credentials.",
        "Send a bearer token or an API key in the `Authorization` header."),
    Explanation(E.NOT_YOURS, (403,),
        "A member acts for another person, such as on preferences or chats.",
        "Act for yourself, or let an admin, an owner or an API key do it."),
    Explanation(E.OTHER_TENANTS_KEY, (403,),
        "The API key belongs to another tenant than the request names, or its tenant is deleted.",
        "Name no tenant, or the key's own."),
    Explanation(E.OTHER_WORKFLOWS_EXECUTION, (409,),
        "The n8n execution was recorded for another workflow before.",
        "Send the workflow that it belongs to."),
    Explanation(E.PGVECTOR_TOO_OLD, (503,),
        "`GET /routes/health/ready`: the database's pgvector is older than 0.8.4.",
        "Upgrade the extension in the database."),
    Explanation(E.PREFERENCES_TOO_LARGE, (422,),
        "The preferences would have more than 250,000 bytes.",
        "Delete settings that are not needed, then repeat the request."),
    Explanation(E.QUERY_REFUSED, (422,),
        "The embeddings endpoint does not take the text of the search.",
        "Shorten or change `query`, or search with the mode `text`."),
    Explanation(E.ROLE_TOO_LOW, (403,),
        "The person's role in the tenant does not allow this.",
        "Ask an owner or an admin. [Roles and scopes](roles-and-scopes.md) says which role is needed."),
    Explanation(E.SCHEMA_BEHIND, (503,),
        "The database's schema is older than the code.",
        "Run the migrations."),
    Explanation(E.SECRET_WAS_SHOWN, (409,),
        "The API key was created, but the platform's signing key has changed since: its secret is lost.",
        "Rotate the key: its successor's secret is shown."),
    Explanation(E.SESSION_FULL, (409,),
        "The chat session would have more than 1,000 messages or 1,000,000 bytes.",
        "Begin a new session."),
    Explanation(E.SUPER_ADMIN_ONLY, (403,),
        "Only super admins may do this.",
        "Ask a super admin."),
    Explanation(E.TENANT_NOT_FOUND, (404,),
        "There is no such tenant, or the caller does not belong to it, or to none, or a super admin names none.",
        "Check the id or slug. A person without any tenant needs an invitation."),
    Explanation(E.TENANT_REQUIRED, (400,),
        "The caller belongs to several tenants, and the request names none.",
        "Name one in `tenant_id` or in the `X-Tenant` header."),
    Explanation(E.TENANT_SUSPENDED, (403,),
        "The tenant is suspended: its owners may read, and nobody may write.",
        "Ask a super admin to reactivate it."),
    Explanation(E.TOO_MANY_REQUESTS, (429,),
        "The tenant or the API key has used its requests of this minute.",
        "Wait as many seconds as `Retry-After` says."),
    Explanation(E.UNAVAILABLE, (503,),
        "The database, the object storage or a secret cannot be reached in time.",
        AGAIN),
    Explanation(E.UNSAFE_ROLE, (503,),
        "The function's database role would bypass row-level security, so it does not serve.",
        "Operators: connect as `flo_app`."),
    Explanation(E.WORKFLOW_NOT_FOUND, (404,),
        "The tenant has no workflow of this id.",
        "Create the workflow first."),
    Explanation(E.WRONG_STATE, (409,),
        "The tenant's state does not allow this, such as to reactivate an active tenant.",
        "Bring the tenant into another state first: `detail` names the present one."),
)  # fmt: skip


def page() -> str:
    return PAGE.format(codes="\n".join(map(section, EXPLANATIONS)))


def section(explanation: Explanation) -> str:
    statuses = " and ".join(f"{status} {HTTPStatus(status).phrase}" for status in explanation.statuses)
    return f"## `{explanation.code}`\n\n{statuses}. {explanation.when}\n\nWhat to do: {explanation.remedy}\n"
