"""The credential a request carries."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import UnauthorizedError
from webhook_gateway.edge.headers import Headers

_MAX_TOKEN = 8192
_MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Credential:
    """One of `token` (Authorization: Bearer) and `key` (X-API-Key or X-Admin-Key) is set."""

    token: str | None = None
    key: str | None = None


def credential(headers: Headers) -> Credential | None:
    """The credential; None when there is none.

    Raises `UnauthorizedError` when one is sent twice, has another scheme or is no plain text. A token goes
    before a key; both spellings of the key header mean the same.
    """
    token = key = None
    for name, value in headers:
        if name == b"authorization":
            if token is not None:
                raise UnauthorizedError("More than one Authorization header")
            token = _bearer(value)
        elif name in (b"x-api-key", b"x-admin-key"):
            plain = _plain(value, _MAX_KEY)
            if key not in (None, plain):
                raise UnauthorizedError("More than one API key")
            key = plain
    if token is not None:
        return Credential(token=token)
    return Credential(key=key) if key is not None else None


def _bearer(value: bytes) -> str:
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() != b"bearer":
        raise UnauthorizedError("Authorization must be a Bearer token")
    return _plain(rest, _MAX_TOKEN)


def _plain(value: bytes, limit: int) -> str:
    stripped = value.strip()
    if not stripped or len(stripped) > limit or any(byte < 0x21 or byte > 0x7E for byte in stripped):
        raise UnauthorizedError("The credential is not valid")
    return stripped.decode("ascii")
