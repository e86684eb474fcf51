"""HTTP of the settings of tracking."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from campaign_service.tracking.preferences import repository
from shared.models import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/sending/{tenant_id}", tags=["sending"])


class TrackingSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    link_trap: bool = Field(
        description="Mails have a link that no person sees; who follows it is a scanner, and so is what else "
        "it asks for in that mail"
    )


@router.get("/tracking", responses=error_responses(401, 404, 422))
async def get_tracking(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[TrackingSettings]:
    """How mails are tracked."""
    return success_response(TrackingSettings(link_trap=await repository.has_link_trap(tx, tenant_id)))


@router.put("/tracking", responses=error_responses(401, 403, 404, 422))
async def put_tracking(
    tenant_id: TenantPath, body: TrackingSettings, user: AdminUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[TrackingSettings]:
    """Replace the settings, for campaigns that start from now on."""
    await repository.save(tx, tenant_id, body.link_trap, user.user_id, runtime.clock.now())
    return success_response(body)
