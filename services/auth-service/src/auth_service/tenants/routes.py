"""The caller's own tenant."""

from __future__ import annotations

from fastapi import APIRouter

from auth_service.audit.service import Act, Actor
from auth_service.context import AuthDep, Origin
from auth_service.tenants import service
from auth_service.tenants.schemas import TenantChanges, TenantOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, ReadTx, TenantTx

router = APIRouter(prefix="/tenants", tags=["tenants"])


@router.get("/current", response_model=ApiResponse[TenantOut], responses=error_responses(401, 404))
async def get_current(user: CurrentUser, tx: ReadTx) -> ApiResponse[TenantOut]:
    """The caller's organisation."""
    return success_response(TenantOut.of(await service.get(tx, user.tenant_id)))


@router.patch(
    "/current", response_model=ApiResponse[TenantOut], responses=error_responses(400, 401, 403, 404, 422)
)
async def change_current(
    body: TenantChanges, user: AdminUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[TenantOut]:
    """Change settings of the organisation. Needs the role admin."""
    act = Act(Actor.of(user), origin)
    return success_response(TenantOut.of(await service.change(tx, auth, user.tenant_id, body, act)))
