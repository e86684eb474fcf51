"""HTTP of variants: what differs, how it goes, which one wins."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path

from campaign_service.ab import repository, service
from campaign_service.ab.schemas import DeletedVariants, VariantOut, VariantsIn, VariantsOut
from campaign_service.campaigns import service as campaigns
from shared.database import Tx
from shared.errors import NotFoundError
from shared.models import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/campaigns/{tenant_id}/{campaign_id}/variants", tags=["variants"])

_READ = error_responses(400, 401, 404, 422)
_WRITE = error_responses(400, 401, 403, 404, 409, 422)
_NOTHING = dict.fromkeys(("recipients", "sent", "bounced", "opens", "clicks", "unsubscribed"), 0)
Variants = ApiResponse[VariantsOut]


@router.get("", responses=_READ)
async def get_variants(tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx) -> Variants:
    """The variants with their figures, and how far the test is."""
    campaign = await campaigns.get(tx, tenant_id, campaign_id)
    return success_response(await _shown(tx, campaign))


@router.post("", status_code=201, responses=_WRITE)
async def create_variants(
    tenant_id: TenantPath,
    campaign_id: UUID,
    body: VariantsIn,
    _: OperatorUser,
    tx: TenantTx,
    runtime: RuntimeDep,
) -> Variants:
    """Give a campaign that was not started variants; 409 when it has some."""
    campaign = await service.put(tx, runtime, tenant_id, campaign_id, body, only_new=True)
    return success_response(await _shown(tx, campaign), "Variants created")


@router.put("", responses=_WRITE)
async def replace(
    tenant_id: TenantPath,
    campaign_id: UUID,
    body: VariantsIn,
    _: OperatorUser,
    tx: TenantTx,
    runtime: RuntimeDep,
) -> Variants:
    """These variants in place of those a campaign has, before it is started."""
    campaign = await service.put(tx, runtime, tenant_id, campaign_id, body, only_new=False)
    return success_response(await _shown(tx, campaign), "Variants updated")


@router.delete("", responses=_WRITE)
async def delete_variants(
    tenant_id: TenantPath, campaign_id: UUID, _: OperatorUser, tx: TenantTx
) -> ApiResponse[DeletedVariants]:
    """Back to one mail for all, before the campaign is started."""
    await service.delete(tx, tenant_id, campaign_id)
    return success_response(DeletedVariants(campaign_id=campaign_id), "Variants deleted")


@router.post("/{number}/win", responses=_WRITE)
async def win(
    tenant_id: TenantPath,
    campaign_id: UUID,
    number: Annotated[int, Path(ge=1, le=5)],
    user: OperatorUser,
    tx: TenantTx,
    runtime: RuntimeDep,
) -> Variants:
    """Choose the winner by hand, before or instead of the wait; 409 when there is one."""
    now = runtime.clock.now()
    campaign = await service.win(tx, tenant_id, campaign_id, number, user.user_id, now)
    return success_response(await _shown(tx, campaign), f"Variant {number} has won")


async def _shown(tx: Tx, campaign: dict[str, Any]) -> VariantsOut:
    test = await service.test_of(tx, campaign)
    if test is None:
        raise NotFoundError("The campaign has no variants")
    figures = await service.figures(tx, campaign)
    variants = [
        _variant(variant, figures.get(variant["number"], _NOTHING), test["winner"])
        for variant in test["variants"]
    ]
    held = await repository.held(tx, campaign["tenant_id"], campaign["id"])
    return VariantsOut.model_validate(
        {**test, "phase": _phase(campaign, test), "held": held, "variants": variants}
    )


def _variant(variant: dict[str, Any], figures: dict[str, int], winner: int | None) -> VariantOut:
    sent = figures["sent"] or 1
    return VariantOut(
        **{**figures, **variant},
        open_rate=round(figures["opens"] / sent, 4),
        click_rate=round(figures["clicks"] / sent, 4),
        is_winner=variant["number"] == winner,
    )


def _phase(campaign: dict[str, Any], test: dict[str, Any]) -> str:
    if test["winner"] is not None:
        return "decided"
    if campaign["started_at"] is None:
        return "draft"
    if test["tested_at"] is None:
        return "testing"
    return "waiting" if test["automatic"] else "by_hand"
