"""Data sources: where contacts come from."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query

from campaign_service.sources import repository, service
from campaign_service.sources.schemas import (
    DeletedSource,
    SourceIn,
    SourceOut,
    SourceType,
    SourceUpdate,
    SyncAccepted,
    SyncIn,
)
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/data-sources", tags=["data-sources"])
_WRITE = error_responses(400, 401, 403, 404, 409, 422)


@router.post("", status_code=201, responses=_WRITE)
async def create_source(
    body: Annotated[SourceIn, Body()], user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[SourceOut]:
    """A new source. Its secret is stored encrypted and never given out; 409 when the name is taken."""
    body.require_tenant(user.tenant_id)
    return success_response(await service.create(rt, tx, user.user_id, body))


@router.get("/{tenant_id}", responses=error_responses(400, 401, 404, 422))
async def list_sources(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    kind: Annotated[SourceType | None, Query(alias="type")] = None,
) -> ApiResponse[list[SourceOut]]:
    """Sources with their numbers of contacts, oldest first."""
    rows = await repository.page(tx, tenant_id, kind, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: SourceOut(**row))


@router.get("/{tenant_id}/{source_id}", responses=error_responses(401, 404, 422))
async def get_source(tenant_id: TenantPath, source_id: UUID, tx: ReadTx) -> ApiResponse[SourceOut]:
    """With the report of the latest sync or import."""
    return success_response(await service.get(tx, source_id))


@router.put("/{tenant_id}/{source_id}", responses=_WRITE)
async def update_source(
    tenant_id: TenantPath,
    source_id: UUID,
    body: SourceUpdate,
    user: AdminUser,
    tx: TenantTx,
    rt: RuntimeDep,
) -> ApiResponse[SourceOut]:
    """Fields that are given change, also inside `settings`. The type stays as it is."""
    return success_response(await service.update(rt, tx, source_id, body))


@router.delete("/{tenant_id}/{source_id}", responses=_WRITE)
async def delete_source(
    tenant_id: TenantPath, source_id: UUID, user: AdminUser, tx: TenantTx
) -> ApiResponse[DeletedSource]:
    """409 while contacts hang on it, or while it is read."""
    await service.delete(tx, source_id)
    return success_response(DeletedSource(id=source_id))


@router.post("/{tenant_id}/{source_id}/sync", status_code=202, responses=_WRITE)
async def sync_source(
    tenant_id: TenantPath,
    source_id: UUID,
    user: OperatorUser,
    tx: TenantTx,
    rt: RuntimeDep,
    body: SyncIn | None = None,
) -> ApiResponse[SyncAccepted]:
    """Read what is new in a job; one at a time for a source."""
    force = body is not None and body.force
    return success_response(await service.sync(rt, tx, user.user_id, source_id, force=force))
