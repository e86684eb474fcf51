"""A tenant's providers."""

from __future__ import annotations

from fastapi import APIRouter

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantPath, TenantTx

from . import service
from .schemas import ChannelsIn, ChannelsOut

router = APIRouter(prefix="/api/v2/sending/{tenant_id}", tags=["sending"])


@router.get("/channels", responses=error_responses(401, 403, 404, 422))
async def get_channels(tenant_id: TenantPath, user: AdminUser, tx: ReadTx) -> ApiResponse[ChannelsOut]:
    """The providers in order and the state of their circuits. Secrets are never given out."""
    return success_response(await service.get(tx))


@router.put("/channels", responses=error_responses(400, 401, 403, 404, 422))
async def put_channels(
    tenant_id: TenantPath, body: ChannelsIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ChannelsOut]:
    """Replace the providers. They are used in this order: the next when one cannot be reached, refuses us
    or has temporary trouble. A mail of which the outcome is unknown is sent by no other."""
    return success_response(await service.put(rt, tx, user.user_id, body))
