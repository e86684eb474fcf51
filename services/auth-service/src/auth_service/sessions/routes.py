"""Refreshing, checking and ending sessions."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from auth_service.api_keys import repository as api_keys
from auth_service.audit.service import Act, Actor
from auth_service.context import AuthDep, Origin, SignerDep
from auth_service.errors import InvalidRefreshTokenError
from auth_service.security.refresh_tokens import RefreshToken
from auth_service.sessions import repository, service, validation
from auth_service.sessions.schemas import (
    ApiKeyIdentity,
    Me,
    Refreshed,
    RefreshRequest,
    Revoked,
    SessionOut,
    ValidateRequest,
    Validity,
)
from auth_service.tenants import service as tenants
from auth_service.tenants.schemas import TenantOut
from auth_service.users import service as users
from auth_service.users.schemas import UserOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.utils.auth import bearer_token
from shared.web import CurrentUser, ReadTx, TenantTx

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/refresh", response_model=ApiResponse[Refreshed], responses=error_responses(400, 401, 422, 503))
async def refresh(
    body: RefreshRequest, origin: Origin, auth: AuthDep, signer: SignerDep
) -> ApiResponse[Refreshed]:
    """New tokens. The refresh token before still answers, with the same successor, if the answer got lost."""
    token = RefreshToken.parse(body.refresh_token)
    if token is None:
        raise InvalidRefreshTokenError
    async with auth.db.tenant_tx(token.tenant_id) as tx:
        tokens = await service.refresh(tx, auth, signer, token, origin)
    if tokens is None:
        raise InvalidRefreshTokenError
    return success_response(Refreshed(tokens=tokens))


@router.post("/logout", response_model=ApiResponse[None], responses=error_responses(401, 403))
async def logout(user: CurrentUser, origin: Origin, auth: AuthDep, tx: TenantTx) -> ApiResponse[None]:
    """End the session of the request. Doing it twice is no error."""
    session_id = service.session_id_of(user)
    act = Act(Actor.of(user), origin)
    await service.revoke_one(tx, auth, user.tenant_id, user.user_id, session_id, "logout", act)
    return success_response(None, "Signed out")


@router.get("/me", response_model=ApiResponse[Me], responses=error_responses(401, 404))
async def me(user: CurrentUser, tx: ReadTx) -> ApiResponse[Me]:
    """Who calls, with role, scopes and organisation."""
    key = None
    if user.kind == "api_key":
        found = await api_keys.get_or_404(tx, user.tenant_id, user.user_id)
        key = ApiKeyIdentity(id=found.id, name=found.name, scopes=found.scopes)
    return success_response(
        Me(
            kind=user.kind,
            role=user.role,
            scopes=sorted(user.scopes),
            session_id=user.session_id,
            user=UserOut.of(await users.own(tx, user)) if key is None else None,
            api_key=key,
            tenant=TenantOut.of(await tenants.get(tx, user.tenant_id)),
        )
    )


@router.post("/validate", response_model=ApiResponse[Validity], responses=error_responses(400, 401, 422))
async def validate(
    request: Request, user: CurrentUser, auth: AuthDep, tx: ReadTx, body: ValidateRequest | None = None
) -> ApiResponse[Validity]:
    """Whether an access token works right now; unlike its signature, this also sees revoked sessions."""
    token = body.token if body and body.token else bearer_token(request)
    claims = await validation.claims_of(request, token, user.tenant_id)
    return success_response(await validation.validity(tx, auth, claims))


@router.get("/sessions", response_model=ApiResponse[list[SessionOut]], responses=error_responses(401, 403))
async def list_sessions(user: CurrentUser, auth: AuthDep, tx: ReadTx) -> ApiResponse[list[SessionOut]]:
    """The caller's live sessions, newest first, at most 200."""
    current = service.session_id_of(user)
    rows = await repository.list_live(tx, user.tenant_id, user.user_id, auth.now())
    return success_response(
        [
            SessionOut(
                id=row.id,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=min(row.expires_at, row.idle_expires_at),
                ip=row.ip,
                user_agent=row.user_agent,
                is_current=row.id == current,
            )
            for row in rows
        ]
    )


@router.delete(
    "/sessions/{session_id}",
    response_model=ApiResponse[Revoked],
    responses=error_responses(401, 403, 404, 422),
)
async def revoke_session(
    session_id: UUID, user: CurrentUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[Revoked]:
    """End one of the caller's sessions. Needs a fresh sign-in."""
    service.session_id_of(user)
    await service.live_session(tx, auth, user, session_id)
    await service.require_fresh(tx, auth, user)
    act = Act(Actor.of(user), origin)
    ended = await service.revoke_one(tx, auth, user.tenant_id, user.user_id, session_id, "user", act)
    return success_response(Revoked(revoked=int(ended)))


@router.delete("/sessions", response_model=ApiResponse[Revoked], responses=error_responses(401, 403, 404))
async def revoke_other_sessions(
    user: CurrentUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[Revoked]:
    """End all of the caller's sessions but the present one. Needs a fresh sign-in."""
    current = service.session_id_of(user)
    await service.require_fresh(tx, auth, user)
    member = await users.own(tx, user)
    ended = await service.revoke_all(tx, auth, member, "user", Act(Actor.of(user), origin), keep=current)
    return success_response(Revoked(revoked=ended))
