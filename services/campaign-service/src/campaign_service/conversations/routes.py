"""Conversations and leads over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from campaign_service.conversations import repository, service
from campaign_service.conversations.schemas import (
    ConversationDetail,
    ConversationIn,
    ConversationOut,
    ConversationPatch,
    ConversationStatus,
    LeadIn,
    LeadPatch,
    LeadStatus,
    TextIn,
    TextOut,
)
from campaign_service.sms.schemas import E164
from shared.models import ApiResponse, error_responses, success_response
from shared.models.business import Lead
from shared.web import Idem, OperatorUser, Page, ReadTx, RuntimeDep, SenderUser, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/conversations", tags=["conversations"])
leads_router = APIRouter(prefix="/api/v2/leads", tags=["leads"])

_READ = error_responses(400, 401, 404, 422)


@router.get("/{tenant_id}", responses=_READ)
async def list_conversations(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    status: ConversationStatus | None = None,
    phone: Annotated[E164 | None, Query(description="The customer's number, in international form")] = None,
) -> ApiResponse[list[ConversationOut]]:
    """Where something was said last comes first."""
    after = (page.value(0), page.value(1)) if page.after else None
    rows = await repository.page(tx, tenant_id, {"status": status, "phone": phone}, after, page.fetch_limit)
    return page.respond(rows, lambda row: (row["last_message_at"], row["id"]), ConversationOut.model_validate)


@router.post("/{tenant_id}", status_code=201, responses=error_responses(400, 401, 403, 404, 409, 422))
async def begin_conversation(
    tenant_id: TenantPath, body: ConversationIn, _: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ConversationOut]:
    """The conversation with a number, begun if need be. Nothing is sent yet."""
    found = await service.begin(tx, rt, tenant_id, body.customer_phone, body.business_phone)
    return success_response(ConversationOut.model_validate(found))


@router.get("/{tenant_id}/{conversation_id}", responses=_READ)
async def get_conversation(
    tenant_id: TenantPath, conversation_id: UUID, tx: ReadTx
) -> ApiResponse[ConversationDetail]:
    """One conversation and its calls."""
    found = await service.get(tx, tenant_id, conversation_id)
    calls = await repository.calls(tx, tenant_id, conversation_id)
    return success_response(ConversationDetail.model_validate({**found, "calls": calls}))


@router.patch("/{tenant_id}/{conversation_id}", responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_conversation(
    tenant_id: TenantPath, conversation_id: UUID, body: ConversationPatch, _: OperatorUser, tx: TenantTx
) -> ApiResponse[ConversationOut]:
    """Close it, or open it again. 409 for who opted out: only they can change that."""
    row = await service.set_status(tx, tenant_id, conversation_id, body.status)
    return success_response(ConversationOut.model_validate(row))


@router.get("/{tenant_id}/{conversation_id}/messages", responses=_READ)
async def list_texts(
    tenant_id: TenantPath, conversation_id: UUID, page: Page, tx: ReadTx
) -> ApiResponse[list[TextOut]]:
    """Latest first."""
    await service.get(tx, tenant_id, conversation_id)
    rows = await repository.texts(tx, tenant_id, conversation_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], TextOut.of)


@router.post(
    "/{tenant_id}/{conversation_id}/messages",
    status_code=202,
    response_model=ApiResponse[TextOut],
    responses=error_responses(400, 401, 403, 404, 409, 422),
)
async def send_text(
    tenant_id: TenantPath,
    conversation_id: UUID,
    body: TextIn,
    user: SenderUser,
    tx: TenantTx,
    rt: RuntimeDep,
    idem: Idem,
) -> ApiResponse[Any] | Response:
    """Answer, from the number that was written to. Takes an Idempotency-Key."""

    async def action() -> ApiResponse[TextOut]:
        row = await service.say(tx, rt, tenant_id, conversation_id, body.body, user.user_id)
        return success_response(TextOut.of(row), "Text queued")

    return await idem.run(tx, action, status=202)


@leads_router.get("/{tenant_id}", responses=_READ)
async def list_leads(
    tenant_id: TenantPath, page: Page, tx: ReadTx, status: LeadStatus | None = None
) -> ApiResponse[list[Lead]]:
    """Latest first."""
    rows = await repository.leads(tx, tenant_id, status, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], Lead.model_validate)


@leads_router.post("/{tenant_id}", status_code=201, responses=error_responses(400, 401, 403, 404, 422))
async def create_lead(
    tenant_id: TenantPath, body: LeadIn, _: OperatorUser, tx: TenantTx
) -> ApiResponse[Lead]:
    """A lead that came by another way than a call."""
    row = await repository.insert_lead(tx, tenant_id, body.model_dump())
    return success_response(Lead.model_validate(row))


@leads_router.get("/{tenant_id}/{lead_id}", responses=_READ)
async def get_lead(tenant_id: TenantPath, lead_id: UUID, tx: ReadTx) -> ApiResponse[Lead]:
    return success_response(Lead.model_validate(await service.get_lead(tx, tenant_id, lead_id)))


@leads_router.patch("/{tenant_id}/{lead_id}", responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_lead(
    tenant_id: TenantPath, lead_id: UUID, body: LeadPatch, _: OperatorUser, tx: TenantTx
) -> ApiResponse[Lead]:
    """Change what is known of a lead, or where it stands."""
    row = await service.update_lead(tx, tenant_id, lead_id, body.changes())
    return success_response(Lead.model_validate(row))
