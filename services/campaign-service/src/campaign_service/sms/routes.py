"""A tenant's SMS settings over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from campaign_service.sms import service
from campaign_service.sms.schemas import SmsSettingsIn, SmsSettingsOut
from shared.models import ApiResponse, error_responses, success_response
from shared.web import AdminUser, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/sending", tags=["sending"])


@router.get("/{tenant_id}/sms", responses=error_responses(401, 403, 404))
async def get_sms_settings(
    tenant_id: TenantPath, _: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[SmsSettingsOut]:
    """The account texts are sent with; its token is never shown."""
    return success_response(await service.get_settings(tx, rt, tenant_id))


@router.put("/{tenant_id}/sms", responses=error_responses(400, 401, 403, 404, 422))
async def put_sms_settings(
    tenant_id: TenantPath, body: SmsSettingsIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[SmsSettingsOut]:
    """Replace the settings: account, numbers, prices, quiet hours, answers."""
    return success_response(await service.put_settings(tx, rt, tenant_id, user.user_id, body))
