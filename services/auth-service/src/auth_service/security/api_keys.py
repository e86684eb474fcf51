"""API keys: `td_live_` + 36 random base62 characters + 6 of checksum; only an HMAC is stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

PREFIX = "td_live_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 36
_CHECK = 6
LENGTH = len(PREFIX) + _RANDOM + _CHECK
_SHOWN = len(PREFIX) + 6


def generate() -> str:
    """A new key: about 214 random bits."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """True when prefix, length, alphabet and checksum fit: typing errors need no query."""
    if len(key) != LENGTH or not key.startswith(PREFIX):
        return False
    if any(character not in _ALPHABET for character in key[len(PREFIX) :]):
        return False
    return hmac.compare_digest(_checksum(key[:-_CHECK]), key[-_CHECK:])


def digest(pepper: bytes, key: str) -> bytes:
    """What is stored: useless without the installation's pepper."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def shown_prefix(key: str) -> str:
    """The part that may be displayed and logged."""
    return key[:_SHOWN]


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECK):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
