"""Delivery webhooks as they come over the event bus, one transaction each."""

from __future__ import annotations

from campaign_service.deliveries import service
from campaign_service.deliveries.mailwizz import UnreadablePayloadError
from campaign_service.deliveries.powermta import UnreadableBatchError
from campaign_service.deliveries.service import Applied, Inbound
from shared.errors import PermanentError
from shared.events import Consumer, MessageContext
from shared.events.catalog import WebhookReceived
from shared.events.webhooks import telling_of_failures
from shared.utils import logger


async def powermta(context: MessageContext) -> None:
    """Accounting rows; a body that is neither CSV nor JSON goes to the dead letters."""
    hook = context.parse(WebhookReceived)
    inbound = Inbound(hook.inbound_id, hook.received_at)
    try:
        result = await service.apply_powermta(context.tx, context.runtime, hook.body, inbound)
    except UnreadableBatchError as error:
        raise PermanentError(str(error)) from error
    _log("powermta", inbound, result)


async def mailwizz(context: MessageContext) -> None:
    """Opens and clicks; a body that is not JSON goes to the dead letters."""
    hook = context.parse(WebhookReceived)
    inbound = Inbound(hook.inbound_id, hook.received_at)
    try:
        result = await service.apply_mailwizz(context.tx, context.runtime, hook.body, inbound)
    except UnreadablePayloadError as error:
        raise PermanentError(str(error)) from error
    _log("mailwizz", inbound, result)


def _log(source: str, inbound: Inbound, result: Applied) -> None:
    logger.info(
        "delivery webhook applied",
        source=source,
        inbound_id=str(inbound.id),
        applied=result.applied,
        repeated=result.repeated,
        unmatched=result.unmatched,
        rejected=result.rejected,
        ignored=result.ignored,
    )


CONSUMERS = (
    Consumer("powermta-webhooks", ("webhook.powermta.received.v1",), telling_of_failures(powermta)),
    Consumer("mailwizz-webhooks", ("webhook.mailwizz.received.v1",), telling_of_failures(mailwizz)),
)
