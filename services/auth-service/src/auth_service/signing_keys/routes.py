"""Public documents about our keys. Bare, not in the envelope: their shapes are standards."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from auth_service.context import AuthDep
from auth_service.security.access_tokens import ALGORITHM

router = APIRouter(prefix="/.well-known", tags=["keys"])


@router.get("/jwks.json")
async def jwks(auth: AuthDep, response: Response) -> dict[str, list[dict[str, str]]]:
    """Keys access tokens are verified with (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={auth.settings.jwks_max_age}"
    return await auth.keyring.jwks()


@router.get("/openid-configuration")
async def openid_configuration(auth: AuthDep, response: Response) -> dict[str, Any]:
    """Where to find the keys. This is no public OAuth server: there is no authorization endpoint."""
    response.headers["Cache-Control"] = f"public, max-age={auth.settings.jwks_max_age}"
    base = auth.settings.public_url.rstrip("/")
    return {
        "issuer": auth.settings.issuer,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["sub", "tenant_id", "role", "scope", "sid", "email", "email_verified"],
    }
