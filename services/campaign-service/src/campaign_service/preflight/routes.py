"""The preflight of a campaign."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import ReadTx, RuntimeDep, TenantPath

from . import service
from .schemas import PreflightOut

router = APIRouter(prefix="/api/v2/campaigns", tags=["campaigns"])


@router.get("/{tenant_id}/{campaign_id}/preflight", responses=error_responses(400, 401, 404, 422))
async def preflight_campaign(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[PreflightOut]:
    """What is wrong or could be better before this campaign is sent. Errors in its contents keep it from
    being sent, unless an administrator does it with `force`."""
    return success_response(await service.run(tx, rt, campaign_id))
