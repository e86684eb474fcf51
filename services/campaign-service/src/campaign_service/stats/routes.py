"""HTTP of the figures."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from campaign_service.deliveries import repository as deliveries
from campaign_service.stats import repository, service
from campaign_service.stats.schemas import (
    CampaignStats,
    ContactStats,
    EventStats,
    IssueOut,
    Overview,
    Performance,
)
from shared.models import ApiResponse, error_responses, success_response
from shared.web import Page, ReadTx, RuntimeDep, TenantPath

router = APIRouter(prefix="/api/v2/stats/{tenant_id}", tags=["stats"])
_READ = error_responses(400, 401, 404, 422)


@router.get("/contacts", responses=_READ)
async def contacts(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[ContactStats]:
    """Contacts by status, validation and language."""
    return success_response(await service.contacts(tx, tenant_id))


@router.get("/campaigns", responses=_READ)
async def campaigns(tenant_id: TenantPath, tx: ReadTx, page: Page) -> ApiResponse[CampaignStats]:
    """Delivery, open and click figures: all campaigns together, and one by one, the latest start first."""
    after = (page.value(0), page.value(1)) if page.after else None
    rows = await repository.per_campaign(tx, tenant_id, after, page.fetch_limit)
    listed = page.respond(rows, lambda row: (row["started_at"], row["id"]), service.campaign_figures)
    return success_response(await service.campaigns(tx, tenant_id, listed.data or []), meta=listed.meta)


@router.get("/events", responses=_READ)
async def events(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[EventStats]:
    """Bounces, complaints and the rest of what came back."""
    return success_response(await service.events(tx, tenant_id))


@router.get("/events/unmatched", responses=_READ)
async def unmatched(
    tenant_id: TenantPath,
    tx: ReadTx,
    page: Page,
    kind: Annotated[Literal["unmatched", "rejected"] | None, Query(description="Only of this kind")] = None,
) -> ApiResponse[list[IssueOut]]:
    """Rows of delivery webhooks that fit no mail or could not be read, the latest first."""
    after = (page.value(0), page.value(1)) if page.after else None
    rows = await deliveries.issues(tx, tenant_id, kind, after, page.fetch_limit)
    return page.respond(rows, lambda row: (row["created_at"], row["id"]), IssueOut.model_validate)


@router.get("/overview", responses=_READ)
async def overview(tenant_id: TenantPath, tx: ReadTx) -> ApiResponse[Overview]:
    """Everything at a glance."""
    return success_response(await service.overview(tx, tenant_id))


@router.get("/performance", responses=_READ)
async def performance(
    tenant_id: TenantPath,
    tx: ReadTx,
    runtime: RuntimeDep,
    days: Annotated[int, Query(ge=1, le=366, description="UTC days, today included")] = 7,
) -> ApiResponse[Performance]:
    """Figures day by day."""
    return success_response(await service.performance(tx, tenant_id, days, runtime.clock.now()))
