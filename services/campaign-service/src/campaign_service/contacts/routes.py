"""Contacts: the people a tenant writes to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from campaign_service.contacts import bulk, repository, service
from campaign_service.contacts.export import export_csv
from campaign_service.contacts.schemas import (
    BulkIn,
    BulkOut,
    ContactCampaign,
    ContactEvent,
    ContactHistory,
    ContactIn,
    ContactOut,
    ContactStatus,
    ContactUpdate,
    DeletedContact,
)
from campaign_service.contacts.types import Line, ShortLine, Slug
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts", tags=["contacts"])


def contact_filters(
    q: Annotated[Line | None, Query(description="Part of address or name")] = None,
    tag: Annotated[Slug | None, Query(description="Slug of a tag")] = None,
    status: ContactStatus | None = None,
    language: ShortLine | None = None,
    source_id: UUID | None = None,
) -> dict[str, Any]:
    """The filters a list of contacts takes."""
    return {"q": q, "tag": tag, "status": status, "language": language, "source_id": source_id}


Filters = Annotated[dict[str, Any], Depends(contact_filters)]


def _out(row: dict[str, Any]) -> ContactOut:
    return ContactOut(**row)


@router.post("", status_code=201, responses=error_responses(400, 401, 403, 404, 409, 422))
async def create_contact(body: ContactIn, user: OperatorUser, tx: TenantTx) -> ApiResponse[ContactOut]:
    """A new contact; 409 when the address is there already."""
    body.require_tenant(user.tenant_id)
    return success_response(_out(await service.create(tx, user.tenant_id, body, user.user_id)))


@router.get("/{tenant_id}", responses=error_responses(400, 401, 404, 422))
async def list_contacts(
    tenant_id: TenantPath, filters: Filters, page: Page, tx: ReadTx
) -> ApiResponse[list[ContactOut]]:
    """Newest first."""
    rows = await repository.page(tx, tenant_id, filters, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], _out)


@router.get(
    "/{tenant_id}/export.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 404, 422)},
)
async def export_contacts(tenant_id: TenantPath, filters: Filters, rt: RuntimeDep) -> StreamingResponse:
    """The same list as CSV (UTF-8 with BOM). Cells that a spreadsheet would run are made harmless."""
    return StreamingResponse(
        export_csv(rt.db, tenant_id, filters),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="contacts.csv"'},
    )


@router.post("/{tenant_id}/bulk", responses=error_responses(400, 401, 403, 404, 422))
async def bulk_contacts(
    tenant_id: TenantPath, body: BulkIn, user: OperatorUser, tx: TenantTx
) -> ApiResponse[BulkOut]:
    """Create, update, tag, untag or delete up to 1,000 contacts; one result per item."""
    return success_response(await bulk.run(tx, tenant_id, body, user.user_id))


@router.get("/{tenant_id}/{contact_id}", responses=error_responses(401, 404, 422))
async def get_contact(tenant_id: TenantPath, contact_id: UUID, tx: ReadTx) -> ApiResponse[ContactOut]:
    return success_response(_out(await service.get(tx, tenant_id, contact_id)))


@router.put("/{tenant_id}/{contact_id}", responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_contact(
    tenant_id: TenantPath, contact_id: UUID, body: ContactUpdate, user: OperatorUser, tx: TenantTx
) -> ApiResponse[ContactOut]:
    """Fields that are given change, the others stay."""
    await service.update(tx, tenant_id, contact_id, body, user.user_id)
    return success_response(_out(await service.get(tx, tenant_id, contact_id)))


@router.delete("/{tenant_id}/{contact_id}", responses=error_responses(401, 403, 404, 422))
async def delete_contact(
    tenant_id: TenantPath, contact_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[DeletedContact]:
    """The contact goes; what campaigns sent to it, and suppressions of its address, stay on record."""
    await service.delete(tx, tenant_id, contact_id)
    return success_response(DeletedContact(id=contact_id))


@router.get("/{tenant_id}/{contact_id}/events", responses=error_responses(400, 401, 404, 422))
async def contact_events(
    tenant_id: TenantPath, contact_id: UUID, page: Page, tx: ReadTx
) -> ApiResponse[ContactHistory]:
    """What was sent to a contact and what came back, latest first."""
    await service.get(tx, tenant_id, contact_id)
    rows = await repository.events(tx, tenant_id, contact_id, page.after, page.fetch_limit)
    events = page.respond(rows, lambda row: [row["occurred_at"], row["id"]], lambda row: ContactEvent(**row))
    campaigns = [ContactCampaign(**row) for row in await repository.campaigns(tx, tenant_id, contact_id)]
    return success_response(ContactHistory(campaigns=campaigns, events=events.data or []), meta=events.meta)
