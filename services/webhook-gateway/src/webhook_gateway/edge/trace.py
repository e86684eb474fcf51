"""W3C trace state: passed on when it is well formed, with our own parent in front (`shared.web.tracing`)."""

from __future__ import annotations

import re

_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")


def tracestate(candidate: bytes | None) -> bytes | None:
    """Vendor state of at most 512 characters, else none."""
    return candidate if candidate is not None and _TRACESTATE.fullmatch(candidate) else None
