"""Single texts: rendered and stored as a message, sent by the lane of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from campaign_service.messages import repository
from campaign_service.messages.schemas import MessageIn, To
from campaign_service.messages.service import Chosen, RenderingError, get, tenant_template
from campaign_service.rendering import Content
from campaign_service.rendering.compiler import prepare
from campaign_service.rendering.model import RenderError
from campaign_service.sms import accounts, phones
from campaign_service.sms import repository as sms
from campaign_service.sms import service as sms_service
from campaign_service.sms.content import fill_once
from shared.database import Tx
from shared.errors import ValidationError
from shared.utils import uuid7
from shared.web import Runtime


async def submit(tx: Tx, rt: Runtime, tenant_id: UUID, user_id: UUID, body: MessageIn) -> dict[str, Any]:
    """Render and queue a text of a client; the stored message. Raises SmsNotConfiguredError."""
    source = await source_of(tx, tenant_id, body.text, body.template_id, body.to.language)
    message_id = await enqueue(
        tx, rt, tenant_id, body.to, source, body.variables, purpose=body.purpose, created_by=user_id
    )
    return await get(tx, tenant_id, message_id)


async def source_of(
    tx: Tx, tenant_id: UUID, own: str | None, template_id: UUID | None, language: str | None
) -> Chosen:
    """What a text says; of a template its text part. Raises NotFoundError."""
    if template_id is None:
        return Chosen(Content("", "", own), language)
    return await tenant_template(tx, tenant_id, template_id, language)


async def enqueue(
    tx: Tx,
    rt: Runtime,
    tenant_id: UUID,
    to: To,
    chosen: Chosen,
    variables: Mapping[str, Any],
    *,
    purpose: str = "transactional",
    **more: Any,
) -> UUID:
    """Store a rendered text; its message's id. With an `idempotency_key` that is known, nothing is stored."""
    account = await accounts.require(tx, rt, tenant_id)
    number = phones.e164(to.phone or "", account.default_region)
    if number is None:
        raise ValidationError("to.phone is not a phone number", field="to.phone")
    body = await _rendered(tx, tenant_id, chosen, to, number, variables)
    message_id = uuid7()
    values: dict[str, Any] = {
        "id": message_id,
        "channel": "sms",
        "purpose": purpose,
        "template_id": chosen.template_id,
        "template_version": chosen.version,
        "template_name": chosen.name,
        "recipient_phone": number,
        "recipient_name": to.name,
        "language": chosen.language,
        "text": body,
        **more,
    }
    if not await repository.insert(tx, tenant_id, values):
        return message_id
    row = await sms_service.enqueue(tx, rt, account, number, body, purpose=purpose, message_id=message_id)
    if row["status"] == "skipped":
        await repository.skip(tx, tenant_id, message_id, row["error_detail"])
    return message_id


async def _rendered(
    tx: Tx, tenant_id: UUID, chosen: Chosen, to: To, number: str, variables: Mapping[str, Any]
) -> str:
    """By the engine of the campaigns: what is known of the contact, then what the caller gives."""
    first, _, last = (to.name or "").partition(" ")
    stranger = {"first_name": first or None, "last_name": last or None, "phone_e164": number}
    person = await sms.contact_of(tx, tenant_id, number) or stranger
    source = prepare(chosen.content, None).text
    try:
        return fill_once(source, person, variables)
    except RenderError as error:
        raise RenderingError(
            "The text cannot be made with these variables", field="variables", details={"reason": str(error)}
        ) from error
