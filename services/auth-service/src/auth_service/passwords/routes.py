"""Forgotten and changed passwords."""

from __future__ import annotations

from fastapi import APIRouter

from auth_service.audit.service import Act, Actor
from auth_service.context import AuthDep, Origin
from auth_service.limits import service as limits
from auth_service.login.routes import check_password
from auth_service.one_time import service as tokens
from auth_service.passwords import service
from auth_service.passwords.schemas import ChangeRequest, ForgotRequest, ResetRequest
from auth_service.sessions.schemas import Revoked
from auth_service.sessions.service import session_id_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, SystemTx

router = APIRouter(prefix="/auth/password", tags=["auth"])


@router.post("/forgot", response_model=ApiResponse[None], responses=error_responses(400, 422, 429))
async def forgot(body: ForgotRequest, origin: Origin, auth: AuthDep, tx: SystemTx) -> ApiResponse[None]:
    """Mail a link to set a new password. The answer is the same for unknown addresses."""
    await service.request_reset(tx, auth, body.email, origin)
    return success_response(None, "If the address has an account, a mail is on its way")


@router.post("/reset", response_model=ApiResponse[None], responses=error_responses(400, 404, 409, 422, 503))
async def reset(body: ResetRequest, origin: Origin, auth: AuthDep) -> ApiResponse[None]:
    """Set a new password with the token from the mail. All sessions end; sign in again."""
    token = tokens.parse(body.token)
    async with auth.db.tenant_tx(token.tenant_id) as tx:
        await service.check_reset(tx, auth, token, body.new_password)
    new_hash = await auth.hasher.hash(body.new_password)
    async with auth.db.system_tx() as tx:
        await service.reset(tx, auth, token, new_hash, origin)
    return success_response(None, "The password was changed; sign in again")


@router.post(
    "/change",
    response_model=ApiResponse[Revoked],
    responses=error_responses(400, 401, 403, 404, 409, 422, 429, 503),
)
async def change(
    body: ChangeRequest, user: CurrentUser, origin: Origin, auth: AuthDep
) -> ApiResponse[Revoked]:
    """Replace the own password; the current one is needed."""
    session_id_of(user)
    current = body.current_password
    member, attempt = await check_password(auth, user, current, origin, field="current_password")
    async with auth.db.tenant_tx(user.tenant_id) as tx:
        await limits.login_succeeded(tx, auth, attempt)
    async with auth.db.tenant_tx(user.tenant_id) as tx:
        await service.check_change(tx, member, body.new_password)
    new_hash = await auth.hasher.hash(body.new_password)
    act = Act(Actor.of(user), origin)
    async with auth.db.tenant_tx(user.tenant_id) as tx:
        ended = await service.change(tx, auth, user, member, new_hash, act, revoke=body.revoke_other_sessions)
    return success_response(Revoked(revoked=ended), "The password was changed")
