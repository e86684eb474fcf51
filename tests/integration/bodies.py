"""What the walk over all routes makes and sends."""

from __future__ import annotations

from typing import Any

VARIANTS = {"variants": [{"subject": "Spring"}, {"subject": "Spring is here"}]}
TEMPLATE = {
    "name": "Newsletter",
    "default_language": "en",
    "contents": {"en": {"subject": "Hello {{ first_name }}", "html": "<p>Hello</p>"}},
}
SMS_SETTINGS: dict[str, Any] = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "an invented token",
    "numbers": [{"number": "+15005550006"}],
}
MESSAGE = {
    "to": {"email": "someone@example.com"},
    "subject": "Hello",
    "html": "<p>Hello</p>",
}
