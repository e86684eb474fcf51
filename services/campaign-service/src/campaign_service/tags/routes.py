"""Tags of contacts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from campaign_service.contacts.types import Line
from campaign_service.tags import repository, service
from campaign_service.tags.schemas import DeletedTag, TagIn, TagOut, TagUpdate
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/tags", tags=["tags"])


def _out(row: dict[str, Any]) -> TagOut:
    return TagOut(**row)


@router.post("", status_code=201, responses=error_responses(400, 401, 403, 404, 409, 422))
async def create_tag(body: TagIn, user: OperatorUser, tx: TenantTx) -> ApiResponse[TagOut]:
    """A new tag; 409 when the slug is taken."""
    body.require_tenant(user.tenant_id)
    return success_response(_out(await service.create(tx, user.tenant_id, body)))


@router.get("/{tenant_id}", responses=error_responses(400, 401, 404, 422))
async def list_tags(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    q: Annotated[Line | None, Query(description="Part of slug or name")] = None,
) -> ApiResponse[list[TagOut]]:
    """Tags with their numbers of contacts, in the order of slugs."""
    rows = await repository.page(tx, tenant_id, q, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["slug"]], _out)


@router.get("/{tenant_id}/{tag_id}", responses=error_responses(401, 404, 422))
async def get_tag(tenant_id: TenantPath, tag_id: UUID, tx: ReadTx) -> ApiResponse[TagOut]:
    return success_response(_out(await service.get(tx, tenant_id, tag_id)))


@router.put("/{tenant_id}/{tag_id}", responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_tag(
    tenant_id: TenantPath, tag_id: UUID, body: TagUpdate, user: OperatorUser, tx: TenantTx
) -> ApiResponse[TagOut]:
    """Fields that are given change. A slug cannot change below a scheduled campaign (409)."""
    return success_response(_out(await service.update(tx, tenant_id, tag_id, body)))


@router.delete("/{tenant_id}/{tag_id}", responses=error_responses(401, 403, 404, 409, 422))
async def delete_tag(
    tenant_id: TenantPath, tag_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[DeletedTag]:
    """Takes the tag from its contacts too. 409 while a scheduled campaign chooses its audience by it."""
    contacts = await service.delete(tx, tenant_id, tag_id)
    return success_response(DeletedTag(id=tag_id, contacts=contacts))
