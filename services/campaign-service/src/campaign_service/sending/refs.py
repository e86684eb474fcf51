"""The reference of one mail: Message-ID, bounce address and envelope id all carry it.

It depends on campaign, contact and variant alone, so a mail sent again has the same one and is recognised.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

_MAC = 4
_LENGTH = 2 * 16 + 1 + _MAC
KEY_PURPOSE = "recipient-ref"
BOUNCE_PREFIX = "b-"
UNSUBSCRIBE_PREFIX = "u-"


@dataclass(frozen=True, slots=True)
class RefSubject:
    """Which mail a reference names; its tenant is the campaign's."""

    campaign_id: UUID
    contact_id: UUID
    variant: int


class RecipientRefs:
    """Makes and reads references: 60 characters of lower-case base32, safe in every local part."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, campaign_id: UUID, contact_id: UUID, variant: int = 0) -> str:
        ids = campaign_id.bytes + contact_id.bytes + variant.to_bytes(1, "big")
        return base64.b32encode(ids + self._mac(ids)).rstrip(b"=").lower().decode("ascii")

    def read(self, ref: str) -> RefSubject | None:
        """Takes either case (mail servers change it); None for anything this installation did not make."""
        try:
            raw = base64.b32decode(ref.upper() + "=" * (-len(ref) % 8))
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _LENGTH or not hmac.compare_digest(raw[33:], self._mac(raw[:33])):
            return None
        return RefSubject(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32])

    def read_address(self, address: str) -> RefSubject | None:
        """The reference inside a bounce or unsubscribe address, with or without `<>` and domain."""
        local = address.strip().strip("<>").partition("@")[0]
        for prefix in (BOUNCE_PREFIX, UNSUBSCRIBE_PREFIX):
            if local.lower().startswith(prefix):
                return self.read(local[len(prefix) :])
        return self.read(local)

    def _mac(self, ids: bytes) -> bytes:
        return hashlib.blake2b(ids, key=self._key, digest_size=_MAC).digest()
