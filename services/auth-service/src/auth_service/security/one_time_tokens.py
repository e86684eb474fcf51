"""Tokens sent by mail: 256 random bits with the tenant in front, stored only as a hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Purpose = Literal["verify_email", "password_reset", "invitation", "email_change"]
_SIZE = 16 + 32


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """`text` goes into the mail, `digest` into the database."""

    tenant_id: UUID
    text: str
    digest: bytes


def issue(tenant_id: UUID) -> OneTimeToken:
    return _from_raw(tenant_id.bytes + secrets.token_bytes(32))


def parse(text: str) -> OneTimeToken | None:
    """None for anything that is not shaped like one of our tokens."""
    if len(text) != _SIZE * 4 // 3:
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return _from_raw(raw)


def _from_raw(raw: bytes) -> OneTimeToken:
    text = base64.urlsafe_b64encode(raw).decode()
    return OneTimeToken(UUID(bytes=raw[:16]), text, hashlib.sha256(text.encode()).digest())
