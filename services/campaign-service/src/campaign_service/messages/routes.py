"""Single messages: receipts, codes, notices."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from campaign_service.contacts.types import Line
from campaign_service.messages import repository, service, texts
from campaign_service.messages.schemas import MessageDetail, MessageIn, MessageOut, MessageState
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import Idem, Page, ReadTx, RuntimeDep, SenderUser, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/messages", tags=["messages"])


@router.post(
    "/{tenant_id}",
    status_code=202,
    response_model=ApiResponse[MessageOut],
    responses=error_responses(400, 401, 403, 404, 409, 422),
)
async def send_message(
    tenant_id: TenantPath, body: MessageIn, user: SenderUser, tx: TenantTx, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Render a mail or a text now and queue it. Takes an Idempotency-Key."""

    async def action() -> ApiResponse[MessageOut]:
        submit = texts.submit if body.channel == "sms" else service.submit
        message = await submit(tx, rt, tenant_id, user.user_id, body)
        return success_response(MessageOut.model_validate(message))

    return await idem.run(tx, action, status=202)


@router.get("/{tenant_id}", responses=error_responses(400, 401, 404, 422))
async def list_messages(
    tenant_id: TenantPath,
    page: Page,
    tx: ReadTx,
    state: MessageState | None = None,
    to: Annotated[Line | None, Query(description="The recipient's address or number")] = None,
) -> ApiResponse[list[MessageOut]]:
    """Latest first."""
    rows = await repository.page(tx, tenant_id, state, to, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], MessageOut.model_validate)


@router.get("/{tenant_id}/{message_id}", responses=error_responses(401, 404, 422))
async def get_message(tenant_id: TenantPath, message_id: UUID, tx: ReadTx) -> ApiResponse[MessageDetail]:
    """Where a message stands, and what it says."""
    return success_response(MessageDetail.model_validate(await service.get(tx, tenant_id, message_id)))
