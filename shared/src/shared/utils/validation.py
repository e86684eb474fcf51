"""Checks of single values. Each raises `ValidationError` naming the field."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from shared.errors import ValidationError

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]{0,61}[A-Za-z0-9\u0080-\U0010ffff])?"
EMAIL_PATTERN = re.compile(rf"^{_LOCAL}(?:\.{_LOCAL})*@(?:{_LABEL}\.)+{_LABEL}\Z")
SLUG_PATTERN = re.compile(r"^[a-z0-9]+([_-][a-z0-9]+)*\Z")
_CONTROL = {chr(n) for n in range(32) if chr(n) not in "\t\n\r"} | {"\x7f"}
# White space and control characters, and what turns the direction of a text around.
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PHONE_NOISE = re.compile(r"[\s().\-/]")
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256


def is_email(value: str) -> bool:
    """True for an address of the common form (RFC 5321 lengths: 64 before the @, 254 in all)."""
    local, _, _ = value.rpartition("@")
    return len(value) <= 254 and len(local) <= 64 and EMAIL_PATTERN.match(value) is not None


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise ValidationError(f"{field} must be text", field=field)
    return value


def validate_required(value: Any, field: str) -> Any:
    """The value itself; None, blanks and empty collections are refused."""
    if value is None or (isinstance(value, str) and not value.strip()) or value in ([], {}, ()):
        raise ValidationError(f"{field} is required", field=field)
    return value


def validate_email(value: str | None, field: str = "email") -> str | None:
    """None stays None; else the trimmed address."""
    if value is None:
        return None
    address = _text(value, field).strip()
    if not is_email(address):
        raise ValidationError(f"{field} is not a valid e-mail address", field=field)
    return address


def validate_email_required(value: str | None, field: str = "email") -> str:
    address = validate_email(validate_required(value, field), field)
    assert address is not None
    return address


def normalize_phone(value: str, field: str = "phone") -> str:
    """E.164. Ten digits without a country code are read as North American (+1)."""
    digits = _PHONE_NOISE.sub("", _text(value, field))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if re.fullmatch(r"[2-9]\d{9}", digits):
        digits = "+1" + digits
    elif re.fullmatch(r"1[2-9]\d{9}", digits):
        digits = "+" + digits
    if not re.fullmatch(r"\+[1-9]\d{6,14}", digits):
        raise ValidationError(f"{field} is not a phone number in international form", field=field)
    return digits


def validate_phone(value: str | None, field: str = "phone") -> str | None:
    return None if value is None else normalize_phone(value, field)


def validate_phone_required(value: str | None, field: str = "phone") -> str:
    return normalize_phone(validate_required(value, field), field)


def validate_uuid(value: str | UUID | None, field: str = "id") -> UUID | None:
    if value is None or isinstance(value, UUID):
        return value
    try:
        return UUID(_text(value, field))
    except ValueError:
        raise ValidationError(f"{field} is not a UUID", field=field) from None


def validate_uuid_required(value: str | UUID | None, field: str = "id") -> UUID:
    result = validate_uuid(validate_required(value, field), field)
    assert result is not None
    return result


def validate_password(value: str, field: str = "password") -> str:
    """The password in NFC form: 12 to 256 characters of any kind (ASVS 5, 6.2.1 and 6.2.5)."""
    text = unicodedata.normalize("NFC", _text(value, field))
    if not MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH:
        raise ValidationError(
            f"{field} must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters", field=field
        )
    return text


def validate_length(value: str, field: str, *, least: int = 0, most: int | None = None) -> str:
    """The value when its number of characters is within `least` and `most`."""
    if len(_text(value, field)) < least or (most is not None and len(value) > most):
        limit = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValidationError(f"{field} must have {limit} characters", field=field)
    return value


def validate_choice(value: str, choices: Collection[str], field: str) -> str:
    if value not in choices:
        raise ValidationError(f"{field} must be one of {', '.join(sorted(choices))}", field=field)
    return value


def validate_slug(value: str, field: str = "slug") -> str:
    if len(_text(value, field)) > 100 or not SLUG_PATTERN.match(value):
        raise ValidationError(
            f"{field} may hold lower-case letters and digits, joined by single - or _", field=field
        )
    return value


def validate_time_zone(value: str, field: str = "time_zone") -> str:
    if value not in available_timezones():
        raise ValidationError(f"{field} is not an IANA time zone", field=field)
    return value


def validate_url(value: str, field: str = "url") -> str:
    """Only absolute http and https addresses without white space or control characters."""
    if not _is_web_address(_text(value, field)):
        raise ValidationError(f"{field} must be an absolute http or https address", field=field)
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_complete = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        return False
    return is_complete and not _UNPRINTABLE.search(value)


def sanitize_string(value: str) -> str:
    """Trimmed, without control characters, HTML-escaped."""
    return html.escape("".join(c for c in value if c not in _CONTROL)).strip()
