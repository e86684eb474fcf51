"""Addresses that are not written to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from campaign_service.contacts.types import Channel, Line
from campaign_service.suppressions import repository, service
from campaign_service.suppressions.schemas import (
    BatchOut,
    LiftedOut,
    Reason,
    Scope,
    SuppressionBatch,
    SuppressionHistoryOut,
    SuppressionIn,
    SuppressionOut,
)
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/suppressions", tags=["suppressions"])
_READ = error_responses(400, 401, 404, 422)
_WRITE = error_responses(400, 401, 403, 404, 422)
Address = Annotated[Line, Query(min_length=1)]


def _out(row: dict[str, Any]) -> SuppressionOut:
    return SuppressionOut(**row)


@router.get("/{tenant_id}", responses=_READ)
async def list_suppressions(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    q: Annotated[Line | None, Query(description="Part of the address")] = None,
    channel: Channel | None = None,
    scope: Scope | None = None,
    reason: Reason | None = None,
) -> ApiResponse[list[SuppressionOut]]:
    """Latest first. Expired ones are listed too; they no longer hold anything back."""
    filters: dict[str, str | None] = {"q": q, "channel": channel, "scope": scope, "reason": reason}
    rows = await repository.page(tx, tenant_id, filters, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], _out)


@router.post("/{tenant_id}", status_code=201, responses=_WRITE)
async def add_suppression(
    tenant_id: TenantPath, body: SuppressionIn, user: OperatorUser, tx: TenantTx
) -> ApiResponse[SuppressionOut]:
    """Suppress an address. The contact of that address gets the status that goes with the reason."""
    return success_response(_out(await service.add(tx, tenant_id, body)))


@router.post("/{tenant_id}/bulk", responses=_WRITE)
async def add_suppressions(
    tenant_id: TenantPath, body: SuppressionBatch, user: OperatorUser, tx: TenantTx
) -> ApiResponse[BatchOut]:
    """Suppress up to 1,000 addresses."""
    return success_response(await service.add_batch(tx, tenant_id, body.items))


@router.get("/{tenant_id}/history", responses=_READ)
async def suppression_history(
    tenant_id: TenantPath, page: Page, tx: ReadTx, address: Annotated[Line | None, Query()] = None
) -> ApiResponse[list[SuppressionHistoryOut]]:
    """What was suppressed, changed and lifted, latest first; of one address when it is given."""
    rows = await repository.history(tx, tenant_id, address, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: SuppressionHistoryOut(**row))


@router.delete("/{tenant_id}", responses=_WRITE)
async def lift_by_address(
    tenant_id: TenantPath,
    user: OperatorUser,
    tx: TenantTx,
    address: Address,
    channel: Channel = "email",
    scope: Scope | None = None,
) -> ApiResponse[LiftedOut]:
    """Lift what holds an address back, in one scope or in both."""
    lifted = await service.lift(tx, tenant_id, address=address, channel=channel, scope=scope)
    return success_response(LiftedOut(lifted=lifted))


@router.delete("/{tenant_id}/{suppression_id}", responses=_WRITE)
async def lift_suppression(
    tenant_id: TenantPath, suppression_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[LiftedOut]:
    """Lift one suppression. Its history stays."""
    return success_response(
        LiftedOut(lifted=await service.lift(tx, tenant_id, suppression_id=suppression_id))
    )
