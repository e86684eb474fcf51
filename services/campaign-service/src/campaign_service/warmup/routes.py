"""A tenant's warm-up plans."""

from __future__ import annotations

from fastapi import APIRouter

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, OperatorUser, ReadTx, RuntimeDep, TenantPath, TenantTx

from . import service
from .schemas import WarmupIn, WarmupOut

router = APIRouter(prefix="/api/v2/sending/{tenant_id}", tags=["sending"])


@router.get("/warmup", responses=error_responses(401, 403, 404, 422))
async def get_warmup(
    tenant_id: TenantPath, user: OperatorUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[WarmupOut]:
    """The plans with today's caps, what of them is used, and what came of the mails."""
    return success_response(await service.get(tx, rt.clock.now()))


@router.put("/warmup", responses=error_responses(400, 401, 403, 404, 422))
async def put_warmup(
    tenant_id: TenantPath, body: WarmupIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[WarmupOut]:
    """Replace the plans. Campaigns obey them at once: what is over a cap waits for the next day."""
    return success_response(await service.put(tx, user.user_id, body, rt.clock.now()))
