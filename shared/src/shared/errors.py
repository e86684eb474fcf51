"""Errors a service raises; each class carries its HTTP status and its stable code."""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """Base of all errors that reach a client as the error envelope.

    `field` names the input that is wrong; `details` is added to the answer and must hold no secret.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    default_message: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.field = field
        self.details = details
        self.headers = headers or {}
        super().__init__(self.message)


class ValidationError(AppError, ValueError):
    status = 400
    code = "VALIDATION_ERROR"
    default_message = "The request is not valid"


class BusinessRuleError(AppError):
    status = 400
    code = "BUSINESS_RULE_VIOLATION"


class UnauthorizedError(AppError):
    status = 401
    code = "UNAUTHORIZED"
    default_message = "Authentication is required"

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("headers", {"WWW-Authenticate": "Bearer"})
        super().__init__(message, **kwargs)


class InvalidCredentialsError(UnauthorizedError):
    code = "INVALID_CREDENTIALS"
    default_message = "E-mail address or password is wrong"


class ForbiddenError(AppError):
    status = 403
    code = "FORBIDDEN"
    default_message = "Your role does not allow this"


class EmailNotVerifiedError(ForbiddenError):
    """Who wants to write to others has not proven their own address."""

    code = "EMAIL_NOT_VERIFIED"
    default_message = (
        "Confirm your e-mail address before you send: follow the link in the mail that you got, or ask for a "
        "new one (POST /auth/verify-email/resend), then refresh your token or sign in again"
    )


class NotFoundError(AppError):
    """Not there, or not the caller's: the answer never tells which."""

    status = 404
    code = "NOT_FOUND"
    default_message = "Not found"


class MethodNotAllowedError(AppError):
    status = 405
    code = "METHOD_NOT_ALLOWED"
    default_message = "This path does not answer this method"


class ConflictError(AppError):
    status = 409
    code = "CONFLICT"


class PayloadTooLargeError(AppError):
    status = 413
    code = "PAYLOAD_TOO_LARGE"
    default_message = "The request body is too large"


class UnsupportedMediaTypeError(AppError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class UnprocessableError(AppError):
    """The shape of the input is wrong, or one idempotency key came with two payloads."""

    status = 422
    code = "UNPROCESSABLE"


class _RetryLaterError(AppError):
    def __init__(self, message: str | None = None, *, retry_after: int = 1, **kwargs: Any) -> None:
        kwargs.setdefault("headers", {})["Retry-After"] = str(max(1, retry_after))
        self.retry_after = retry_after
        super().__init__(message, **kwargs)


class RateLimitError(_RetryLaterError):
    """Too many requests; `retry_after` in whole seconds."""

    status = 429
    code = "RATE_LIMIT_EXCEEDED"
    default_message = "Too many requests"


class DatabaseError(AppError):
    code = "DATABASE_ERROR"


class ConfigurationError(AppError):
    code = "CONFIGURATION_ERROR"


class ExternalServiceError(AppError):
    status = 502
    code = "EXTERNAL_SERVICE_ERROR"


class ServiceUnavailableError(_RetryLaterError):
    """Cannot answer now; `retry_after` in whole seconds."""

    status = 503
    code = "SERVICE_UNAVAILABLE"


class GatewayTimeoutError(AppError):
    status = 504
    code = "GATEWAY_TIMEOUT"


class PermanentError(Exception):
    """A job or message that can never succeed: it is not retried."""


_BY_STATUS: dict[int, type[AppError]] = {
    cls.status: cls
    for cls in (
        ValidationError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        MethodNotAllowedError,
        ConflictError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        UnprocessableError,
        RateLimitError,
        ExternalServiceError,
        ServiceUnavailableError,
        GatewayTimeoutError,
    )
}


def error_class_for_status(status: int) -> type[AppError]:
    """The general class of a status; `AppError` (500) when none fits."""
    return _BY_STATUS.get(status, ValidationError if 400 <= status < 500 else AppError)
