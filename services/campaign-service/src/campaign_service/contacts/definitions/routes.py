"""Definitions of custom fields."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from campaign_service.contacts.definitions import repository, service
from campaign_service.contacts.definitions.schemas import (
    DeletedField,
    FieldIn,
    FieldOut,
    FieldSettings,
    FieldUpdate,
)
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}", tags=["contact-fields"])
_WRITE = error_responses(400, 401, 403, 404, 409, 422)


@router.get("/fields", responses=error_responses(401, 404, 422))
async def list_fields(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[list[FieldOut]]:
    """All of them, in the order of keys."""
    return success_response([FieldOut(**row) for row in await repository.all_of(tx, tenant_id)])


@router.post("/fields", status_code=201, responses=_WRITE)
async def create_field(
    tenant_id: TenantPath, body: FieldIn, user: AdminUser, tx: TenantTx
) -> ApiResponse[FieldOut]:
    """Say what a custom field takes. Values that contacts have already stay as they are."""
    return success_response(FieldOut(**await service.create(tx, tenant_id, body)))


@router.get("/fields/{field_id}", responses=error_responses(401, 404, 422))
async def get_field(tenant_id: TenantPath, field_id: UUID, tx: ReadTx) -> ApiResponse[FieldOut]:
    return success_response(FieldOut(**await service.get(tx, tenant_id, field_id)))


@router.put("/fields/{field_id}", responses=_WRITE)
async def update_field(
    tenant_id: TenantPath, field_id: UUID, body: FieldUpdate, user: AdminUser, tx: TenantTx
) -> ApiResponse[FieldOut]:
    """Fields that are given change. Key and type stay."""
    return success_response(FieldOut(**await service.update(tx, tenant_id, field_id, body)))


@router.delete("/fields/{field_id}", responses=_WRITE)
async def delete_field(
    tenant_id: TenantPath, field_id: UUID, user: AdminUser, tx: TenantTx
) -> ApiResponse[DeletedField]:
    """The definition goes; values that contacts have stay."""
    await service.delete(tx, tenant_id, field_id)
    return success_response(DeletedField(id=field_id))


@router.get("/field-settings", responses=error_responses(401, 404, 422))
async def get_field_settings(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[FieldSettings]:
    return success_response(FieldSettings(is_strict=await repository.is_strict(tx, tenant_id)))


@router.put("/field-settings", responses=error_responses(401, 403, 404, 422))
async def set_field_settings(
    tenant_id: TenantPath, body: FieldSettings, user: AdminUser, tx: TenantTx
) -> ApiResponse[FieldSettings]:
    """Whether contacts have only custom fields that are defined."""
    await repository.set_strict(tx, tenant_id, body.is_strict)
    return success_response(body)
