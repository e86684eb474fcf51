"""Access tokens for tests, signed by a key of the tests."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shared.models.identity import Role
from shared.utils.ids import uuid7

ISSUER = "http://localhost:8000"
AUDIENCE = "tidings"


class TokenMint:
    """Stands where auth-service stands: publishes a key set and signs tokens with it."""

    def __init__(self) -> None:
        self.kid = uuid7().hex
        self.private_key = Ed25519PrivateKey.generate()

    async def fetch_jwks(self) -> dict[str, Any]:
        public: dict[str, Any] = OKPAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "alg": "EdDSA", "use": "sig"}]}

    def token(
        self,
        tenant_id: UUID,
        role: Role = "owner",
        *,
        user_id: UUID | None = None,
        scope: str = "",
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A valid token of somebody with a proven address.

        `claims` and `headers` replace single values, None removes one.
        """
        subject = str(user_id or uuid7())
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "user_id": subject,
            "tenant_id": str(tenant_id),
            "role": role,
            "scope": scope,
            "sid": uuid7().hex,
            "jti": uuid7().hex,
            "iat": now,
            "exp": now + 600,
            "knd": "user",
            "email_verified": True,
        } | claims
        head = {"kid": self.kid, "typ": "at+jwt"} | (headers or {})
        kept = {key: value for key, value in payload.items() if value is not None}
        return jwt.encode(kept, self.private_key, algorithm="EdDSA", headers=head)

    def headers(self, tenant_id: UUID, role: Role = "owner", **kwargs: Any) -> dict[str, str]:
        """The Authorization header of a caller."""
        return {"Authorization": f"Bearer {self.token(tenant_id, role, **kwargs)}"}
