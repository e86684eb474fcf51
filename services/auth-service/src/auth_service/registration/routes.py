"""Registering an organisation and proving an address."""

from __future__ import annotations

from fastapi import APIRouter

from auth_service.context import AuthDep, Origin, SignerDep
from auth_service.errors import EmailAlreadyExistsError
from auth_service.limits import service as limits
from auth_service.one_time import service as tokens
from auth_service.registration import service
from auth_service.registration.schemas import RegisterRequest, VerifyEmailRequest
from auth_service.sessions.schemas import SignedIn
from auth_service.tenants import service as tenants
from auth_service.users import service as users
from auth_service.users.schemas import UserOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, SystemTx, TenantTx

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register",
    status_code=201,
    response_model=ApiResponse[SignedIn],
    responses=error_responses(400, 409, 422, 429, 503),
)
async def register(
    body: RegisterRequest, origin: Origin, auth: AuthDep, signer: SignerDep
) -> ApiResponse[SignedIn]:
    """A new organisation with its owner, signed in. 409 EMAIL_ALREADY_EXISTS once the address is proven."""
    service.check_password(body)
    async with auth.db.system_tx() as tx:
        taken = await service.is_taken(tx, auth, body, origin)
    if taken:
        raise EmailAlreadyExistsError(field="email")
    password_hash = await auth.hasher.hash(body.password)
    async with auth.db.tenant_tx(tenants.new_id()) as tx:
        signed_in = await service.register(tx, auth, signer, body, password_hash, origin)
    return success_response(signed_in, "Welcome. Check your mail to confirm the address")


@router.post(
    "/verify-email", response_model=ApiResponse[UserOut], responses=error_responses(400, 404, 409, 422)
)
async def verify_email(
    body: VerifyEmailRequest, origin: Origin, auth: AuthDep, tx: SystemTx
) -> ApiResponse[UserOut]:
    """Prove an address with the token from the mail. It works once, for an hour."""
    token = tokens.parse(body.token)
    user_id = await tokens.redeem(tx, auth, token, "verify_email")
    member = await users.prove_email(tx, auth, token.tenant_id, user_id, service.mailbox_act(origin))
    return success_response(UserOut.of(member))


@router.post(
    "/verify-email/resend", response_model=ApiResponse[None], responses=error_responses(401, 403, 404, 429)
)
async def resend_verification(
    user: CurrentUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[None]:
    """Send the caller a new link. Nothing is sent when the address is proven already."""
    member = await users.own(tx, user)
    await limits.count_mail(tx, auth, "verify", member.email, origin)
    if not member.is_proven:
        await users.send_verification(tx, auth, member)
    return success_response(None, "If the address is not confirmed yet, a mail is on its way")
