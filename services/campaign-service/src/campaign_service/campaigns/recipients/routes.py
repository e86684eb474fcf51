"""HTTP of what a campaign is and does to people: audience, preview, recipients, progress, links."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from campaign_service.ab.content import variant_contents
from campaign_service.campaigns import content, service
from campaign_service.campaigns.recipients import repository
from campaign_service.campaigns.recipients import service as recipients
from campaign_service.campaigns.schemas import (
    AudienceOut,
    Language,
    LinkOut,
    PreviewOut,
    ProgressOut,
    RecipientOut,
    TestIn,
    TestOut,
)
from campaign_service.campaigns.states import RecipientState
from campaign_service.sms import campaigns as sms
from shared.models import ApiResponse, error_responses, success_response
from shared.web import Idem, Page, ReadTx, RuntimeDep, SenderUser, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/campaigns/{tenant_id}/{campaign_id}", tags=["campaigns"])

_READ = error_responses(400, 401, 404, 422)
StateFilter = Annotated[RecipientState | None, Query(description="Only recipients in this state")]


@router.get("/audience", responses=_READ)
async def audience(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, runtime: RuntimeDep
) -> ApiResponse[AudienceOut]:
    """Who would get the mail if it were sent now, who would not and why, and a few of the people."""
    campaign = await service.get(tx, tenant_id, campaign_id)
    found = await recipients.audience(tx, runtime, campaign, runtime.clock.now())
    return success_response(AudienceOut.model_validate(found))


@router.get("/preview", responses=_READ)
async def preview(
    tenant_id: TenantPath,
    campaign_id: UUID,
    tx: ReadTx,
    runtime: RuntimeDep,
    contact_id: Annotated[
        UUID | None, Query(description="As this contact; default the tenant's first")
    ] = None,
    language: Annotated[Language | None, Query(description="In this language, not the contact's")] = None,
    variant: Annotated[int | None, Query(ge=1, le=5, description="Of this variant")] = None,
) -> ApiResponse[PreviewOut]:
    """The mail by the engine that sends it, without tracking. In place of a code it shows SAMPLE-CODE."""
    campaign = await service.get(tx, tenant_id, campaign_id)
    if campaign["channel"] == "sms":
        text = await sms.preview(tx, runtime, campaign, contact_id, language, variant)
        return success_response(PreviewOut(subject="", html="", **text))
    other = await variant_contents(tx, campaign, variant) if variant else None
    rendered, chosen, person = await content.preview(tx, campaign, contact_id, language, other)
    return success_response(
        PreviewOut(
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            language=chosen,
            contact_id=person.contact_id if person.contact_id.int else None,
            warnings=list(rendered.warnings),
        )
    )


@router.post(
    "/test",
    status_code=202,
    response_model=ApiResponse[TestOut],
    responses=error_responses(400, 401, 403, 404, 409, 422),
)
async def send_test(
    tenant_id: TenantPath,
    campaign_id: UUID,
    body: TestIn,
    user: SenderUser,
    tx: TenantTx,
    runtime: RuntimeDep,
    idem: Idem,
) -> ApiResponse[Any] | Response:
    """Send the mail to a few addresses, outside of the campaign and its figures. Takes an Idempotency-Key."""

    async def action() -> ApiResponse[TestOut]:
        campaign = await service.get(tx, tenant_id, campaign_id)
        ids = await recipients.send_test(tx, runtime, campaign, body, user.user_id)
        return success_response(TestOut(campaign_id=campaign_id, message_ids=ids), "Test mails queued")

    return await idem.run(tx, action, status=202)


@router.get("/recipients", responses=_READ)
async def list_recipients(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, page: Page, state: StateFilter = None
) -> ApiResponse[list[RecipientOut]]:
    """The frozen audience, in the order of the contacts' ids, with what became of each."""
    await service.get(tx, tenant_id, campaign_id)
    rows = await repository.page(tx, tenant_id, campaign_id, state, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: (row["contact_id"],), RecipientOut.model_validate)


@router.get("/progress", responses=_READ)
async def progress(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, runtime: RuntimeDep
) -> ApiResponse[ProgressOut]:
    """How far the sending is, by state, how fast, and when it will be over."""
    campaign = await service.get(tx, tenant_id, campaign_id)
    return success_response(await recipients.progress(tx, campaign, runtime.clock.now()))


@router.get("/links", responses=_READ)
async def links(tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx) -> ApiResponse[list[LinkOut]]:
    """The links of a started campaign and their clicks."""
    campaign = await service.get(tx, tenant_id, campaign_id)
    if campaign["channel"] == "sms":
        rows = await sms.link_clicks(tx, campaign)
    else:
        rows = await repository.link_clicks(tx, tenant_id, campaign_id)
    return success_response([LinkOut.model_validate(row) for row in rows])
