"""Segments: saved filters over contacts, counted at once."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from campaign_service.contacts.schemas import ContactOut
from campaign_service.segments import repository, service
from campaign_service.segments.query import repository as query
from campaign_service.segments.schemas import (
    CountedSegment,
    DeletedSegment,
    Preview,
    PreviewIn,
    SegmentIn,
    SegmentOut,
)
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}/segments", tags=["segments"])


@router.post("", status_code=201, responses=error_responses(400, 401, 403, 404, 409, 422))
async def create_segment(
    tenant_id: TenantPath, body: SegmentIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[CountedSegment]:
    """Keep a filter under a name; 409 when the name is taken."""
    made = await service.create(tx, tenant_id, body.name, body.definition, rt.clock.now())
    return success_response(CountedSegment(**made))


@router.post("/preview", responses=error_responses(400, 401, 404, 422))
async def preview_segment(
    tenant_id: TenantPath, body: PreviewIn, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[Preview]:
    """Count a filter without keeping it. Rules nest by `all`, `any` and `not`."""
    compiled = await service.compile_rule(tx, tenant_id, body.definition, rt.clock.now())
    number = await query.count(tx, compiled)
    sample = await service.members(tx, tenant_id, compiled, None, service.SAMPLE_SIZE)
    return success_response(Preview(count=number, sample=[ContactOut(**row) for row in sample]))


@router.get("", responses=error_responses(400, 401, 404, 422))
async def list_segments(tenant_id: TenantPath, page: Page, tx: ReadTx) -> ApiResponse[list[SegmentOut]]:
    """In the order of names."""
    rows = await repository.page(tx, tenant_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["name"]], lambda row: SegmentOut(**row))


@router.get("/{segment_id}", responses=error_responses(400, 401, 404, 422))
async def get_segment(
    tenant_id: TenantPath, segment_id: UUID, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[CountedSegment]:
    """400 when a tag of it is gone."""
    segment = await service.get(tx, tenant_id, segment_id)
    compiled = await service.condition_of(tx, tenant_id, segment_id, rt.clock.now())
    return success_response(CountedSegment(**segment, count=await query.count(tx, compiled)))


@router.get("/{segment_id}/contacts", responses=error_responses(400, 401, 404, 422))
async def segment_contacts(
    tenant_id: TenantPath, segment_id: UUID, page: Page, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[list[ContactOut]]:
    """Whom the segment means now, the earliest contacts first."""
    compiled = await service.condition_of(tx, tenant_id, segment_id, rt.clock.now())
    rows = await service.members(tx, tenant_id, compiled, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: ContactOut(**row))


@router.put("/{segment_id}", responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_segment(
    tenant_id: TenantPath,
    segment_id: UUID,
    body: SegmentIn,
    user: OperatorUser,
    tx: TenantTx,
    rt: RuntimeDep,
) -> ApiResponse[CountedSegment]:
    """Replace name and rules."""
    changed = await service.update(tx, tenant_id, segment_id, body.name, body.definition, rt.clock.now())
    return success_response(CountedSegment(**changed))


@router.delete("/{segment_id}", responses=error_responses(401, 403, 404, 409, 422))
async def delete_segment(
    tenant_id: TenantPath, segment_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[DeletedSegment]:
    """The filter goes, the contacts stay. 409 while a campaign is yet to be sent to it."""
    await service.delete(tx, tenant_id, segment_id)
    return success_response(DeletedSegment(id=segment_id))
