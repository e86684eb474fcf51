"""Whether an access token works: its claims against the state of session, key and account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request

from auth_service.api_keys import repository as api_keys
from auth_service.context import AuthContext
from auth_service.sessions import repository
from auth_service.sessions.schemas import Validity
from shared.database import Tx
from shared.errors import UnauthorizedError
from shared.models.identity import Identity
from shared.utils.auth import verifier_of

_INVALID = Validity(
    valid=False, user_id=None, tenant_id=None, role=None, scopes=[], session_id=None, expires_at=None
)


async def claims_of(request: Request, token: str, tenant_id: UUID) -> dict[str, Any] | None:
    """Verified claims of a token of the same tenant; None for everything else."""
    try:
        claims = await verifier_of(request).claims(token)
    except UnauthorizedError:
        return None
    return claims if claims.get("tenant_id") == str(tenant_id) else None


async def validity(tx: Tx, auth: AuthContext, claims: dict[str, Any] | None) -> Validity:
    if claims is None:
        return _INVALID
    identity = Identity.from_claims(claims)
    if not await _is_alive(tx, auth, identity):
        return _INVALID
    return Validity(
        valid=True,
        user_id=identity.user_id,
        tenant_id=identity.tenant_id,
        role=identity.role,
        scopes=sorted(identity.scopes),
        session_id=identity.session_id,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


async def _is_alive(tx: Tx, auth: AuthContext, identity: Identity) -> bool:
    if identity.kind == "api_key":
        key = await api_keys.get(tx, identity.tenant_id, identity.user_id)
        return key is not None and key.is_live(auth.now())
    try:
        session_id = UUID(identity.session_id or "")
    except ValueError:
        return False
    found = await repository.chain(tx, identity.tenant_id, session_id)
    return found is not None and found[0].is_usable and found[1] == identity.user_id
