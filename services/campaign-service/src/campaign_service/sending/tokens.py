"""Tokens in tracked addresses: who opened, clicked or unsubscribed, unforgeable and without a lookup."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

_MAC = 10
_LENGTH = 3 * 16 + _MAC
KEY_PURPOSE = "tracking-token"


@dataclass(frozen=True, slots=True)
class TokenSubject:
    """Whom a token speaks of."""

    tenant_id: UUID
    campaign_id: UUID
    contact_id: UUID


class TrackingTokens:
    """Makes and reads tokens: base64url of the three ids and a keyed BLAKE2b of them (78 characters)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, tenant_id: UUID, campaign_id: UUID, contact_id: UUID) -> str:
        ids = tenant_id.bytes + campaign_id.bytes + contact_id.bytes
        return base64.urlsafe_b64encode(ids + self._mac(ids)).rstrip(b"=").decode("ascii")

    def read(self, token: str) -> TokenSubject | None:
        """None for anything this installation did not make."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _LENGTH or not hmac.compare_digest(raw[48:], self._mac(raw[:48])):
            return None
        return TokenSubject(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), UUID(bytes=raw[32:48]))

    def _mac(self, ids: bytes) -> bytes:
        return hashlib.blake2b(ids, key=self._key, digest_size=_MAC).digest()
