"""Templates of mails."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from campaign_service.contacts.types import Line, ShortLine
from campaign_service.templates import repository, service
from campaign_service.templates.schemas import (
    ArchivedTemplate,
    PreviewIn,
    PreviewOut,
    TemplateIn,
    TemplateOut,
    TemplateSummary,
    TemplateUpdate,
    VersionOut,
)
from campaign_service.templates.use_cases import CreateTemplateUseCase, UpdateTemplateUseCase
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/templates", tags=["templates"])
_WRITE = error_responses(400, 401, 403, 404, 409, 422)
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: the current one")]


def _out(row: dict[str, Any]) -> TemplateOut:
    return TemplateOut(**service.out(row))


@router.post("", status_code=201, responses=_WRITE)
async def create_template(body: TemplateIn, user: OperatorUser, tx: TenantTx) -> ApiResponse[TemplateOut]:
    """A new template at version 1. A mistake in the Liquid is answered with field, line and column (400)."""
    body.require_tenant(user.tenant_id)
    return success_response(_out(await CreateTemplateUseCase().execute(tx, user.tenant_id, body)))


@router.get("/{tenant_id}", responses=error_responses(400, 401, 404, 422))
async def list_templates(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    q: Annotated[Line | None, Query(description="Part of the name")] = None,
    category: ShortLine | None = None,
    language: ShortLine | None = None,
    archived: bool = False,
) -> ApiResponse[list[TemplateSummary]]:
    """Newest first, without their contents."""
    filters = {"q": q, "category": category, "language": language, "archived": archived}
    rows = await repository.page(tx, tenant_id, filters, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: TemplateSummary(**row))


@router.get("/{tenant_id}/{template_id}", responses=error_responses(401, 404, 422))
async def get_template(
    tenant_id: TenantPath, template_id: UUID, tx: ReadTx, version: Version = None
) -> ApiResponse[TemplateOut]:
    """With the contents of its current or another version."""
    return success_response(_out(await service.get(tx, tenant_id, template_id, version)))


@router.get("/{tenant_id}/{template_id}/versions", responses=error_responses(400, 401, 404, 422))
async def list_versions(
    tenant_id: TenantPath, template_id: UUID, page: Page, tx: ReadTx
) -> ApiResponse[list[VersionOut]]:
    """Latest first."""
    await service.get(tx, tenant_id, template_id)
    rows = await repository.versions(tx, tenant_id, template_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["version"]], lambda row: VersionOut(**row))


@router.put("/{tenant_id}/{template_id}", responses=_WRITE)
async def update_template(
    tenant_id: TenantPath, template_id: UUID, body: TemplateUpdate, user: OperatorUser, tx: TenantTx
) -> ApiResponse[TemplateOut]:
    """Changed contents make a new version; campaigns that have started keep theirs."""
    return success_response(_out(await UpdateTemplateUseCase().execute(tx, tenant_id, template_id, body)))


@router.delete("/{tenant_id}/{template_id}", responses=error_responses(401, 403, 404, 409, 422))
async def archive_template(
    tenant_id: TenantPath, template_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[ArchivedTemplate]:
    """Archives it: its name is free again, and campaigns that sent it keep their content."""
    return success_response(ArchivedTemplate(**await service.archive(tx, tenant_id, template_id)))


@router.post("/{tenant_id}/{template_id}/preview", responses=error_responses(400, 401, 404, 422))
async def preview_template(
    tenant_id: TenantPath,
    template_id: UUID,
    tx: ReadTx,
    rt: RuntimeDep,
    body: PreviewIn | None = None,
) -> ApiResponse[PreviewOut]:
    """What one person would get: rendered as the send does it, without tracking."""
    return success_response(await service.preview(tx, rt, tenant_id, template_id, body or PreviewIn()))
