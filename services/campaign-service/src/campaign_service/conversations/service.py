"""Rules of conversations: who may be answered, what is answered by itself, what becomes a lead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.conversations import repository
from campaign_service.sms import accounts, keywords, segments
from campaign_service.sms import repository as sms
from campaign_service.sms import service as sms_service
from campaign_service.sms.accounts import Account
from campaign_service.sms.numbers import repository as numbers
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.utils import uuid7
from shared.web import Runtime

#: Who calls five times in a row is texted once.
_TEXT_BACK_PAUSE = timedelta(hours=1)
_HELP_PAUSE = timedelta(minutes=1)
_OPT_OUT_TYPES: dict[str, keywords.Keyword] = {"stop": "stop", "start": "start", "help": "help"}


class OptedOutError(ConflictError):
    """The person does not want to be texted."""

    code = "OPTED_OUT"


class DuplicateLeadError(ConflictError):
    """The conversation has another lead under way."""

    code = "LEAD_UNDER_WAY"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A text somebody sent us. `opt_out_type`: the provider took it for a keyword and has answered it."""

    sid: str
    customer: str
    business: str
    body: str
    opt_out_type: str | None = None


async def received(tx: Tx, rt: Runtime, account: Account | None, text: Inbound) -> None:
    """Put a text into its conversation, once, and do what its keyword asks for."""
    tenant_id = tx.tenant
    conversation = await repository.open_(tx, tenant_id, text.customer, text.business)
    row = {
        "id": uuid7(),
        "direction": "inbound",
        "purpose": "conversation",
        "customer_phone": text.customer,
        "business_phone": text.business,
        "conversation_id": conversation["id"],
        "contact_id": conversation["contact_id"],
        "body": text.body,
        "segments": max(1, segments.count(text.body).segments),
        "status": "received",
        "provider_sid": text.sid,
    }
    if not await sms.insert_message(tx, tenant_id, row):
        return
    found = keywords.meaning(text.body)
    keyword = _OPT_OUT_TYPES.get(text.opt_out_type or "") or (found[0] if found else None)
    if keyword is None:
        await repository.touch(tx, tenant_id, conversation["id"], "open")
        await repository.describe_lead(tx, tenant_id, conversation["id"], text.body)
        return
    did = await _obey(tx, rt, conversation, text, keyword)
    is_answered = account is None or not account.answers_keywords or text.opt_out_type is not None
    if did and not is_answered:
        assert account is not None
        # STOP is understood everywhere; a French word is answered in French.
        own = await sms.language_of(tx, tenant_id, conversation["contact_id"])
        language = found[1] if found and found[1] != "en" else own
        body = keywords.answer(keyword, language, account.help_text)
        await _automatic(tx, rt, account, conversation, body)


async def _obey(
    tx: Tx, rt: Runtime, conversation: dict[str, Any], text: Inbound, keyword: keywords.Keyword
) -> bool:
    """Whether this changes or says something new: what was done already is not answered again."""
    tenant_id, phone = tx.tenant, text.customer
    if keyword == "stop":
        new = NewSuppression(
            phone, "unsubscribed", channel="sms", detail=f"answered {text.body[:20]!r}", source="sms_stop"
        )
        changed = await suppressions.add_many(tx, tenant_id, [new])
        await repository.touch(tx, tenant_id, conversation["id"], "opted_out")
        return bool(changed)
    if keyword == "start":
        reason = await suppressions.suppressed_reason(tx, tenant_id, phone, channel="sms")
        lifted = 0
        if reason == "unsubscribed":
            lifted = await suppressions.lift(tx, tenant_id, channel="sms", address=phone, source="sms_start")
        await repository.touch(tx, tenant_id, conversation["id"], "open")
        return bool(lifted)
    since = rt.clock.now() - _HELP_PAUSE
    await repository.touch(tx, tenant_id, conversation["id"], conversation["status"])
    return not await repository.has_recent_automatic(tx, tenant_id, conversation["id"], since)


async def _automatic(tx: Tx, rt: Runtime, account: Account, conversation: dict[str, Any], body: str) -> None:
    await sms_service.enqueue(
        tx,
        rt,
        account,
        conversation["customer_phone"],
        body,
        purpose="automatic",
        sender=conversation["business_phone"],
        conversation_id=conversation["id"],
        contact_id=conversation["contact_id"],
    )


async def called(tx: Tx, rt: Runtime, account: Account | None, call: dict[str, Any]) -> None:
    """Note a call. One nobody answered opens a lead, and is answered by a text."""
    tenant_id = tx.tenant
    customer = call["customer_phone"]
    if call["status"] != "missed":
        there = await repository.find(tx, tenant_id, customer, call["business_phone"])
        await repository.put_call(tx, tenant_id, call, there)
        return
    conversation = await repository.open_(tx, tenant_id, customer, call["business_phone"])
    if not await repository.put_call(tx, tenant_id, call, conversation["id"]):
        return
    await repository.open_lead(tx, tenant_id, conversation["id"], customer, "missed_call")
    if account is None or account.text_back is None:
        return
    if await suppressions.suppressed_reason(tx, tenant_id, customer, channel="sms") is not None:
        return
    since = rt.clock.now() - _TEXT_BACK_PAUSE
    if not await repository.has_recent_automatic(tx, tenant_id, conversation["id"], since):
        await repository.touch(tx, tenant_id, conversation["id"], "waiting")
        await _automatic(tx, rt, account, conversation, account.text_back)


async def get(tx: Tx, tenant_id: UUID, conversation_id: UUID) -> dict[str, Any]:
    conversation = await repository.get(tx, tenant_id, conversation_id)
    if conversation is None:
        raise NotFoundError("There is no such conversation")
    return conversation


async def set_status(tx: Tx, tenant_id: UUID, conversation_id: UUID, status: str) -> dict[str, Any]:
    """Raises NotFoundError, OptedOutError."""
    if (await get(tx, tenant_id, conversation_id))["status"] == "opted_out":
        raise OptedOutError("This person does not want to be texted")
    await repository.set_status(tx, tenant_id, conversation_id, status)
    return await get(tx, tenant_id, conversation_id)


async def begin(tx: Tx, rt: Runtime, tenant_id: UUID, customer: str, business: str | None) -> dict[str, Any]:
    """The conversation with a number. Raises SmsNotConfiguredError; ValidationError for another's number."""
    account = await accounts.require(tx, rt, tenant_id)
    found = await numbers.every(tx, tenant_id, rt.clock.now().date())
    ours = [row["number"] for row in found if row["is_active"]]
    if business is not None and business not in ours:
        raise ValidationError("This is none of your numbers", field="business_phone")
    sender = business or next(iter(ours), account.senders[0])
    opened = await repository.open_(tx, tenant_id, customer, sender)
    return await get(tx, tenant_id, opened["id"])


async def say(
    tx: Tx, rt: Runtime, tenant_id: UUID, conversation_id: UUID, body: str, user_id: UUID
) -> dict[str, Any]:
    """Send a text in a conversation. Raises OptedOutError, SmsNotConfiguredError."""
    conversation = await get(tx, tenant_id, conversation_id)
    account = await accounts.require(tx, rt, tenant_id)
    row = await sms_service.enqueue(
        tx,
        rt,
        account,
        conversation["customer_phone"],
        body,
        purpose="conversation",
        sender=conversation["business_phone"],
        conversation_id=conversation_id,
        contact_id=conversation["contact_id"],
        created_by=user_id,
    )
    if row["status"] == "skipped":
        raise OptedOutError("This person does not want to be texted", details={"reason": row["error_detail"]})
    await repository.touch(tx, tenant_id, conversation_id, "waiting")
    return await repository.text(tx, tenant_id, row["id"])


async def get_lead(tx: Tx, tenant_id: UUID, lead_id: UUID) -> dict[str, Any]:
    lead = await repository.lead(tx, tenant_id, lead_id)
    if lead is None:
        raise NotFoundError("There is no such lead")
    return lead


async def update_lead(tx: Tx, tenant_id: UUID, lead_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
    """Raises NotFoundError; DuplicateLeadError when an ended lead is begun again beside a newer one."""
    lead = await get_lead(tx, tenant_id, lead_id)
    reopens = lead["status"] in ("won", "lost") and changes.get("status") not in (None, "won", "lost")
    if reopens and await repository.has_open_lead(tx, tenant_id, lead["conversation_id"]):
        raise DuplicateLeadError("There is a newer lead of this conversation", field="status")
    if changes:
        await repository.update_lead(tx, tenant_id, lead_id, changes)
    return await repository.lead(tx, tenant_id, lead_id) or lead
