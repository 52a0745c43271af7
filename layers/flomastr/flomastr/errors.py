"""What a caller can be told: each error is a status, a code and a sentence, sent as problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import ClassVar


class ServiceError(Exception):
    """The request could not be served."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"

    def __init__(self, detail: str | None = None, code: str | None = None, headers: dict[str, str] | None = None):
        self.detail = detail or (self.__doc__ or "").strip()
        self.code = code or self.code
        self.headers = headers or {}
        super().__init__(self.detail)


class NotModifiedError(ServiceError):
    """The resource is as you have it."""

    status = HTTPStatus.NOT_MODIFIED
    code = "not_modified"


class BadRequestError(ServiceError):
    """The request cannot be understood."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"


class UnauthorizedError(ServiceError):
    """Sign in first: send a bearer token or an API key in the Authorization header."""

    status = HTTPStatus.UNAUTHORIZED
    code = "not_signed_in"


class ForbiddenError(ServiceError):
    """You may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFoundError(ServiceError):
    """There is nothing under that id."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class ConflictError(ServiceError):
    """The request conflicts with what is stored."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class PreconditionFailedError(ServiceError):
    """The resource has changed since you read it."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "changed_meanwhile"


class PayloadTooLargeError(ServiceError):
    """The body is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class UnprocessableError(ServiceError):
    """A value cannot be stored."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_value"


class TooManyRequestsError(ServiceError):
    """The rate limit is reached."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"


class UnavailableError(ServiceError):
    """The database cannot be reached at the moment. Repeat the request, with the same Idempotency-Key if it writes."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"

    def __init__(self, detail: str | None = None, code: str | None = None):
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
