"""Signing in with a password."""

from __future__ import annotations

from fastapi import APIRouter

from auth_service.context import AuthContext, AuthDep, Origin, RequestInfo, SignerDep
from auth_service.limits import service as limits
from auth_service.limits.service import Attempt
from auth_service.login import service
from auth_service.login.schemas import LoginRequest, ReauthenticateRequest
from auth_service.login.service import Candidates, Match
from auth_service.sessions.schemas import SignedIn
from auth_service.users import service as users
from auth_service.users.repository import Member
from shared.errors import InvalidCredentialsError, ServiceUnavailableError
from shared.models.identity import Identity
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/login", response_model=ApiResponse[SignedIn], responses=error_responses(400, 401, 422, 429, 503)
)
async def login(
    body: LoginRequest, origin: Origin, auth: AuthDep, signer: SignerDep
) -> ApiResponse[SignedIn]:
    """Tokens for an address and a password. 401 INVALID_CREDENTIALS does not tell which was wrong."""
    async with auth.db.system_tx() as tx:
        candidates = await service.begin(tx, auth, body.email, origin)
    match = await _compare(auth, candidates, body.password)
    if match is None:
        async with auth.db.system_tx() as tx:
            await service.fail(tx, auth, candidates, origin)
        raise InvalidCredentialsError
    async with auth.db.tenant_tx(match.member.tenant_id) as tx:
        signed_in = await service.succeed(tx, auth, signer, match, candidates.attempt, origin)
    return success_response(signed_in)


@router.post(
    "/reauthenticate",
    response_model=ApiResponse[None],
    responses=error_responses(400, 401, 403, 404, 422, 429, 503),
)
async def reauthenticate(
    body: ReauthenticateRequest, user: CurrentUser, origin: Origin, auth: AuthDep
) -> ApiResponse[None]:
    """Show the password again: what needs a fresh sign-in is open for ten minutes."""
    _, attempt = await check_password(auth, user, body.password, origin)
    async with auth.db.tenant_tx(user.tenant_id) as tx:
        await service.confirm(tx, auth, user, attempt, origin)
    return success_response(None)


async def check_password(
    auth: AuthContext, user: Identity, password: str, origin: RequestInfo, *, field: str = "password"
) -> tuple[Member, Attempt]:
    """The caller's row when it is their password. Raises `InvalidCredentialsError`, which names `field`.

    Counted like a login: end the attempt with `limits.login_succeeded`.
    """
    async with auth.db.tenant_tx(user.tenant_id) as tx:
        member = await users.own(tx, user)
        attempt = await limits.begin_login(tx, auth, member.email, origin, known=True)
    candidates = Candidates([member], attempt)
    if await _compare(auth, candidates, password) is None:
        async with auth.db.tenant_tx(user.tenant_id) as tx:
            await service.fail(tx, auth, candidates, origin)
        raise InvalidCredentialsError("The password is wrong", field=field)
    return member, attempt


async def _compare(auth: AuthContext, candidates: Candidates, password: str) -> Match | None:
    try:
        return await service.compare(auth, candidates.members, password)
    except ServiceUnavailableError:
        async with auth.db.plain_tx() as tx:
            await limits.login_unchecked(tx, auth, candidates.attempt)
        raise
