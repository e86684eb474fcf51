"""Keys derived from the installation secret, and sealed values at rest."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose (HKDF-SHA256 with one block, RFC 5869), so that no two uses share a key."""
    extracted = hmac.digest(b"tidings", secret.encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)


class SecretBox:
    """AES-256-GCM with a random nonce in front; `context` binds a value to its place (row id, column)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: bytes, context: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, value, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises ValueError when the key, the context or the value is not the one sealed."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], context.encode())
        except InvalidTag:
            raise ValueError("a sealed value could not be opened: wrong key or damaged") from None
