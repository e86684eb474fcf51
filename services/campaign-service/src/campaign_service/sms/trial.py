"""A campaign's text to a few numbers, outside of the campaign and its figures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.schemas import TestIn
from campaign_service.code_pools.sample import sample_code
from campaign_service.messages import repository as messages
from campaign_service.rendering.model import RenderError
from campaign_service.sms import accounts, content, service
from shared.database import Tx
from shared.errors import BusinessRuleError, NotFoundError
from shared.utils import uuid7
from shared.web import Runtime


async def send(tx: Tx, rt: Runtime, campaign: dict[str, Any], body: TestIn, user_id: UUID) -> list[UUID]:
    """The text as the contact (default: the tenant's first) would get it, its links as they are written.

    The ids of the single messages it is sent by. Raises SmsNotConfiguredError, NotFoundError and
    BusinessRuleError.
    """
    tenant_id = campaign["tenant_id"]
    account = await accounts.require(tx, rt, tenant_id)
    person = await campaigns.contact(tx, tenant_id, body.contact_id)
    if person is None and body.contact_id is not None:
        raise NotFoundError("There is no such contact")
    person = {**(person or {"language": "en"}), "code": await sample_code(rt, campaign)}
    texts = content.compiled(campaign, await content.load(tx, campaign), lambda _: lambda _: None)
    text = texts.of(body.variant or 0)
    if text is None:
        raise NotFoundError(f"The campaign has no variant {body.variant}", field="variant")
    chosen = text.choose(body.language or campaign["language"], person["language"])
    try:
        words = text.fill(chosen, person)
    except RenderError as error:
        raise BusinessRuleError(f"The text cannot be made for this person: {error}") from error
    return [await _queue(tx, rt, account, campaign, to, chosen, words, user_id) for to in body.to]


async def _queue(
    tx: Tx,
    rt: Runtime,
    account: accounts.Account,
    campaign: dict[str, Any],
    to: str,
    language: str,
    body: str,
    user_id: UUID,
) -> UUID:
    message_id = uuid7()
    values = {
        "id": message_id,
        "channel": "sms",
        "purpose": "transactional",
        "template_id": campaign["template_id"],
        "recipient_phone": to,
        "language": language,
        "text": body,
        "created_by": user_id,
    }
    await messages.insert(tx, tx.tenant, values)
    row = await service.enqueue(tx, rt, account, to, body, purpose="transactional", message_id=message_id)
    if row["status"] == "skipped":
        await messages.skip(tx, tx.tenant, message_id, row["error_detail"])
    return message_id
