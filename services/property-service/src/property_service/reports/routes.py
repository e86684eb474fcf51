"""Report settings over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from property_service.reports import service
from property_service.reports.schemas import ReportSettings, ReportSettingsOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/admin/settings", tags=["reports"])


@router.get("", responses=error_responses(401, 403))
async def get_settings(user: AdminUser, tx: ReadTx) -> ApiResponse[ReportSettingsOut]:
    """Brand, sender and alert address of the tenant's mails."""
    return success_response(await service.settings_for(tx))


@router.put("", responses=error_responses(401, 403, 422))
async def put_settings(
    body: ReportSettings, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ReportSettingsOut]:
    """Replace them; what is left out takes its default."""
    return success_response(await service.change(tx, rt, body))
