"""What a person may ask for: everything that is kept about them, and to be forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from campaign_service.contacts.privacy import repository, service
from campaign_service.contacts.service import NOT_FOUND
from shared.errors import NotFoundError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantPath

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}/{contact_id}", tags=["contacts"])


class Erased(BaseModel):
    """The id that nobody has any more, or soon: `is_done` is false while an import holds the contact."""

    id: UUID
    is_done: bool


@router.get("/personal-data", responses=error_responses(401, 403, 404, 422))
async def personal_data(
    tenant_id: TenantPath, contact_id: UUID, user: AdminUser, tx: ReadTx
) -> ApiResponse[dict[str, list[dict[str, Any]]]]:
    """Everything kept about one person, by what it is: contact, mails, texts, events, suppressions."""
    person = await repository.find(tx, tenant_id, contact_id)
    if person is None:
        raise NotFoundError(NOT_FOUND)
    return success_response(await repository.everything(tx, tenant_id, person))


@router.post("/erase", responses=error_responses(401, 403, 404, 422))
async def erase_contact(
    tenant_id: TenantPath, contact_id: UUID, user: AdminUser, rt: RuntimeDep
) -> ApiResponse[Erased]:
    """Forget a person for good. Figures stay; of address and number only a digest is kept, which no import
    passes. Files of exports that may hold the person are removed. Cannot be undone.
    """
    return success_response(Erased(id=contact_id, is_done=await service.erase(rt, tenant_id, contact_id)))
