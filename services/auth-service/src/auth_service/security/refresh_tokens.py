"""Refresh tokens that are derived, not stored: MAC(session key, tenant, session, counter).

The database holds a key and a counter per session, so the current successor of a replayed token can be
handed out again without keeping any token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Self
from uuid import UUID

PREFIX = "td_rt_"
_HEAD = 16 + 16 + 4
_SIZE = _HEAD + 32


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token's parts. Nothing is proven until `is_genuine` has checked the MAC."""

    tenant_id: UUID
    session_id: UUID
    counter: int
    mac: bytes

    @classmethod
    def derive(cls, key: bytes, tenant_id: UUID, session_id: UUID, counter: int) -> Self:
        return cls(tenant_id, session_id, counter, _mac(key, tenant_id, session_id, counter))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for anything that is not shaped like a refresh token."""
        if not text.startswith(PREFIX) or len(text) > 256:
            return None
        try:
            raw = base64.b64decode(_padded(text[len(PREFIX) :]), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _SIZE:
            return None
        token = cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), int.from_bytes(raw[32:_HEAD]), raw[_HEAD:])
        return token if token.encode() == text else None

    def is_genuine(self, key: bytes) -> bool:
        expected = _mac(key, self.tenant_id, self.session_id, self.counter)
        return hmac.compare_digest(expected, self.mac)

    def encode(self) -> str:
        raw = _message(self.tenant_id, self.session_id, self.counter) + self.mac
        return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def new_session_key() -> bytes:
    return secrets.token_bytes(32)


def _message(tenant_id: UUID, session_id: UUID, counter: int) -> bytes:
    return tenant_id.bytes + session_id.bytes + counter.to_bytes(4)


def _mac(key: bytes, tenant_id: UUID, session_id: UUID, counter: int) -> bytes:
    return hmac.digest(key, _message(tenant_id, session_id, counter), hashlib.sha256)


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
