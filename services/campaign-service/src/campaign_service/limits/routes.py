"""A tenant's rates and address pools."""

from __future__ import annotations

from fastapi import APIRouter

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, OperatorUser, ReadTx, RuntimeDep, TenantPath, TenantTx

from . import service
from .schemas import LimitsIn, LimitsOut, PoolsIn, PoolsOut

router = APIRouter(prefix="/api/v2/sending/{tenant_id}", tags=["sending"])
_READ = error_responses(401, 403, 404, 422)
_WRITE = error_responses(400, 401, 403, 404, 422)


@router.get("/limits", responses=_READ)
async def get_limits(
    tenant_id: TenantPath, user: OperatorUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[LimitsOut]:
    """How fast campaigns may go, and how many mails may go now."""
    return success_response(await service.limits(tx, rt.clock.now()))


@router.put("/limits", responses=_WRITE)
async def put_limits(
    tenant_id: TenantPath, body: LimitsIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[LimitsOut]:
    """Replace the rates. Campaigns keep them from their next batch on; single messages are not limited."""
    return success_response(await service.put_limits(tx, user.user_id, body, rt.clock.now()))


@router.get("/ip-pools", responses=_READ)
async def get_ip_pools(
    tenant_id: TenantPath, user: OperatorUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[PoolsOut]:
    """The pools of sending addresses and their rates."""
    return success_response(await service.pools(tx, rt.clock.now()))


@router.put("/ip-pools", responses=_WRITE)
async def put_ip_pools(
    tenant_id: TenantPath, body: PoolsIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[PoolsOut]:
    """Replace the pools."""
    return success_response(await service.put_pools(tx, user.user_id, body, rt.clock.now()))
