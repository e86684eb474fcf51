"""Webhooks of the ticket shop as they come over the event bus, one transaction each."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from code_service.orders import service
from code_service.orders.fienta import read_fienta, read_form
from code_service.orders.make import read_make
from code_service.orders.values import UnreadableOrderError
from code_service.settings import settings_of
from shared.events import Consumer, MessageContext
from shared.events.catalog import WebhookReceived
from shared.events.webhooks import telling_of_failures
from shared.utils import logger


async def make(context: MessageContext) -> None:
    """An order in a Make scenario's webhook; what is about something else is left alone."""
    hook = context.parse(WebhookReceived)
    fact = read_make(_json(hook.body), hook.inbound_id, hook.received_at)
    if fact is None:
        logger.info("webhook is about no order", source="make", inbound_id=str(hook.inbound_id))
        return
    changed = await service.record(context.tx, context.runtime, "make", fact)
    logger.info("order webhook read", source="make", inbound_id=str(hook.inbound_id), changed=changed)


async def fienta(context: MessageContext) -> None:
    """A Fienta webhook, as JSON or as a form."""
    hook = context.parse(WebhookReceived)
    is_form = hook.content_type.lower().startswith("application/x-www-form-urlencoded")
    body = read_form(hook.body) if is_form else _json(hook.body)
    zone = ZoneInfo(settings_of(context.runtime).fienta_timezone)
    fact = read_fienta(body, hook.inbound_id, hook.received_at, zone)
    changed = await service.record(context.tx, context.runtime, "fienta", fact)
    logger.info("order webhook read", source="fienta", inbound_id=str(hook.inbound_id), changed=changed)


def _json(body: str) -> dict[str, Any]:
    """A JSON object, its decimals exact."""
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise UnreadableOrderError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableOrderError("the body is no JSON object")
    return value


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number")


CONSUMERS = (
    Consumer("make-webhooks", ("webhook.make.received.v1",), telling_of_failures(make)),
    Consumer("fienta-webhooks", ("webhook.fienta.received.v1",), telling_of_failures(fienta)),
)
