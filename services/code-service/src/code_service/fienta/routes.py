"""A tenant's account at Fienta."""

from __future__ import annotations

from fastapi import APIRouter

from code_service.fienta import service
from code_service.fienta.schemas import CredentialsIn, CredentialsOut
from code_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/automation/fienta/credentials", tags=["automation"])


@router.get("", responses=error_responses(401, 403))
async def show_fienta_credentials(user: AdminUser, tx: ReadTx, rt: RuntimeDep) -> ApiResponse[CredentialsOut]:
    """The account that automation logs in with; never its password."""
    return success_response(await service.show(tx, settings_of(rt), user.tenant_id))


@router.put("", responses=error_responses(400, 401, 403, 422))
async def store_fienta_credentials(
    body: CredentialsIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[CredentialsOut]:
    """Store the account, encrypted, in place of what was stored."""
    by = f"{user.kind}:{user.user_id}"
    stored = await service.store(tx, settings_of(rt), rt.clock, user.tenant_id, by, body)
    return success_response(stored)


@router.delete("", responses=error_responses(401, 403))
async def delete_fienta_credentials(user: AdminUser, tx: TenantTx) -> ApiResponse[CredentialsOut]:
    """Forget the account. Jobs that need it fail from now on."""
    return success_response(await service.forget(tx, user.tenant_id))
