"""Errors only auth-service raises."""

from __future__ import annotations

from shared.errors import ConflictError, ForbiddenError, UnauthorizedError, ValidationError


class EmailAlreadyExistsError(ConflictError):
    code = "EMAIL_ALREADY_EXISTS"
    default_message = "This e-mail address already has an account"


class InvalidTokenError(ValidationError):
    """Wrong, used and expired one-time tokens look alike."""

    code = "INVALID_TOKEN"
    default_message = "This link is not valid any more"


class InvalidRefreshTokenError(UnauthorizedError):
    code = "INVALID_REFRESH_TOKEN"
    default_message = "Sign in again"


class InvalidApiKeyError(UnauthorizedError):
    code = "INVALID_API_KEY"
    default_message = "The API key is not valid"


class ReauthenticationRequiredError(ForbiddenError):
    """The sign-in is older than ten minutes: POST /auth/reauthenticate first."""

    code = "REAUTHENTICATION_REQUIRED"
    default_message = "Confirm your password first"


class LastOwnerError(ConflictError):
    code = "LAST_OWNER"
    default_message = "An organisation keeps at least one active owner"
