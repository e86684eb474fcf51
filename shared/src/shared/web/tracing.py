"""Request ids and W3C trace context."""

from __future__ import annotations

import os
import re

from shared.utils.ids import uuid7

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,128}\Z")
_TRACEPARENT = re.compile(r"^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})\Z")


def accept_request_id(given: str | None) -> str:
    """The caller's id when it is harmless, else a new one."""
    return given if given and _REQUEST_ID.match(given) else uuid7().hex


def continue_trace(given: str | None) -> str:
    """A traceparent for our own span: in the caller's trace when theirs is valid, else in a new one."""
    match = _TRACEPARENT.match(given or "")
    trace, flags = (match[1], match[2]) if match else (os.urandom(16).hex(), "01")
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}"
