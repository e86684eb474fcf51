"""Helpers without a home of their own: logs, ids, time, validation, service calls, authentication."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared.utils.clock import Clock, SystemClock, format_date, utc_now
from shared.utils.ids import generate_id, uuid7
from shared.utils.logging import configure_logging, logger
from shared.utils.validation import (
    is_email,
    normalize_phone,
    sanitize_string,
    validate_choice,
    validate_email,
    validate_email_required,
    validate_length,
    validate_password,
    validate_phone,
    validate_phone_required,
    validate_required,
    validate_slug,
    validate_time_zone,
    validate_url,
    validate_uuid,
    validate_uuid_required,
)

if TYPE_CHECKING:
    from shared.utils.auth import require_jwt_auth, require_service_auth
    from shared.utils.service_client import ServiceClient
    from shared.utils.tokens import JwksCache, TokenVerifier
else:
    # What brings FastAPI, httpx or PyJWT with it loads when it is asked for: commands do without.
    _LATER = {
        "JwksCache": "tokens",
        "ServiceClient": "service_client",
        "TokenVerifier": "tokens",
        "require_jwt_auth": "auth",
        "require_service_auth": "auth",
    }

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(f"{__name__}.{_LATER[name]}")
        return globals().setdefault(name, getattr(home, name))


__all__ = [
    "Clock",
    "JwksCache",
    "ServiceClient",
    "SystemClock",
    "TokenVerifier",
    "configure_logging",
    "format_date",
    "generate_id",
    "is_email",
    "logger",
    "normalize_phone",
    "require_jwt_auth",
    "require_service_auth",
    "sanitize_string",
    "utc_now",
    "uuid7",
    "validate_choice",
    "validate_email",
    "validate_email_required",
    "validate_length",
    "validate_password",
    "validate_phone",
    "validate_phone_required",
    "validate_required",
    "validate_slug",
    "validate_time_zone",
    "validate_url",
    "validate_uuid",
    "validate_uuid_required",
]
