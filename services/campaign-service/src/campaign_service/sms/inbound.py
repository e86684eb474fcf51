"""What the provider tells us: reports, answers and calls, from its webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from campaign_service.conversations import service as conversations
from campaign_service.sms import accounts, phones, repository, results
from shared.errors import PermanentError
from shared.events import Consumer, MessageContext
from shared.events.catalog import WebhookReceived
from shared.events.webhooks import telling_of_failures
from shared.utils import logger

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 500
_RANG_OUT = frozenset({"no-answer", "busy", "failed", "canceled"})
_CALL_STATUSES = {
    "queued": "ringing",
    "initiated": "ringing",
    "ringing": "ringing",
    "in-progress": "answered",
    "completed": "completed",
}


async def twilio(context: MessageContext) -> None:
    """One webhook. Of another account than the tenant's it is refused: it would speak of others' texts."""
    hook = context.parse(WebhookReceived)
    form = _form(hook)
    tx, rt = context.tx, context.runtime
    row = await repository.account(tx, tx.tenant)
    if row is None or form.get("AccountSid", row["account_sid"]) != row["account_sid"]:
        raise PermanentError("the webhook is of an SMS account that is not this tenant's")
    if "CallSid" in form:
        await _call(context, form)
    elif status := form.get("MessageStatus"):
        sid = _sid(form)
        await results.report(
            tx, rt, sid, phones.e164(form.get("To", "")), status, form.get("ErrorCode") or None
        )
    elif "Body" in form or "NumMedia" in form:
        await _message(context, form)
    else:
        logger.info("a webhook of twilio was of no kind we know", inbound_id=str(hook.inbound_id))


def _form(hook: WebhookReceived) -> dict[str, str]:
    if not hook.content_type.startswith(_FORM):
        raise PermanentError("only form webhooks of twilio are understood")
    try:
        pairs = parse_qsl(hook.body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise PermanentError(f"the form cannot be read: {error}") from error
    return {name: value.replace("\x00", "") for name, value in pairs}


def _sid(form: dict[str, str]) -> str:
    sid = form.get("MessageSid") or form.get("SmsSid")
    if not sid:
        raise PermanentError("the webhook names no message")
    return sid


def _pair(form: dict[str, str]) -> tuple[str, str]:
    """(who wrote or called, our number). A caller who hides their number cannot be answered."""
    customer, business = phones.e164(form.get("From", "")), phones.e164(form.get("To", ""))
    if customer is None or business is None:
        raise PermanentError("the webhook names no two phone numbers")
    return customer, business


async def _message(context: MessageContext, form: dict[str, str]) -> None:
    customer, business = _pair(form)
    account = await accounts.find(context.tx, context.runtime, context.tx.tenant)
    text = conversations.Inbound(
        _sid(form), customer, business, form.get("Body", ""), form.get("OptOutType", "").casefold() or None
    )
    await conversations.received(context.tx, context.runtime, account, text)


async def _call(context: MessageContext, form: dict[str, str]) -> None:
    if form.get("Direction", "inbound").startswith("outbound"):
        return
    if phones.e164(form.get("From", "")) is None:
        logger.info("a call without a number cannot be answered")
        return
    customer, business = _pair(form)
    status = form.get("CallStatus", "")
    is_missed = status in _RANG_OUT or form.get("DialCallStatus") in _RANG_OUT
    call: dict[str, Any] = {
        "provider_sid": form["CallSid"],
        "customer_phone": customer,
        "business_phone": business,
        "status": "missed" if is_missed else _CALL_STATUSES.get(status, "ringing"),
        "duration": int(form["CallDuration"]) if form.get("CallDuration", "").isdigit() else 0,
        "at": _moment(form.get("Timestamp")) or context.runtime.clock.now(),
    }
    account = await accounts.find(context.tx, context.runtime, context.tx.tenant)
    await conversations.called(context.tx, context.runtime, account, call)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


CONSUMERS = (Consumer("twilio-webhooks", ("webhook.twilio.received.v1",), telling_of_failures(twilio)),)
