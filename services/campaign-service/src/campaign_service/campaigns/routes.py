"""HTTP of campaigns: writing them and moving them from status to status."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from campaign_service.campaigns import repository, service
from campaign_service.campaigns.schemas import (
    CampaignIn,
    CampaignOut,
    CampaignUpdate,
    DeletedCampaign,
    RetryIn,
    RetryOut,
    ScheduleIn,
    SendOut,
)
from campaign_service.campaigns.states import Status
from campaign_service.campaigns.use_cases import (
    CreateCampaignUseCase,
    SendCampaignUseCase,
    UpdateCampaignUseCase,
)
from campaign_service.preflight import service as preflight
from shared.database import Tx
from shared.errors import ForbiddenError, NotFoundError
from shared.models import ApiResponse, error_responses, success_response
from shared.models.identity import Identity
from shared.web import Idem, OperatorUser, Page, ReadTx, Runtime, RuntimeDep, SenderUser, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/campaigns", tags=["campaigns"])

_READ = error_responses(400, 401, 404, 422)
_WRITE = error_responses(400, 401, 403, 404, 409, 422)
OneCampaign = ApiResponse[CampaignOut]
Force = Annotated[bool, Query(description="Send in spite of errors; administrators only")]


def _out(campaign: dict[str, Any]) -> CampaignOut:
    return CampaignOut.model_validate(campaign)


def _check_tenant(tenant_id: UUID | None, user: Identity) -> None:
    if tenant_id not in (None, user.tenant_id):
        raise NotFoundError("There is no such tenant")


@router.post("", status_code=201, responses=_WRITE)
async def create(body: CampaignIn, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep) -> OneCampaign:
    """A new draft. `scheduled_at` is kept for `schedule`; nothing is sent before `send` or `schedule`."""
    _check_tenant(body.tenant_id, user)
    campaign = await CreateCampaignUseCase(runtime).execute(tx, user.tenant_id, body, user.user_id)
    return success_response(_out(campaign), "Campaign created")


@router.get("/{tenant_id}", responses=_READ)
async def list_all(
    tenant_id: TenantPath,
    tx: ReadTx,
    page: Page,
    status: Annotated[Status | None, Query(description="Only campaigns of this status")] = None,
) -> ApiResponse[list[CampaignOut]]:
    """Campaigns, the newest first."""
    after = (page.value(0), page.value(1)) if page.after else None
    rows = await repository.page(tx, tenant_id, status, after, page.fetch_limit)
    return page.respond(rows, lambda row: (row["created_at"], row["id"]), _out)


@router.get("/{tenant_id}/{campaign_id}", responses=_READ)
async def get(tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx) -> OneCampaign:
    return success_response(_out(await service.get(tx, tenant_id, campaign_id)))


@router.put("/{tenant_id}/{campaign_id}", responses=_WRITE)
async def update(
    tenant_id: TenantPath,
    campaign_id: UUID,
    body: CampaignUpdate,
    user: OperatorUser,
    tx: TenantTx,
    runtime: RuntimeDep,
) -> OneCampaign:
    """Replace the given fields of a draft or scheduled campaign; the others stay as they are."""
    _check_tenant(body.tenant_id, user)
    campaign = await UpdateCampaignUseCase(runtime).execute(tx, tenant_id, campaign_id, body)
    return success_response(_out(campaign), "Campaign updated")


@router.delete("/{tenant_id}/{campaign_id}", responses=_WRITE)
async def delete(
    tenant_id: TenantPath, campaign_id: UUID, _: OperatorUser, tx: TenantTx
) -> ApiResponse[DeletedCampaign]:
    """Remove a campaign that never started."""
    await service.delete(tx, tenant_id, campaign_id)
    return success_response(DeletedCampaign(id=campaign_id), "Campaign deleted")


@router.post("/{tenant_id}/{campaign_id}/duplicate", status_code=201, responses=_WRITE)
async def duplicate(
    tenant_id: TenantPath, campaign_id: UUID, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> OneCampaign:
    """A new draft with the same content and audience rules."""
    now = runtime.clock.now()
    campaign = await service.duplicate(tx, tenant_id, campaign_id, user.user_id, now)
    return success_response(_out(campaign), "Campaign duplicated")


@router.post(
    "/{tenant_id}/{campaign_id}/send", status_code=202, response_model=ApiResponse[SendOut], responses=_WRITE
)
async def send(
    tenant_id: TenantPath,
    campaign_id: UUID,
    user: SenderUser,
    tx: TenantTx,
    runtime: RuntimeDep,
    idem: Idem,
    force: Force = False,
) -> ApiResponse[Any] | Response:
    """Freeze the audience now and start sending. Takes an Idempotency-Key."""

    async def action() -> ApiResponse[SendOut]:
        await _check_words(tx, runtime, campaign_id, user, force)
        campaign = await SendCampaignUseCase(runtime).execute(tx, tenant_id, campaign_id)
        return success_response(_sending(campaign, "Campaign queued for sending"))

    return await idem.run(tx, action, status=202)


async def _check_words(tx: Tx, runtime: Runtime, campaign_id: UUID, user: Identity, force: bool) -> None:
    if force and not user.has_role("admin"):
        raise ForbiddenError("Only administrators send in spite of errors")
    if not force:
        await preflight.require(tx, runtime, campaign_id)


def _sending(campaign: dict[str, Any], message: str) -> SendOut:
    return SendOut(
        campaign_id=campaign["id"],
        status=campaign["status"],
        message=message,
        recipient_count=campaign["recipient_count"],
    )


@router.post("/{tenant_id}/{campaign_id}/schedule", responses=_WRITE)
async def schedule(
    tenant_id: TenantPath,
    campaign_id: UUID,
    user: SenderUser,
    tx: TenantTx,
    runtime: RuntimeDep,
    body: ScheduleIn | None = None,
    force: Force = False,
) -> OneCampaign:
    """Send at a time; `{"scheduled_at": null}` takes the schedule away again.

    The contents are checked now and again when it is due, then with the template as it is by that time.
    """
    now = runtime.clock.now()
    if body is not None and "scheduled_at" in body.model_fields_set and body.scheduled_at is None:
        campaign = await service.unschedule(tx, tenant_id, campaign_id, now)
        return success_response(_out(campaign), "Schedule taken away")
    await _check_words(tx, runtime, campaign_id, user, force)
    at = body.scheduled_at if body else None
    campaign = await service.schedule(tx, tenant_id, campaign_id, at, now, forced=force)
    return success_response(_out(campaign), "Campaign scheduled")


@router.post("/{tenant_id}/{campaign_id}/pause", responses=_WRITE)
async def pause(
    tenant_id: TenantPath, campaign_id: UUID, _: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> OneCampaign:
    """No new mails from now on; those in flight go their way."""
    return success_response(_out(await service.pause(tx, tenant_id, campaign_id, runtime.clock.now())))


@router.post("/{tenant_id}/{campaign_id}/resume", responses=_WRITE)
async def resume(
    tenant_id: TenantPath, campaign_id: UUID, _: SenderUser, tx: TenantTx, runtime: RuntimeDep
) -> OneCampaign:
    """Go on sending, without those who were suppressed meanwhile."""
    return success_response(_out(await service.resume(tx, tenant_id, campaign_id, runtime.clock.now())))


@router.post("/{tenant_id}/{campaign_id}/cancel", responses=_WRITE)
async def cancel(
    tenant_id: TenantPath, campaign_id: UUID, _: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> OneCampaign:
    """Stop for good."""
    return success_response(_out(await service.cancel(tx, tenant_id, campaign_id, runtime.clock.now())))


@router.post(
    "/{tenant_id}/{campaign_id}/retry-failed",
    status_code=202,
    response_model=ApiResponse[RetryOut],
    responses=_WRITE,
)
async def retry_failed(
    tenant_id: TenantPath,
    campaign_id: UUID,
    _: SenderUser,
    tx: TenantTx,
    runtime: RuntimeDep,
    idem: Idem,
    body: RetryIn | None = None,
) -> ApiResponse[Any] | Response:
    """Send again to those who did not get the mail. Takes an Idempotency-Key."""
    ambiguous = body is not None and body.include_ambiguous

    async def action() -> ApiResponse[RetryOut]:
        campaign, requeued = await service.retry_failed(
            tx, tenant_id, campaign_id, include_ambiguous=ambiguous, now=runtime.clock.now()
        )
        out = RetryOut(campaign_id=campaign_id, status=campaign["status"], requeued=requeued)
        return success_response(out, "Queued for another try")

    return await idem.run(tx, action, status=202)
