"""Signing keys and access tokens (EdDSA, RFC 9068)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared.models.identity import Role
from shared.utils.ids import uuid7
from shared.utils.tokens import AUDIENCE

ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh Ed25519 pair. `private` is the 32 byte seed; `kid` is derived from the public part."""

    kid: str
    public_x: str
    private: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token speaks for. `session_id` is the key's id for API keys, so revoking works alike.

    `email_verified` is of the person, for API keys of the person who made the key.
    """

    user_id: UUID
    tenant_id: UUID
    role: Role
    scopes: tuple[str, ...]
    session_id: UUID
    email_verified: bool
    kind: Literal["user", "api_key"] = "user"
    email: str | None = None


def generate_key() -> NewKey:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return NewKey(_b64(hashlib.sha256(public).digest()[:12]), _b64(public), seed)


def public_jwk(kid: str, public_x: str) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "alg": ALGORITHM, "use": "sig", "kid": kid, "x": public_x}


def sign(subject: Subject, *, kid: str, private: bytes, issuer: str, now: datetime, ttl: timedelta) -> str:
    """A signed access token. `user_id` repeats `sub` for older clients."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": str(subject.user_id),
        "user_id": str(subject.user_id),
        "tenant_id": str(subject.tenant_id),
        "role": subject.role,
        "scope": " ".join(subject.scopes),
        "sid": str(subject.session_id),
        "knd": subject.kind,
        "email_verified": subject.email_verified,
        "jti": str(uuid7()),
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
    }
    if subject.email is not None:
        claims["email"] = subject.email
    key = Ed25519PrivateKey.from_private_bytes(private)
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": "at+jwt"})


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
