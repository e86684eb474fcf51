"""For other services only: the gateway never routes these, and each caller has its own key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from auth_service.api_keys import service as api_keys
from auth_service.context import AuthDep, Origin, SignerDep
from auth_service.internal import service
from auth_service.internal.schemas import ExchangedKey, ExchangeRequest, InternalUserRequest
from auth_service.tenants import service as tenants
from auth_service.tenants.schemas import TenantOut
from auth_service.users import repository as users
from auth_service.users.schemas import UserOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import Page, ServiceCaller, SystemTx

router = APIRouter(prefix="/internal", tags=["internal"])


@router.post(
    "/users",
    status_code=201,
    response_model=ApiResponse[UserOut],
    responses=error_responses(400, 401, 404, 409, 422, 503),
)
async def create_user(
    caller: ServiceCaller, body: InternalUserRequest, origin: Origin, auth: AuthDep
) -> ApiResponse[UserOut]:
    """A new member of a tenant."""
    async with auth.db.system_tx() as tx:
        await service.check_new_user(tx, body)
    password_hash = await auth.hasher.hash(body.password) if body.password is not None else None
    async with auth.db.tenant_tx(body.tenant_id) as tx:
        member = await service.create_user(tx, auth, body, password_hash, caller, origin)
    return success_response(UserOut.of(member))


@router.get("/users", response_model=ApiResponse[list[UserOut]], responses=error_responses(400, 401, 422))
async def list_users(
    _: ServiceCaller,
    page: Page,
    tx: SystemTx,
    tenant_id: UUID | None = None,
    email: Annotated[str | None, Query(max_length=254, pattern=r"^[^\x00]+$")] = None,
) -> ApiResponse[list[UserOut]]:
    """Users of one tenant or of all, oldest first."""
    rows = await users.page_of_all(tx, tenant_id, email, page.value(0), page.value(1), page.fetch_limit)
    return page.respond(rows, lambda row: (row.created_at, row.id), UserOut.of)


@router.post(
    "/api-keys/exchange", response_model=ApiResponse[ExchangedKey], responses=error_responses(400, 401, 422)
)
async def exchange_api_key(
    _: ServiceCaller, body: ExchangeRequest, auth: AuthDep, signer: SignerDep, tx: SystemTx
) -> ApiResponse[ExchangedKey]:
    """A short access token for an API key. 401 INVALID_API_KEY when it is unknown, expired or revoked."""
    result = await api_keys.exchange(tx, auth, signer, body.key)
    return success_response(
        ExchangedKey(
            access_token=result.access_token,
            expires_in=result.expires_in,
            tenant_id=result.tenant_id,
            key_id=result.key_id,
            scopes=list(result.scopes),
        )
    )


@router.get(
    "/tenants/{tenant_id}", response_model=ApiResponse[TenantOut], responses=error_responses(401, 404, 422)
)
async def get_tenant(_: ServiceCaller, tenant_id: UUID, tx: SystemTx) -> ApiResponse[TenantOut]:
    """A tenant's settings."""
    return success_response(TenantOut.of(await tenants.get(tx, tenant_id)))
