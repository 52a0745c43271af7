"""What can go wrong for a caller: each error is a status, a code and a sentence, sent as problem+json (RFC 9457)."""

from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar


class ErrorCode(StrEnum):
    """What went wrong, for programs. docs/reference/errors.md says when each comes and what to do."""

    ARCHIVE_UNREADABLE = "archive_unreadable"
    ARCHIVED = "archived"
    BAD_REQUEST = "bad_request"
    BODY_TOO_LARGE = "body_too_large"
    CHANGED_MEANWHILE = "changed_meanwhile"
    CONFLICT = "conflict"
    EMBEDDINGS_UNAVAILABLE = "embeddings_unavailable"
    EXECUTION_IS_FINAL = "execution_is_final"
    FILE_ENCRYPTED = "file_encrypted"
    FILE_TOO_LARGE = "file_too_large"
    FILE_TYPE_UNKNOWN = "file_type_unknown"
    FILE_UNREADABLE = "file_unreadable"
    FILE_WITHOUT_TEXT = "file_without_text"
    FORBIDDEN = "forbidden"
    HOLD_IS_RELEASED = "hold_is_released"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INTERNAL_ERROR = "internal_error"
    INVALID_API_KEY = "invalid_api_key"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_JSON = "invalid_json"
    INVALID_RANGE = "invalid_range"
    INVALID_REQUEST = "invalid_request"
    INVALID_SIGNATURE = "invalid_signature"
    INVALID_VALUE = "invalid_value"
    INVITATION_IS_VOID = "invitation_is_void"
    ITEMS_REJECTED = "items_rejected"
    KEY_HAS_ENDED = "key_has_ended"
    KEY_IS_ROTATED = "key_is_rotated"
    LAST_OWNER = "last_owner"
    LAST_SUPER_ADMIN = "last_super_admin"
    LEGAL_HOLD = "legal_hold"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MISSING_SCOPE = "missing_scope"
    MODEL_INCOMPLETE = "model_incomplete"
    MODEL_IS_ACTIVE = "model_is_active"
    MODEL_UNAVAILABLE = "model_unavailable"
    NOT_CONFIRMED = "not_confirmed"
    NOT_FOUND = "not_found"
    NOT_SIGNED_IN = "not_signed_in"
    NOT_YOURS = "not_yours"
    OTHER_INSTANCES_KEY = "other_instances_key"
    OTHER_TENANTS_KEY = "other_tenants_key"
    OTHER_WORKFLOWS_EXECUTION = "other_workflows_execution"
    PGVECTOR_TOO_OLD = "pgvector_too_old"
    PREFERENCES_TOO_LARGE = "preferences_too_large"
    QUERY_REFUSED = "query_refused"
    RECOVERY_TOO_LARGE = "recovery_too_large"
    ROLE_TOO_LOW = "role_too_low"
    SCHEMA_BEHIND = "schema_behind"
    SECRET_WAS_SHOWN = "secret_was_shown"
    SESSION_FULL = "session_full"
    SUPER_ADMIN_ONLY = "super_admin_only"
    TENANT_NOT_FOUND = "tenant_not_found"
    TENANT_REQUIRED = "tenant_required"
    TENANT_SUSPENDED = "tenant_suspended"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    TOO_MANY_OPEN = "too_many_open"
    TOO_MANY_REQUESTS = "too_many_requests"
    UNAVAILABLE = "unavailable"
    UNSAFE_ROLE = "unsafe_role"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UPLOAD_DIFFERS = "upload_differs"
    UPLOAD_EXPIRED = "upload_expired"
    WORKFLOW_NOT_FOUND = "workflow_not_found"
    WORKFLOW_TOO_LARGE = "workflow_too_large"
    WRONG_STATE = "wrong_state"


class ServiceError(Exception):
    """The request could not be served."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ErrorCode = ErrorCode.INTERNAL_ERROR

    def __init__(self, detail: str | None = None, code: ErrorCode | None = None, headers: dict[str, str] | None = None):
        self.detail = detail or (self.__doc__ or "").strip()
        self.code = code or self.code
        self.headers = headers or {}
        super().__init__(self.detail)


class NotModifiedError(ServiceError):
    """The resource is as you have it. The answer has no body, so it has no code."""

    status = HTTPStatus.NOT_MODIFIED


class BadRequestError(ServiceError):
    """The request cannot be understood."""

    status = HTTPStatus.BAD_REQUEST
    code = ErrorCode.BAD_REQUEST


class UnauthorizedError(ServiceError):
    """Sign in first: send a bearer token or an API key in the Authorization header."""

    status = HTTPStatus.UNAUTHORIZED
    code = ErrorCode.NOT_SIGNED_IN


class ForbiddenError(ServiceError):
    """You may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = ErrorCode.FORBIDDEN


class NotFoundError(ServiceError):
    """There is nothing under that id."""

    status = HTTPStatus.NOT_FOUND
    code = ErrorCode.NOT_FOUND


class MethodNotAllowedError(ServiceError):
    """The path has no such method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = ErrorCode.METHOD_NOT_ALLOWED


class ConflictError(ServiceError):
    """The request conflicts with what is stored."""

    status = HTTPStatus.CONFLICT
    code = ErrorCode.CONFLICT


class PreconditionFailedError(ServiceError):
    """The resource has changed since you read it."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = ErrorCode.CHANGED_MEANWHILE


class PayloadTooLargeError(ServiceError):
    """The body is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = ErrorCode.BODY_TOO_LARGE


class UnsupportedEncodingError(ServiceError):
    """The body is compressed in a way that this route does not read: send it as it is, without Content-Encoding."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = ErrorCode.UNSUPPORTED_ENCODING


class UnprocessableError(ServiceError):
    """A value cannot be stored."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = ErrorCode.INVALID_VALUE


class TooManyRequestsError(ServiceError):
    """The rate limit is reached."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = ErrorCode.TOO_MANY_REQUESTS


class UnavailableError(ServiceError):
    """The database cannot be reached at the moment. Repeat the request, with the same Idempotency-Key if it writes."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = ErrorCode.UNAVAILABLE

    def __init__(self, detail: str | None = None, code: ErrorCode | None = None):
        super().__init__(detail, code, {"Retry-After": "1"})


BY_STATUS: dict[int, type[ServiceError]] = {
    error.status.value: error
    for error in (
        BadRequestError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        PreconditionFailedError,
        UnprocessableError,
    )
}
